"""`lobbycount audit`: tallies, from files or by key press, against a recording or the records."""

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from edge import calibration
from edge.adapters.model_catalog import load_catalog
from edge.audit import Mode, compare_events, judge_lines
from edge.audit_intervals import (
    TOLERANCE_MS,
)
from edge.audit_records import (
    audit_by_intervals,
    calibration_records,
    marks_of,
    named,
    nobody,
    outside,
    span,
    stored_records,
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
        stored_records(config)  # what cannot be read is said before somebody counts for an hour
        file = request.tallies[0] if request.tallies else None
        tallies = [count_live(config, file, request.lines, _now_ms, request.again)]
    else:
        tallies = load_tallies(config, request)
    if request.clip is None:
        result = audit_by_intervals(config, conditions, tallies)
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
        result.records = calibration_records(
            result,
            tallies,
            by=request.by,
            valid_days=request.valid_days,
            now_ms=_now_ms(),
            evidence=_clip_hash(request.clip),
        )
    return result


def _clip_hash(clip: Path | None) -> dict[str, str]:
    if clip is None:
        return {}
    with clip.open("rb") as file:
        return {"clip": hashlib.file_digest(file, "sha256").hexdigest()[:12]}


def _by_events(
    config: Config,
    conditions: Conditions,
    tallies: Sequence[Tally],
    played: Replay,
    start_ms: int,
) -> AuditResult:
    end_ms = played.buckets[-1].t1_ms if played.buckets else start_ms
    marks = marks_of(tallies)
    inside = [m for m in marks if start_ms - TOLERANCE_MS <= m.at_ms <= end_ms + TOLERANCE_MS]
    if not inside:
        began = f"e.g. --start {iso_utc(marks[0].at_ms)}" if marks else "and tally who passes"
        raise BadInputError(
            f"{named(tallies)}: no crossing of the tally{span(marks)} lies in the recording,"
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
        notes=[*outside(len(marks) - len(inside), "the recording"), *nobody(rows)],
        missed=found.misses,
        false=found.false_counts,
    )


def _now_ms() -> int:
    return round(time.time() * 1000)
