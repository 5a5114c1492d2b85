"""`lobbycount audit`: a tally, from a file or by key press, against a recording or the records."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge import calibration
from edge.adapters.model_catalog import load_catalog
from edge.adapters.record_reader import read_records
from edge.app import OUTBOX_FILE
from edge.audit import Mark, Mode, compare_events, disputed, judge
from edge.audit_intervals import TOLERANCE_MS, Intervals, compare_intervals, usable_intervals
from edge.audit_report import AuditResult
from edge.calibration import Conditions
from edge.config import Config
from edge.errors import BadInputError
from edge.live_tally import count_live
from edge.messages import iso_utc
from edge.records import CountRecord
from edge.replay import Replay, ReplayOptions, replay
from edge.tally import Tally, check_line, digest, parse_tally, utc_ms
from edge.vocabulary import Crossing, TimeQuality

_DATED = {TimeQuality.NTP, TimeQuality.RTC}


@dataclass(frozen=True, slots=True)
class AuditRequest:
    """What was asked on the command line.

    tally: the CSV to read, or with `live` to write. clip: compare with this recording,
    said to begin at `start_utc`. since, until: the audited time, ISO 8601.
    """

    tally: Path | None
    clip: Path | None
    start_utc: float
    live: bool
    lines: Sequence[str]
    since: str | None
    until: str | None
    by: str | None
    valid_days: int


def audit(
    config: Config, request: AuditRequest, on_frame: Callable[[int, int | None], None]
) -> AuditResult:
    """Compare and judge; nothing is written but the tally of `live`.

    Raises LobbyCountError with the place, the reason and what works instead.
    """
    _check(config, request)
    model = load_catalog(config.model.folder).entry(config.model.name)
    conditions = Conditions(config.device.id, config.hash(), model.hash)
    tally = (
        count_live(config, request.tally, request.lines, _now_ms)
        if request.live
        else _from_file(config, request)
    )
    if request.clip is not None:
        played = replay(config, request.clip, ReplayOptions(start_utc=request.start_utc), on_frame)
        result = _by_events(config, request, conditions, tally, played)
    else:
        result = _by_intervals(config, request, conditions, tally)
    if request.by is None:
        return result
    evidence = {"tally": tally.digest}
    if request.clip is not None:
        with request.clip.open("rb") as file:
            evidence["clip"] = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    result.record = calibration.calibration_record(
        conditions,
        result.judgement,
        mode=result.mode,
        lines=result.lines,
        audited_ms=result.audited_ms,
        by=request.by.strip(),
        evidence=evidence,
        now_ms=_now_ms(),
        valid_days=request.valid_days,
    )
    return result


def keep(config: Config, result: AuditResult) -> str:
    """Write the calibration record, if there is to be one; return what to tell the auditor."""
    if result.record is None:
        return (
            "未写入校准记录。No calibration record was written; to write one, repeat with your"
            " name, e.g. --by 王芳"
        )
    path = calibration.write(config.records.data_dir, result.record)
    return (
        f"校准记录 calibration record: {path}, cal {result.record['hash']},"
        f" until {result.record['expires']}; 从下一时段起写入计数记录"
        " it appears in the device's records from the next interval on"
    )


def _check(config: Config, request: AuditRequest) -> None:
    ids = [line.id for line in config.lines]
    if request.tally is None and not request.live:
        raise BadInputError(
            "audit: there is nothing to compare; give a tally, e.g. lobbycount audit tally.csv,"
            " or count by key press with --live"
        )
    if request.live and (request.clip or request.since or request.until):
        raise BadInputError(
            "--live: counts beside the running device from now on; leave out --clip, --from"
            " and --to, e.g. lobbycount audit --live --line door"
        )
    if request.clip and (request.since or request.until):
        raise BadInputError(
            "--from, --to: belong to an audit of records; a recording is compared as a whole,"
            " e.g. lobbycount audit tally.csv --clip door.mp4 --start 2026-03-02T01:15:00"
        )
    if request.by is not None and not (request.by.strip() and request.by.isprintable()):
        raise BadInputError("--by: must be a name of printable characters; e.g. --by 王芳")
    try:
        for line in request.lines:
            check_line(line, ids)
    except ValueError as problem:
        raise BadInputError(f"--{problem}") from None


def _from_file(config: Config, request: AuditRequest) -> Tally:
    path = request.tally
    assert path is not None
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInputError(
            f"{path}: the tally cannot be read ({error.strerror});"
            " give a CSV with the header time,line,direction, or count with --live"
        ) from error
    marks = parse_tally(path, content, [line.id for line in config.lines])
    since = _option_ms("--from", request.since, marks[0].at_ms)
    until = _option_ms("--to", request.until, marks[-1].at_ms)
    if since > until:
        raise BadInputError(
            f"--from {iso_utc(since)} is after --to {iso_utc(until)};"
            " give when the counting began and when it ended"
        )
    marks = [mark for mark in marks if not request.lines or mark.line in request.lines]
    if not marks:
        raise BadInputError(
            f"{path}: has no crossing of {', '.join(request.lines)}; choose a line that was"
            " tallied, or leave --line out"
        )
    return Tally(path, marks, (since, until), digest(content))


def _option_ms(name: str, text: str | None, otherwise: int) -> int:
    try:
        return otherwise if text is None else utc_ms(text)
    except ValueError as problem:
        raise BadInputError(f"{name}: {problem}") from None


def _by_events(
    config: Config, request: AuditRequest, conditions: Conditions, tally: Tally, played: Replay
) -> AuditResult:
    start_ms = round(request.start_utc * 1000)
    end_ms = played.buckets[-1].t1_ms if played.buckets else start_ms
    inside = [m for m in tally.marks if start_ms - TOLERANCE_MS <= m.at_ms <= end_ms + TOLERANCE_MS]
    if not inside:
        raise BadInputError(
            f"{tally.path}: no crossing of the tally, {_span(tally.marks)}, lies in the recording,"
            f" {iso_utc(start_ms)} to {iso_utc(end_ms)}; say when it began in UTC,"
            f" e.g. --start {iso_utc(tally.marks[0].at_ms)[:19]}"
        )
    lines = _lines(config, request, inside)
    true = [Crossing(m.line, m.direction, (m.at_ms - start_ms) / 1000) for m in inside]
    rows = compare_events(true, played.live, lines)
    missed, false = disputed(true, played.live, lines)
    notes = _outside(len(tally.marks) - len(inside), "the recording")
    return AuditResult(
        mode=Mode.EVENTS,
        conditions=conditions,
        lines=lines,
        audited_ms=(start_ms, end_ms),
        rows=rows,
        judgement=judge(rows),
        notes=notes,
        missed=missed,
        false=false,
    )


def _by_intervals(
    config: Config, request: AuditRequest, conditions: Conditions, tally: Tally
) -> AuditResult:
    records = read_records(
        config.records.data_dir / OUTBOX_FILE, config.device.tenant, config.device.id
    )
    lines = _lines(config, request, tally.marks)
    made_by = (conditions.cfg, conditions.model)
    found = usable_intervals(records, lines, tally.watched_ms, made_by)
    if not found.usable:
        raise BadInputError(_nothing_usable(config, tally, records, found))
    lines = [line for line in lines if any(r.line == line for r in found.usable)]
    rows = compare_intervals(tally.marks, found.usable, lines)
    if not any(row.tallied for row in rows):
        raise BadInputError(
            f"{tally.path}: no crossing of the tally, {_span(tally.marks)}, lies in an interval"
            " that can be compared; count from the beginning of an interval to its end"
        )
    notes = [f"{_interval(r)} is left out: {why}" for r, why in found.left_out]
    notes += _outside(len(tally.marks) - sum(row.tallied for row in rows), "these intervals")
    if any(r.tq not in _DATED for r in found.usable):
        notes.append("the device's clock was not synchronised, so intervals may be shifted")
    return AuditResult(
        mode=Mode.INTERVALS,
        conditions=conditions,
        lines=lines,
        audited_ms=(min(r.t0_ms for r in found.usable), max(r.t1_ms for r in found.usable)),
        rows=rows,
        judgement=judge(rows),
        notes=notes,
        intervals=len({r.t0_ms for r in found.usable}),
    )


def _nothing_usable(
    config: Config, tally: Tally, records: Sequence[CountRecord], found: Intervals
) -> str:
    since, until = map(iso_utc, tally.watched_ms)
    audited = f"{tally.path}: the audited time {since} to {until}"
    if found.left_out:
        first, why = found.left_out[0]
        return (
            f"{audited} has no interval that can be compared: {_interval(first)} is left out,"
            f" because {why}; count again while the device runs undisturbed"
        )
    if not records:
        return (
            f"{audited} cannot be compared: the device has no record yet; {_advice(config, tally)}"
        )
    held_ms = (min(r.t0_ms for r in records), max(r.t1_ms for r in records))
    held = f"{iso_utc(held_ms[0])} to {iso_utc(held_ms[1])}"
    if held_ms[1] <= tally.watched_ms[0] or tally.watched_ms[1] <= held_ms[0]:
        return (
            f"{audited} does not overlap the records of the device, {held}; is the time zone"
            " of the tally right, as in 2026-03-02T09:15:04+08:00, and is it this device?"
            " A record is stored some 10 s after its interval ends"
        )
    return (
        f"{audited} contains no whole interval of the device, whose records are {held};"
        f" {_advice(config, tally)}"
    )


def _advice(config: Config, tally: Tally) -> str:
    minutes = config.records.interval_min
    return (
        f"count over at least one whole interval of {minutes} min, wait 10 s for its record,"
        " and say from when to when you watched, e.g."
        f" --from {_multiple(tally.watched_ms[0], minutes)}"
        f" --to {_multiple(tally.watched_ms[0] + minutes * 60_000, minutes)}"
    )


def _multiple(at_ms: int, minutes: int) -> str:
    return iso_utc(at_ms - at_ms % (minutes * 60_000))


def _interval(record: CountRecord) -> str:
    return f"{record.line} {iso_utc(record.t0_ms)} to {iso_utc(record.t1_ms)}"


def _lines(config: Config, request: AuditRequest, marks: Sequence[Mark]) -> list[str]:
    named = request.lines or {mark.line for mark in marks}
    return [line.id for line in config.lines if line.id in named]


def _span(marks: Sequence[Mark]) -> str:
    return f"{iso_utc(marks[0].at_ms)} to {iso_utc(marks[-1].at_ms)}"


def _outside(count: int, what: str) -> list[str]:
    return [f"{count} tallied crossings outside {what} are left out"] if count > 0 else []


def _now_ms() -> int:
    return round(time.time() * 1000)
