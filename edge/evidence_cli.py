"""The command lines of `lobbycount export` and `lobbycount verify`."""

import json
import sys
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from edge import export_verb, verify_verb
from edge.config import load
from edge.errors import BadInputError
from edge.evidence_text import (
    notes,
    report_json,
    streams_table,
    sums_table,
    verdict_text,
)
from edge.months import Month, month_of
from edge.terminal import DEFAULT_CONFIG, ERR, OUT, ConfigOption, JsonOption, progress_bar

MonthArgument = Annotated[
    str, typer.Argument(metavar="MONTH", help="Year and month, e.g. 2026-11. 年月。")
]
ZoneOption = Annotated[
    str,
    typer.Option(
        "--time-zone",
        help="By whose clocks the month begins and ends, e.g. Asia/Shanghai. 月份所用时区。",
    ),
]


def export(
    month: MonthArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    out: Annotated[
        Path | None, typer.Option(help="Write there, not to standard output. 输出文件。")
    ] = None,
    time_zone: ZoneOption = "UTC",
) -> None:
    """Write this device's sealed records of a month, one a line, and signed heads.

    A record is of the month in which its interval begins.

    导出本设备一个月的原始记录，每行一条，并附签名摘要。
    """
    found = export_verb.export(load(config), _month(month, time_zone))
    text = "".join(f"{line}\n" for line in found.lines)
    if out is None:
        sys.stdout.write(text)
    else:
        try:
            out.write_text(text, encoding="utf-8", newline="\n")
        except OSError as error:
            raise BadInputError(
                f"--out {out}: cannot be written ({error.strerror}); name a file in a folder that"
                f" this user may write to, e.g. --out /tmp/{month}.ndjson"
            ) from error
    if found.key is None:
        ERR.print(f"not signed: {found.unsigned}", style="yellow", markup=False, soft_wrap=True)
    signed = f", signed with the key {found.key}" if found.key else ""
    ERR.print(f"{found.records} record(s){signed}", markup=False, highlight=False, soft_wrap=True)


def verify(
    month: MonthArgument,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Exports of that month. 导出文件。")
    ],
    key: Annotated[
        list[str] | None,
        typer.Option(
            help="Whose heads must be there: the public key or its fingerprint; may be repeated."
            " 设备公钥或其指纹。"
        ),
    ] = None,
    time_zone: ZoneOption = "UTC",
    as_json: JsonOption = False,
) -> None:
    """Say whether exported records are as they were sealed, or name the first broken one.

    Exit code 0: intact, 1: broken, 2: the files or options cannot be used.

    核验导出的记录是否完好，否则指出首条有问题的记录。
    """
    with progress_bar(shown=not as_json) as progress:
        task = progress.add_task("verify", total=None)
        report = verify_verb.verify(
            _month(month, time_zone),
            files,
            key or (),
            lambda done, total: progress.update(task, completed=done, total=total),
        )
    if as_json:
        sys.stdout.write(json.dumps(report_json(report), ensure_ascii=False) + "\n")
    else:
        OUT.print(streams_table(report))
        OUT.print(sums_table(report))
        told = [note for stream in report.streams for note in notes(stream, bool(key))]
        for line in (*told, verdict_text(report)):
            OUT.print(line, markup=False, highlight=False, soft_wrap=True)
    if not report.intact:
        raise typer.Exit(1)


def _month(month: str, time_zone: str) -> Month:
    try:
        zone = ZoneInfo(time_zone)
    except (KeyError, ValueError, OSError):
        raise BadInputError(f"--time-zone {time_zone}: is not known; e.g. Asia/Shanghai") from None
    return month_of(month, zone)
