"""`lobbycount audit`: tallies, from files or by key press, against a recording or the records."""

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from edge import calibration
from edge.adapters.model_catalog import load_catalog
from edge.adapters.record_reader import read_records
from edge.app import OUTBOX_FILE
from edge.audit import Mark, Mode, Row, Verdict, Watch, compare_events, judge_lines
from edge.audit_intervals import (
    TOLERANCE_MS,
    Intervals,
    compare_intervals,
    unrecorded,
    usable_intervals,
)
from edge.audit_report import AuditResult
from edge.audit_request import (
    AuditRequest,
    check_request,
    load_tallies,
    local_clock,
    option_ms,
)
from edge.calibration import Conditions
from edge.config import Config
from edge.config_in_force import in_force
from edge.errors import BadInputError
from edge.live_tally import count_live
from edge.records import CountRecord
from edge.replay import EPOCH_2026, Replay, ReplayOptions, replay
from edge.sealing import iso_utc
from edge.service import conditions_of
from edge.tally import Tally
from edge.vocabulary import Crossing, TimeQuality

_DATED = {TimeQuality.NTP, TimeQuality.RTC}


def audit(
    config: Config, request: AuditRequest, on_frame: Callable[[int, int | None], None]
) -> AuditResult:
    """Compare and judge; nothing is written but the tally of `live`.

    Raises LobbyCountError with the place, the reason and what works instead.
    """
    config = in_force(config).config  # what the records are counted with
    check_request(config, request)
    model = load_catalog(config.model.folder).entry(config.model.name)
    conditions = conditions_of(config, model.hash)
    if request.by is not None:
        calibration.check_writable(config.records.data_dir)
    if request.live:
        _stored(config)  # what cannot be read is said before somebody counts for an hour
        file = request.tallies[0] if request.tallies else None
        tallies = [count_live(config, file, request.lines, _now_ms, request.again)]
    else:
        tallies = load_tallies(config, request)
    if request.clip is None:
        result = _by_intervals(config, conditions, tallies)
    else:
        local = local_clock(config)
        start_ms = (
            round(EPOCH_2026 * 1000)
            if request.start is None
            else option_ms("--start", request.start, local)
        )
        options = ReplayOptions(start_utc=start_ms / 1000)
        played = replay(config, request.clip, options, on_frame)
        result = _by_events(config, conditions, tallies, played, start_ms)
    if any(tally.local for tally in tallies):
        result.notes.append(
            f"times without an offset were read on the clock of {config.device.time_zone}"
            " (device.time_zone)"
        )
    if request.by is not None:
        result.records = _records(request, result, tallies)
    return result


def _records(
    request: AuditRequest, result: AuditResult, tallies: Sequence[Tally]
) -> dict[str, dict[str, object]]:
    """Return the calibration record of every line about which something was decided."""
    assert request.by is not None
    evidence: dict[str, str | Sequence[str]] = {}
    if request.clip is not None:
        with request.clip.open("rb") as file:
            evidence["clip"] = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    return {
        line: calibration.calibration_record(
            result.conditions,
            judgement,
            mode=result.mode,
            line=line,
            audited_ms=result.audited_ms[line],
            by=request.by.strip(),
            evidence={
                **evidence,
                "tallies": [t.digest for t in tallies if any(m.line == line for m in t.marks)],
            },
            now_ms=_now_ms(),
            valid_days=request.valid_days,
        )
        for line, judgement in result.judgements.items()
        if judgement.verdict is not Verdict.OPEN
    }


def keep(folder: Path, result: AuditResult) -> None:
    """Write the calibration records, if there are any. Raises OutboxError."""
    for line, record in result.records.items():
        result.written[line] = calibration.write(folder, record)


def _by_events(
    config: Config,
    conditions: Conditions,
    tallies: Sequence[Tally],
    played: Replay,
    start_ms: int,
) -> AuditResult:
    end_ms = played.buckets[-1].t1_ms if played.buckets else start_ms
    marks = _marks(tallies)
    inside = [m for m in marks if start_ms - TOLERANCE_MS <= m.at_ms <= end_ms + TOLERANCE_MS]
    if not inside:
        began = f"e.g. --start {iso_utc(marks[0].at_ms)}" if marks else "and tally who passes"
        raise BadInputError(
            f"{_named(tallies)}: no crossing of the tally{_span(marks)} lies in the recording,"
            f" {iso_utc(start_ms)} to {iso_utc(end_ms)}; say when it began, {began}"
        )
    watched = {watch.line for tally in tallies for watch in tally.watches}
    lines = [line.id for line in config.lines if line.id in watched]
    true = [Crossing(m.line, m.direction, (m.at_ms - start_ms) / 1000) for m in inside]
    rows, found = compare_events(true, played.live, lines)
    return AuditResult(
        mode=Mode.EVENTS,
        conditions=conditions,
        audited_ms=dict.fromkeys(lines, (start_ms, end_ms)),
        rows=rows,
        judgements=judge_lines(rows),
        notes=[*_outside(len(marks) - len(inside), "the recording"), *_nobody(rows)],
        missed=found.misses,
        false=found.false_counts,
    )


def _by_intervals(config: Config, conditions: Conditions, tallies: Sequence[Tally]) -> AuditResult:
    records = _stored(config)
    marks = _marks(tallies)
    watches = [watch for tally in tallies for watch in tally.watches]
    found = usable_intervals(records, watches, (conditions.cfg, conditions.model))
    if not found.usable:
        raise BadInputError(_nothing_usable(config, tallies, watches, records, found))
    usable = {line.id: [r for r in found.usable if r.line == line.id] for line in config.lines}
    lines = [line for line, own in usable.items() if own]
    rows = compare_intervals(marks, found.usable, lines)
    if not any(row.tallied for row in rows):
        raise BadInputError(
            f"{_named(tallies)}: no crossing of the tally{_span(marks)} lies in an interval"
            " that can be compared; count from the beginning of an interval to its end"
        )
    notes = [f"{_interval(r)} is left out: {why}" for r, why in found.left_out]
    gaps = unrecorded(records, watches, config.records.interval_min * 60_000)
    notes += [f"left out: {_gap(gap)}" for gap in gaps]
    notes += _outside(len(marks) - sum(row.tallied for row in rows), "these intervals")
    notes += _nobody(rows)
    if any(r.tq not in _DATED for r in found.usable):
        notes.append("the device's clock was not synchronised, so intervals may be shifted")
    if len(tallies) > 1:
        notes.append(
            "tallies were added up; going on only until it passes lets more than 1 in 20 devices"
            " with an error of 5 % pass, so decide beforehand how many crossings to count"
        )
    return AuditResult(
        mode=Mode.INTERVALS,
        conditions=conditions,
        audited_ms={
            line: (min(r.t0_ms for r in usable[line]), max(r.t1_ms for r in usable[line]))
            for line in lines
        },
        rows=rows,
        judgements=judge_lines(rows),
        notes=notes,
        intervals={line: len(usable[line]) for line in lines},
    )


def _stored(config: Config) -> list[CountRecord]:
    file = config.records.data_dir / OUTBOX_FILE
    return read_records(file, config.device.tenant, config.device.id)


def _nothing_usable(
    config: Config,
    tallies: Sequence[Tally],
    watches: Sequence[Watch],
    records: Sequence[CountRecord],
    found: Intervals,
) -> str:
    since, until = min(w.from_ms for w in watches), max(w.to_ms for w in watches)
    audited = f"{_named(tallies)}: the audited time {iso_utc(since)} to {iso_utc(until)}"
    if found.left_out:
        first, why = found.left_out[0]
        return (
            f"{audited} has no interval that can be compared: {_interval(first)} is left out,"
            f" because {why}; count again while the device runs undisturbed"
        )
    advice = _advice(config.records.interval_min, since)
    if not records:
        return f"{audited} cannot be compared: the device has no record yet; {advice}"
    held_ms = (min(r.t0_ms for r in records), max(r.t1_ms for r in records))
    held = f"{iso_utc(held_ms[0])} to {iso_utc(held_ms[1])}"
    if held_ms[1] <= since or until <= held_ms[0]:
        return (
            f"{audited} does not overlap the records of the device, {held}; is the time zone"
            " of the tally right, as in 2026-03-02T09:15:04+08:00, and is it this device?"
            " A record is stored some 10 s after its interval ends"
        )
    gaps = unrecorded(records, watches, config.records.interval_min * 60_000)
    if gaps:
        return f"{audited} cannot be compared: {_gap(gaps[0])}"
    return f"{audited} contains no whole interval of the device, whose records are {held}; {advice}"


def _gap(gap: Watch) -> str:
    return (
        f"{gap.line} {iso_utc(gap.from_ms)} to {iso_utc(gap.to_ms)} has no record; either the"
        " device was off, or it was not stored yet: try again in 10 s"
    )


def _advice(minutes: int, since_ms: int) -> str:
    begin_ms = since_ms - since_ms % (minutes * 60_000)
    return (
        f"count over at least one whole interval of {minutes} min, wait 10 s for its record,"
        " and say from when to when you watched, e.g."
        f" --from {iso_utc(begin_ms)} --to {iso_utc(begin_ms + minutes * 60_000)}"
    )


def _interval(record: CountRecord) -> str:
    return f"{record.line} {iso_utc(record.t0_ms)} to {iso_utc(record.t1_ms)}"


def _marks(tallies: Sequence[Tally]) -> list[Mark]:
    return sorted((m for tally in tallies for m in tally.marks), key=lambda mark: mark.at_ms)


def _named(tallies: Sequence[Tally]) -> str:
    return ", ".join(str(tally.path) for tally in tallies)


def _span(marks: Sequence[Mark]) -> str:
    return f", {iso_utc(marks[0].at_ms)} to {iso_utc(marks[-1].at_ms)}," if marks else ""


def _outside(count: int, what: str) -> list[str]:
    return [f"{count} tallied crossings outside {what} are left out"] if count > 0 else []


def _nobody(rows: Sequence[Row]) -> list[str]:
    """Name the lines that cannot be judged."""
    counted: dict[str, int] = {}
    tallied: dict[str, int] = {}
    for row in rows:
        counted[row.line] = counted.get(row.line, 0) + row.counted
        tallied[row.line] = tallied.get(row.line, 0) + row.tallied
    return [
        f"{line}: nobody was tallied there, so nothing can be said; the device counted {number}"
        for line, number in counted.items()
        if not tallied[line]
    ]


def _now_ms() -> int:
    return round(time.time() * 1000)
