"""The verbs. Each cuts the pipe at a stage: `lobbycount --help`."""

import io
import json
import logging
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, TextIO, cast

import structlog
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from edge import __version__, app, audit_verb, tables
from edge.adapters import health as machine
from edge.adapters.listener_mqtt import listen as receive
from edge.audit_report import audit_json, audit_table, audit_text
from edge.audit_verb import AuditRequest
from edge.config import Config, broker_section, load, missing_files, with_broker
from edge.errors import BrokerError, LobbyCountError, MessageError
from edge.messages import canonical
from edge.readings import zone_reading
from edge.records import parse_counts
from edge.replay import EPOCH_2026, Replay, ReplayOptions
from edge.replay import replay as play
from edge.scoring import LineScore, load_truth, overall, score, total_count_error
from edge.station import mqtt_settings

DEFAULT_CONFIG = Path("/etc/lobbycount/lobby.yaml")

cli = typer.Typer(
    help="Anonymous people counter for lobbies. 大厅匿名客流计数器。",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_out = Console()
_err = Console(stderr=True)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The config file. 配置文件。", show_default=True)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
BrokerOption = Annotated[
    str | None,
    typer.Option(help="Instead of the config's broker: mqtt://host:port is plain text, labs only."),
]


def main() -> None:
    """Run the command line; errors of this package end as one sentence and an exit code."""
    _log_to_stderr(logging.WARNING)
    try:
        cli()
    except LobbyCountError as error:
        _err.print(str(error), style="bold red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)


@cli.command()
def run(config: ConfigOption = DEFAULT_CONFIG, broker: BrokerOption = None) -> None:
    """Count from the camera and publish, until stopped.

    开始计数并上报。
    """
    _log_to_stderr(logging.INFO)
    app.run_device(_configured(config, broker))


@cli.command()
def check(file: Annotated[Path, typer.Argument(help="The config file. 配置文件。")]) -> None:
    """Check a config file and say what is wrong, line by line.

    检查配置文件。
    """
    config = load(file)
    _out.print(
        f"{file}: ok, {len(config.lines)} line(s), {len(config.zones)} zone(s),"
        f" config hash {config.hash()}"
    )
    for missing in missing_files(config):
        _out.print(f"not on this machine, the device needs it: {missing}", markup=False)


@cli.command("replay")
def replay_(
    clip: Annotated[Path, typer.Argument(help="A recording, e.g. an MP4 file. 录像文件。")],
    config: ConfigOption = DEFAULT_CONFIG,
    speed: Annotated[
        Literal["max", "real"], typer.Option(help="As fast as possible, or the clip's own pace.")
    ] = "max",
    truth: Annotated[
        Path | None, typer.Option(help="Ground truth: MOT gt.txt, or JSON crossings.")
    ] = None,
    annotate: Annotated[Path | None, typer.Option(help="Write an annotated MP4 there.")] = None,
    interval: Annotated[
        int | None, typer.Option(help="Seconds per record, not the config's.", min=1, max=86400)
    ] = None,
    start: Annotated[
        datetime | None, typer.Option(help="UTC date and time the clip is said to begin.")
    ] = None,
    publish: Annotated[bool, typer.Option(help="Also send the records to the broker.")] = False,
    broker: BrokerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count the people in a recording.

    统计录像中的客流。
    """
    settings = _configured(config, broker)
    options = ReplayOptions(
        speed=speed,
        start_utc=EPOCH_2026 if start is None else start.replace(tzinfo=UTC).timestamp(),
        interval_s=interval,
        annotate=annotate,
        publish=publish,
    )
    with _progress() as progress:
        task = progress.add_task(clip.name, total=None)
        result = play(
            settings,
            clip,
            options,
            lambda index, total: progress.update(task, completed=index + 1, total=total),
        )
    scores = _scores(settings, result, truth) if truth else []
    if as_json:
        sys.stdout.write(json.dumps(_replay_json(result, scores), ensure_ascii=False) + "\n")
        return
    _out.print(tables.counts_table(result.buckets))
    if settings.zones:
        _out.print(tables.zones_table(result.buckets))
    if scores:
        _out.print(tables.score_table(scores))
    _out.print(_speed(result))
    if annotate:
        _out.print(f"annotated video: {annotate}", soft_wrap=True)
    if result.undelivered:
        raise BrokerError(f"{result.undelivered} records could not be delivered: {result.trouble}")


@cli.command()
def audit(
    tally: Annotated[
        Path | None, typer.Argument(help="A manual tally, CSV: time,line,direction. 人工计数表。")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    live: Annotated[
        bool, typer.Option("--live", help="Count by key press; TALLY is written. 现场按键计数。")
    ] = False,
    line: Annotated[list[str] | None, typer.Option(help="Only this line. 计数线。")] = None,
    since: Annotated[
        str | None, typer.Option("--from", help="When the tallying began, else the first line.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="When the tallying ended, else the last line.")
    ] = None,
    clip: Annotated[
        Path | None, typer.Option(help="Compare with this recording, not the records. 录像文件。")
    ] = None,
    start: Annotated[
        datetime | None, typer.Option(help="UTC date and time the clip is said to begin.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Who audits; writes the calibration record. 核查人。")
    ] = None,
    valid_days: Annotated[
        int, typer.Option(help="How long the calibration record is valid.", min=1, max=3650)
    ] = 365,
    as_json: JsonOption = False,
) -> None:
    """Compare a manual tally with the device's count and say what may be claimed.

    人工核查：与设备计数比对。
    """
    settings = load(config)
    request = AuditRequest(
        tally=tally,
        clip=clip,
        start_utc=EPOCH_2026 if start is None else start.replace(tzinfo=UTC).timestamp(),
        live=live,
        lines=line or (),
        since=since,
        until=until,
        by=by,
        valid_days=valid_days,
    )
    with _progress(shown=clip is not None) as progress:
        task = progress.add_task(str(clip), total=None)
        result = audit_verb.audit(
            settings,
            request,
            lambda index, total: progress.update(task, completed=index + 1, total=total),
        )
    if as_json:
        sys.stdout.write(json.dumps(audit_json(result), ensure_ascii=False) + "\n")
    else:
        _out.print(audit_table(result))
        _out.print(audit_text(result), markup=False, highlight=False, soft_wrap=True)
    path = audit_verb.keep(settings, result)
    if not as_json:
        _out.print(path, markup=False, highlight=False, soft_wrap=True)


@cli.command()
def listen(
    config: ConfigOption = DEFAULT_CONFIG,
    broker: BrokerOption = None,
    tenant: Annotated[str, typer.Option(help="Only this tenant.")] = "+",
    device: Annotated[str, typer.Option(help="Only this device.")] = "+",
    as_json: JsonOption = False,
) -> None:
    """Print counts as they arrive.

    实时显示收到的计数。
    """
    settings = mqtt_settings(broker_section(broker) if broker else load(config).mqtt)
    stop = threading.Event()
    topic = f"pc/v1/{tenant}/{device}/counts"

    def ready() -> None:
        sys.stderr.write(f"listening on {settings.address} to {topic}\n")
        if not as_json:
            sys.stdout.write(tables.RECORD_HEADER + "\n")
        sys.stdout.flush()

    try:
        for _, payload, _ in receive(settings, topic, stop, ready):
            _print_payload(payload, as_json)
    except KeyboardInterrupt:
        stop.set()


@cli.command()
def health(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Say how the running device is; exit code 1 when it needs help.

    查看设备运行状态。
    """
    folder = load(config).records.data_dir
    report, age_s = machine.read_report(folder)
    problems = report.problems(age_s)
    if as_json:
        sys.stdout.write(json.dumps(asdict(report) | {"problems": problems}) + "\n")
    else:
        _out.print(tables.health_table(report, age_s))
        for problem in problems:
            _out.print(f"problem: {problem}", style="bold red", markup=False)
    if problems:
        raise typer.Exit(1)


@cli.command()
def version() -> None:
    """Print the version."""
    sys.stdout.write(f"lobbycount {__version__}\n")


def _configured(path: Path, broker: str | None) -> Config:
    config = load(path)
    return with_broker(config, broker) if broker else config


def _scores(config: Config, result: Replay, truth: Path) -> list[LineScore]:
    lines = app.configured_lines(config)
    true = load_truth(truth, lines, result.clip_fps, result.size)
    return score(true, result.live, [line.id for line in lines])


def _replay_json(result: Replay, scores: list[LineScore]) -> dict[str, object]:
    return {
        "frames": result.frames,
        "frames_per_s": round(result.frames / result.wall_s, 1),
        "cpu_ms_per_frame": round(1000 * result.cpu_s / result.frames, 2),
        "peak_memory_mb": round(machine.peak_memory_mb(), 1),
        "records": [json.loads(record.body) for record in result.records],
        "lines": {
            k: {str(o): n for o, n in v.items()}
            for k, v in tables.bucket_totals(result.buckets).items()
        },
        "zones": {
            zone: {"kind": str(kind), **zone_reading(kind, sums)}
            for zone, (kind, sums) in tables.zone_totals(result.buckets).items()
        },
        "truth": [asdict(s) | {"count_error": s.count_error, "f1": s.f1} for s in scores],
        "count_error": total_count_error(scores) if scores else None,
        "f1": overall(scores).f1 if scores else None,
    }


def _speed(result: Replay) -> str:
    return (
        f"{result.frames} frames, {result.frames / result.wall_s:.1f} frames/s, "
        f"{1000 * result.cpu_s / result.frames:.1f} CPU-ms per frame, "
        f"peak memory {machine.peak_memory_mb():.0f} MB"
    )


def _print_payload(payload: bytes, as_json: bool) -> None:
    try:
        records = parse_counts(payload)
    except MessageError as error:
        _err.print(f"ignored a payload: {error}", style="yellow", markup=False)
        return
    for record in records:
        text = canonical(record.raw) if as_json else tables.record_row(record)
        sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _progress(shown: bool = True) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    quiet = not (shown and _err.is_terminal)
    return Progress(*columns, TimeRemainingColumn(), console=_err, transient=True, disable=quiet)


class _Stderr(io.TextIOBase):
    """Standard error that never raises: a full or closed log must not stop the counting."""

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.flush()


def _log_to_stderr(level: int) -> None:
    """Log lines for people on a terminal, JSON for the journal elsewhere.

    Tracebacks are plain: no values of variables, which could be about people.
    """
    if sys.stderr.isatty():
        render: list[structlog.typing.Processor] = [
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        ]
    else:
        render = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *render,
        ],
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Stderr())),
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )
