"""The command line of `lobbycount audit`."""

import json
import sys
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from edge import audit_verb
from edge.audit_records import keep
from edge.audit_report import audit_json, audit_table, audit_text, calibration_text
from edge.audit_request import AuditRequest
from edge.config import load
from edge.terminal import DEFAULT_CONFIG, OUT, ConfigOption, JsonOption, progress_bar


def audit(
    tally: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Manual tallies, CSV: time,line,direction; several are added up. 人工计数表。"
        ),
    ] = None,
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    live: Annotated[
        bool, typer.Option("--live", help="Count by key press; TALLY is written. 现场按键计数。")
    ] = False,
    line: Annotated[
        list[str] | None, typer.Option(help="Only this line; may be repeated. 计数线。")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="When the watching began, e.g. 2026-03-02T09:15:00+08:00;"
            " otherwise `begin` or the first crossing of the tally. 开始观察的时间。",
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--to", help="When it ended; otherwise `end` or the last crossing. 结束观察的时间。"
        ),
    ] = None,
    clip: Annotated[
        Path | None, typer.Option(help="Compare with this recording, not the records. 录像文件。")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            help="When the clip began, e.g. 2026-03-02T09:15:00+08:00 or with Z for UTC."
            " 录像开始时间。"
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(help="Who audits; a decided audit is written down with it. 核查人。"),
    ] = None,
    valid_days: Annotated[
        int, typer.Option(help="How long a calibration is valid. 有效天数。", min=1, max=3650)
    ] = 365,
    as_json: JsonOption = False,
) -> None:
    """Compare a manual tally with the device's count and say what may be claimed.

    Times without an offset are on the clock of device.time_zone.

    人工核查：与设备计数比对。
    """
    settings = load(config)
    request = AuditRequest(
        tallies=tally or (),
        clip=clip,
        start=start,
        live=live,
        lines=line or (),
        since=since,
        until=until,
        by=by,
        valid_days=valid_days,
        again="" if config == DEFAULT_CONFIG else f" -c {quote(str(config))}",
    )
    with progress_bar(shown=clip is not None) as progress:
        task = progress.add_task(str(clip), total=None)
        result = audit_verb.audit(
            settings,
            request,
            lambda index, total: progress.update(task, completed=index + 1, total=total),
        )
    if not as_json:
        OUT.print(audit_table(result))
        OUT.print(audit_text(result), markup=False, highlight=False, soft_wrap=True)
    keep(settings.records.data_dir, result)
    if as_json:
        sys.stdout.write(json.dumps(audit_json(result), ensure_ascii=False) + "\n")
    else:
        told = calibration_text(result, by)
        OUT.print(told, markup=False, highlight=False, soft_wrap=True)
