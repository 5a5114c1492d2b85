"""Tallies against the device's own records: only sums of whole intervals can be compared.

What the verb `audit` and the setup page do with a tally that was made beside the device.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from edge import calibration
from edge.adapters.data_folder import OUTBOX_FILE
from edge.adapters.record_reader import read_records
from edge.audit import Mark, Mode, Row, Verdict, Watch, judge_lines
from edge.audit_intervals import (
    Intervals,
    compare_intervals,
    unrecorded,
    usable_intervals,
)
from edge.audit_report import AuditResult
from edge.calibration import Conditions
from edge.config import Config
from edge.errors import BadInputError
from edge.records import CountRecord
from edge.sealing import iso_utc
from edge.tally import Tally
from edge.vocabulary import TimeQuality

_DATED = {TimeQuality.NTP, TimeQuality.RTC}
_STORED_SOON = "either the device was off, or it was not stored yet: try again in 10 s"


def calibration_records(
    result: AuditResult,
    tallies: Sequence[Tally],
    *,
    by: str,
    valid_days: int,
    now_ms: int,
    evidence: Mapping[str, str] | None = None,
) -> dict[str, dict[str, object]]:
    """Return the calibration record of every line about which something was decided.

    evidence: hashes of what was compared beside the tallies.
    """
    return {
        line: calibration.calibration_record(
            result.conditions,
            judgement,
            mode=result.mode,
            line=line,
            audited_ms=result.audited_ms[line],
            by=by.strip(),
            evidence={
                **(evidence or {}),
                "tallies": [t.digest for t in tallies if any(m.line == line for m in t.marks)],
            },
            now_ms=now_ms,
            valid_days=valid_days,
        )
        for line, judgement in result.judgements.items()
        if judgement.verdict is not Verdict.OPEN
    }


def keep(folder: Path, result: AuditResult) -> None:
    """Write the calibration records, if there are any. Raises OutboxError."""
    for line, record in result.records.items():
        result.written[line] = calibration.write(folder, record)


class NothingToCompareError(BadInputError):
    """No interval of the device can be held against the tally. why: without what to do then."""

    def __init__(self, why: str, advice: str) -> None:
        """advice: to somebody at the command line."""
        super().__init__(f"{why}; {advice}")
        self.why = why


def audit_by_intervals(
    config: Config, conditions: Conditions, tallies: Sequence[Tally]
) -> AuditResult:
    """Compare the whole intervals that were watched. Raises BadInputError and OutboxError."""
    records = stored_records(config)
    marks = marks_of(tallies)
    watches = [watch for tally in tallies for watch in tally.watches]
    found = usable_intervals(records, watches, (conditions.cfg, conditions.model))
    if not found.usable:
        raise _nothing_usable(config, tallies, watches, records, found)
    usable = {line.id: [r for r in found.usable if r.line == line.id] for line in config.lines}
    lines = [line for line, own in usable.items() if own]
    rows = compare_intervals(marks, found.usable, lines)
    if not any(row.tallied for row in rows):
        raise BadInputError(
            f"{named(tallies)}: no crossing of the tally{span(marks)} lies in an interval"
            " that can be compared; count from the beginning of an interval to its end"
        )
    notes = [f"{_interval(r)} is left out: {why}" for r, why in found.left_out]
    gaps = unrecorded(records, watches, config.records.interval_min * 60_000)
    notes += [f"left out: {_gap(gap)}; {_STORED_SOON}" for gap in gaps]
    notes += outside(len(marks) - sum(row.tallied for row in rows), "these intervals")
    notes += nobody(rows)
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


def stored_records(config: Config) -> list[CountRecord]:
    """Return the records of this device. Raises BadInputError and OutboxError."""
    file = config.records.data_dir / OUTBOX_FILE
    return read_records(file, config.device.tenant, config.device.id)


def _nothing_usable(
    config: Config,
    tallies: Sequence[Tally],
    watches: Sequence[Watch],
    records: Sequence[CountRecord],
    found: Intervals,
) -> NothingToCompareError:
    since, until = min(w.from_ms for w in watches), max(w.to_ms for w in watches)
    audited = f"{named(tallies)}: the audited time {iso_utc(since)} to {iso_utc(until)}"
    if found.left_out:
        first, why = found.left_out[0]
        return NothingToCompareError(
            f"{audited} has no interval that can be compared: {_interval(first)} is left out,"
            f" because {why}",
            "count again while the device runs undisturbed",
        )
    advice = _advice(config.records.interval_min, since)
    if not records:
        return NothingToCompareError(
            f"{audited} cannot be compared: the device has no record yet", advice
        )
    held_ms = (min(r.t0_ms for r in records), max(r.t1_ms for r in records))
    held = f"{iso_utc(held_ms[0])} to {iso_utc(held_ms[1])}"
    if held_ms[1] <= since or until <= held_ms[0]:
        return NothingToCompareError(
            f"{audited} does not overlap the records of the device, {held}",
            "is the time zone of the tally right, as in 2026-03-02T09:15:04+08:00, and is it this"
            " device? A record is stored some 10 s after its interval ends",
        )
    gaps = unrecorded(records, watches, config.records.interval_min * 60_000)
    if gaps:
        return NothingToCompareError(f"{audited} cannot be compared: {_gap(gaps[0])}", _STORED_SOON)
    return NothingToCompareError(
        f"{audited} contains no whole interval of the device, whose records are {held}", advice
    )


def _gap(gap: Watch) -> str:
    return f"{gap.line} {iso_utc(gap.from_ms)} to {iso_utc(gap.to_ms)} has no record"


def _advice(minutes: int, since_ms: int) -> str:
    begin_ms = since_ms - since_ms % (minutes * 60_000)
    return (
        f"count over at least one whole interval of {minutes} min, wait 10 s for its record,"
        " and say from when to when you watched, e.g."
        f" --from {iso_utc(begin_ms)} --to {iso_utc(begin_ms + minutes * 60_000)}"
    )


def _interval(record: CountRecord) -> str:
    return f"{record.line} {iso_utc(record.t0_ms)} to {iso_utc(record.t1_ms)}"


def marks_of(tallies: Sequence[Tally]) -> list[Mark]:
    """Return all crossings tallied, in order."""
    return sorted((m for tally in tallies for m in tally.marks), key=lambda mark: mark.at_ms)


def named(tallies: Sequence[Tally]) -> str:
    """Return where the tallies are, for a message."""
    return ", ".join(str(tally.path) for tally in tallies)


def span(marks: Sequence[Mark]) -> str:
    """Return from when to when was tallied, for a message."""
    return f", {iso_utc(marks[0].at_ms)} to {iso_utc(marks[-1].at_ms)}," if marks else ""


def outside(count: int, what: str) -> list[str]:
    """Note how many tallied crossings are not compared."""
    return [f"{count} tallied crossings outside {what} are left out"] if count > 0 else []


def nobody(rows: Sequence[Row]) -> list[str]:
    """Note the lines that cannot be judged."""
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
