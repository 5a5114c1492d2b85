"""The verbs. Each cuts the pipe at a stage: `lobbycount --help`."""

import json
import logging
import re
import sys
import threading
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from edge import __version__, app, tables
from edge.adapters import health as machine
from edge.adapters.detectors import missing_provider
from edge.adapters.listener_mqtt import listen as receive
from edge.answered_for import what_is_missing
from edge.assembly import configured_lines
from edge.audit_cli import audit
from edge.config import Config, broker_section, load, missing_files, with_broker
from edge.config_in_force import in_force
from edge.config_start import configured, last_known
from edge.doctor_cli import doctor
from edge.errors import BadInputError, BrokerError, LobbyCountError, MessageError
from edge.evidence_cli import export, verify
from edge.models_cli import models
from edge.privacy_cli import privacy, privacy_check
from edge.provision_cli import provision, provision_sheet
from edge.readings import zone_reading
from edge.records import parse_counts
from edge.replay import EPOCH_2026, Replay, ReplayOptions
from edge.replay import replay as play
from edge.scoring import LineScore, load_truth, overall, score, total_count_error
from edge.sealing import canonical
from edge.setup_cli import setup
from edge.site_cli import site
from edge.station import mqtt_settings
from edge.support_cli import support_bundle
from edge.terminal import (
    DEFAULT_CONFIG,
    ERR,
    OUT,
    BrokerOption,
    ConfigOption,
    JsonOption,
    log_to_stderr,
    progress_bar,
)
from edge.update_cli import update

cli = typer.Typer(
    help="Anonymous people counter for lobbies. 大厅匿名客流计数器。",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line; errors of this package end as one sentence and an exit code."""
    log_to_stderr(logging.WARNING)
    try:
        cli()
    except LobbyCountError as error:
        ERR.print(error.told, style="bold red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)


@cli.command()
def run(config: ConfigOption = DEFAULT_CONFIG, broker: BrokerOption = None) -> None:
    """Count from the camera and publish, until stopped.

    开始计数并上报。
    """
    log_to_stderr(logging.INFO)
    start = configured(config, broker)
    app.run_device(start.config, start=start)


@cli.command()
def check(file: Annotated[Path, typer.Argument(help="The config file. 配置文件。")]) -> None:
    """Check a config file and say what is wrong, line by line.

    检查配置文件。
    """
    config = load(file)
    OUT.print(
        f"{file}: ok, {len(config.lines)} line(s), {len(config.zones)} zone(s),"
        f" config hash {config.hash()}"
    )
    if told := in_force(config).told:
        OUT.print(told, markup=False, soft_wrap=True)
    if config.privacy.mode == "production" and (lacking := what_is_missing(config)):
        OUT.print(
            f"privacy.mode: production, run will not start: {lacking.en} 不能启动：{lacking.zh}",
            markup=False,
            soft_wrap=True,
        )
    for missing in missing_files(config):
        OUT.print(f"not on this machine, the device needs it: {missing}", markup=False)
    if absent := missing_provider(config.model.provider):
        OUT.print(absent, markup=False, highlight=False, soft_wrap=True)


@cli.command("replay")
def replay_(
    clip: Annotated[
        Path,
        typer.Argument(
            help="A recording, e.g. an MP4 file, or detections as MOT text. 录像或检测结果文件。"
        ),
    ],
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
    size: Annotated[
        str | None, typer.Option(help="Width x height in pixels behind a MOT text, e.g. 768x576.")
    ] = None,
    clip_fps: Annotated[
        float | None, typer.Option(help="Pictures a second behind a MOT text.", min=0.1, max=240)
    ] = None,
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
        size=_size(size) if size else None,
        clip_fps=clip_fps,
    )
    with progress_bar() as progress:
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
    OUT.print(tables.counts_table(result.buckets))
    if settings.zones:
        OUT.print(tables.zones_table(result.buckets))
    if scores:
        OUT.print(tables.score_table(scores))
    OUT.print(_speed(result))
    if annotate:
        OUT.print(f"annotated video: {annotate}", soft_wrap=True)
    if result.undelivered:
        raise BrokerError(f"{result.undelivered} records could not be delivered: {result.trouble}")


cli.command()(audit)
cli.command()(export)
cli.command()(verify)
cli.command("support-bundle")(support_bundle)
cli.add_typer(models, name="models")
cli.add_typer(doctor, name="doctor")
cli.add_typer(setup, name="setup")
cli.add_typer(privacy, name="privacy")
cli.add_typer(site, name="site")
cli.add_typer(update, name="update")
cli.command("privacy-check")(privacy_check)
cli.command()(provision)
cli.command("provision-sheet")(provision_sheet)


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
    known, file = last_known(config)
    report, age_s = machine.read_report(known.records.data_dir)
    if file.problems:  # the service may not have noticed by now
        report = replace(report, config_trouble=file.words)
    problems = report.problems(age_s)
    if as_json:
        told = asdict(report) | {"problems": problems, "notes": report.notes()}
        sys.stdout.write(json.dumps(told) + "\n")
    else:
        OUT.print(tables.health_table(report, age_s))
        for problem in problems:
            OUT.print(f"problem: {problem}", style="bold red", markup=False)
        for note in report.notes():
            OUT.print(f"note: {note}", style="yellow", markup=False)
    if problems:
        raise typer.Exit(1)


@cli.command()
def version() -> None:
    """Print the version."""
    sys.stdout.write(f"lobbycount {__version__}\n")


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d{0,4})[x×*]([1-9]\d{0,4})", text.strip().lower())
    if match is None:
        raise BadInputError(f"--size {text}: must be width x height in pixels, e.g. 768x576")
    return int(match[1]), int(match[2])


def _configured(path: Path, broker: str | None) -> Config:
    config = load(path)
    return with_broker(config, broker) if broker else config


def _scores(config: Config, result: Replay, truth: Path) -> list[LineScore]:
    lines = configured_lines(config)
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
            k: {str(o): n for o, n in v.items()} | tables.ranges(result.buckets)[k]
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
        ERR.print(f"ignored a payload: {error}", style="yellow", markup=False)
        return
    for record in records:
        text = canonical(record.raw) if as_json else tables.record_row(record)
        sys.stdout.write(text + "\n")
    sys.stdout.flush()
