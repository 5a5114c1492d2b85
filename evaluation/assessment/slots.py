"""Records laid onto slots of 15 minutes: what one device saw of its lines and zones in one day.

A slot's counts are the sums of its records. A record longer than a slot, or across its edge, is
shared out in proportion to time; whole counts go by largest remainder, earlier slots first, so
that sums stay exact (Hamilton's method, as in seat apportionment).
Coverage of a line in a slot is the share of the slot that healthy video covered; of the lines
the worst one holds, because visitors may use any door. A line whose record is missing between
two of its records was not seen there; before its first and after its last one of the day it was
not drawn, as far as anybody knows. A record without counts covers nothing, whatever it says.
What was never dated (`tq` unsynced) is in the totals as `undated` and in no slot; it belongs to
the day that the device put it into.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from evaluation.assessment.opening import SLOT_MS, SLOTS_A_DAY

DAY_MS = SLOT_MS * SLOTS_A_DAY
UNSYNCED = "unsynced"
STAFF = "staff"
NO_RECORD = "no_record"
"""The reason of a slot of which nothing was received."""


@dataclass(frozen=True, slots=True)
class LineReading:
    """A record of a line, as far as the assessment looks at it. Counts are None together."""

    line: str
    t0_ms: int
    t1_ms: int
    entered: int | None
    left: int | None
    uturn: int | None
    in_low: int | None
    in_high: int | None
    cov: float
    cov_reason: str | None = None
    tq: str = "ntp"
    audience: str | None = None


@dataclass(frozen=True, slots=True)
class ZoneReading:
    """A record of a zone, as far as the assessment looks at it. Sums are None together."""

    zone: str
    kind: str
    t0_ms: int
    t1_ms: int
    presence_ms: int | None
    used_ms: int | None
    arrivals: int | None
    peak: int | None
    wait_ms: int | None
    cov: float
    cov_reason: str | None = None
    tq: str = "ntp"


def _zeros() -> list[int]:
    return [0] * SLOTS_A_DAY


def _nothing() -> list[float]:
    return [0.0] * SLOTS_A_DAY


@dataclass(slots=True)
class DoorDay:
    """The visitors' lines of a device in a UTC day; lists of 96 slots.

    cov: 0..1, 0 where nothing was received. Counts of a slot hold for its covered part only.
    why: what kept a slot from being covered, by slot.
    undated: entries that have no place in time.
    """

    entered: list[int] = field(default_factory=_zeros)
    left: list[int] = field(default_factory=_zeros)
    uturn: list[int] = field(default_factory=_zeros)
    low: list[int] = field(default_factory=_zeros)
    high: list[int] = field(default_factory=_zeros)
    cov: list[float] = field(default_factory=_nothing)
    why: dict[int, str] = field(default_factory=dict)
    undated: int = 0


@dataclass(slots=True)
class ZoneDay:
    """One zone in a UTC day; lists of 96 slots. wait_ms: None where no mean was given."""

    kind: str
    presence_ms: list[int] = field(default_factory=_zeros)
    used_ms: list[int] = field(default_factory=_zeros)
    arrivals: list[int] = field(default_factory=_zeros)
    peak: list[int] = field(default_factory=_zeros)
    wait_ms: list[int | None] = field(default_factory=lambda: [None] * SLOTS_A_DAY)
    cov: list[float] = field(default_factory=_nothing)
    why: dict[int, str] = field(default_factory=dict)


def is_of_visitors(reading: LineReading, lines: frozenset[str] | None) -> bool:
    """Return whether visitors pass this line. lines: those they do; None: all but staff's."""
    return reading.audience != STAFF if lines is None else reading.line in lines


def door_day(readings: Iterable[LineReading], day_ms: int) -> DoorDay:
    """Return the visitors of the UTC day that begins at `day_ms`."""
    day = DoorDay()
    covered: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for each in sorted(readings, key=_in_time):
        if each.tq == UNSYNCED:
            if day_ms <= each.t0_ms < day_ms + DAY_MS:
                day.undated += each.entered or 0
            continue
        cov = _covered(each.cov, each.entered)
        for slot, share in _overlaps(each.t0_ms, each.t1_ms, day_ms):
            covered[each.line][slot] += cov * share
            if cov < 1:
                day.why.setdefault(slot, each.cov_reason or NO_RECORD)
        _share_out(day.entered, each.entered, each, day_ms)
        _share_out(day.left, each.left, each, day_ms)
        _share_out(day.uturn, each.uturn, each, day_ms)
        _share_out(day.low, each.entered if each.in_low is None else each.in_low, each, day_ms)
        _share_out(day.high, each.entered if each.in_high is None else each.in_high, each, day_ms)
    day.cov = _worst_line(covered.values())
    return day


def zone_days(readings: Iterable[ZoneReading], day_ms: int) -> dict[str, ZoneDay]:
    """Return the zones of the UTC day that begins at `day_ms`, by id."""
    days: dict[str, ZoneDay] = {}
    for each in sorted(readings, key=_in_time):
        if each.tq == UNSYNCED:
            continue
        day = days.setdefault(each.zone, ZoneDay(each.kind))
        day.kind = each.kind
        cov = _covered(each.cov, each.presence_ms)
        for slot, share in _overlaps(each.t0_ms, each.t1_ms, day_ms):
            day.cov[slot] += cov * share
            day.peak[slot] = max(day.peak[slot], each.peak or 0)
            if each.wait_ms is not None:
                day.wait_ms[slot] = max(each.wait_ms, day.wait_ms[slot] or 0)
            if cov < 1:
                day.why.setdefault(slot, each.cov_reason or NO_RECORD)
        _share_out(day.presence_ms, each.presence_ms, each, day_ms)
        _share_out(day.used_ms, each.used_ms, each, day_ms)
        _share_out(day.arrivals, each.arrivals, each, day_ms)
    for day in days.values():
        day.cov = [min(1.0, round(cov, 6)) for cov in day.cov]
    return days


def as_json(day: DoorDay | ZoneDay) -> dict[str, Any]:
    """Return what `door_of` and `zone_of` read again."""
    fields = {name: getattr(day, name) for name in day.__dataclass_fields__}
    return fields | {"why": {str(slot): why for slot, why in day.why.items()}}


def door_of(stored: dict[str, Any]) -> DoorDay:
    """Read a DoorDay back."""
    return DoorDay(**stored | {"why": _by_slot(stored["why"])})


def zone_of(stored: dict[str, Any]) -> ZoneDay:
    """Read a ZoneDay back."""
    return ZoneDay(**stored | {"why": _by_slot(stored["why"])})


def _by_slot(why: dict[str, str]) -> dict[int, str]:
    return {int(slot): reason for slot, reason in why.items()}


def _in_time(each: LineReading | ZoneReading) -> tuple[int, int, str, float, str]:
    """Order readings so that nothing depends on the order in which they came."""
    name = each.line if isinstance(each, LineReading) else f"{each.zone} {each.kind}"
    return each.t0_ms, each.t1_ms, name, each.cov, each.cov_reason or ""


def _covered(cov: float, count: int | None) -> float:
    return 0.0 if count is None else cov


def _worst_line(lines: Iterable[Mapping[int, float]]) -> list[float]:
    worst: list[float | None] = [None] * SLOTS_A_DAY
    for covered in lines:
        for slot in range(min(covered, default=0), max(covered, default=-1) + 1):
            before, cov = worst[slot], covered.get(slot, 0.0)
            worst[slot] = cov if before is None else min(before, cov)
    return [0.0 if cov is None else min(1.0, round(cov, 6)) for cov in worst]


def _overlaps(t0_ms: int, t1_ms: int, day_ms: int) -> Iterator[tuple[int, float]]:
    """Yield the slots of the day that a record touches, and the share of the slot it covers."""
    first = max(0, (t0_ms - day_ms) // SLOT_MS)
    last = min(SLOTS_A_DAY - 1, (t1_ms - 1 - day_ms) // SLOT_MS)
    for slot in range(first, last + 1):
        begin = day_ms + slot * SLOT_MS
        yield slot, (min(t1_ms, begin + SLOT_MS) - max(t0_ms, begin)) / SLOT_MS


def _share_out(
    into: list[int], count: int | None, of: LineReading | ZoneReading, day_ms: int
) -> None:
    if not count:
        return
    for at_ms, part in shares(count, of.t0_ms, of.t1_ms):
        slot = (at_ms - day_ms) // SLOT_MS
        if 0 <= slot < SLOTS_A_DAY:
            into[slot] += part


def shares(count: int, t0_ms: int, t1_ms: int) -> list[tuple[int, int]]:
    """Return a count shared out over the slots of [t0_ms, t1_ms): (begin of slot, part).

    The parts add up to the count.
    """
    first, last = t0_ms // SLOT_MS, (t1_ms - 1) // SLOT_MS
    if first == last:
        return [(first * SLOT_MS, count)]
    begins = [slot * SLOT_MS for slot in range(first, last + 1)]
    spans = [min(t1_ms, begin + SLOT_MS) - max(t0_ms, begin) for begin in begins]
    parts = [count * span // (t1_ms - t0_ms) for span in spans]
    rests = [count * span % (t1_ms - t0_ms) for span in spans]
    by_rest = sorted(range(len(begins)), key=lambda n: -rests[n])
    for n in by_rest[: count - sum(parts)]:
        parts[n] += 1
    return list(zip(begins, parts, strict=True))
