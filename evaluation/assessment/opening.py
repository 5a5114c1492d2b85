"""When a centre is open: its weekly hours, closed days and special days, as slots of a month."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

SLOT_MS = 900_000
SLOTS_A_DAY = 96
_DAY_MIN = 1440

Hours = tuple[tuple[int, int], ...]
"""Spans [from, to) of a day in minutes after local midnight, in order, apart from each other."""


def checked_hours(spans: Hours) -> Hours:
    """Return the spans in order. Raises ValueError where they overlap or leave the day."""
    ordered = tuple(sorted(spans))
    for start, stop in ordered:
        if not 0 <= start < stop <= _DAY_MIN:
            raise ValueError(f"{_clock(start)}-{_clock(stop)} is not within a day")
    for (_, stop), (start, _) in pairwise(ordered):
        if start < stop:
            raise ValueError(f"the spans overlap at {_clock(start)}")
    return ordered


@dataclass(frozen=True, slots=True)
class Opening:
    """Weekly hours by weekday (0 is Monday) and what differs on some dates.

    special: hours of single dates, which replace those of the weekday: a holiday has none,
    a working Saturday has those of a weekday.
    """

    weekly: Mapping[int, Hours]
    special: Mapping[date, Hours] = field(default_factory=dict)

    def on(self, day: date) -> Hours:
        """Return the hours of a date; none when closed."""
        special = self.special.get(day)
        return self.weekly.get(day.weekday(), ()) if special is None else special


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month of a time zone as slots of 15 minutes.

    t0_ms: when it begins, UTC milliseconds. slots: how many there are.
    day, weekday, minute: of each slot, local; int arrays of `slots` elements. The day is counted
    from 0, the minute from local midnight.
    """

    year: int
    month: int
    t0_ms: int
    slots: int
    day: NDArray[np.int64]
    weekday: NDArray[np.int64]
    minute: NDArray[np.int64]

    @property
    def t1_ms(self) -> int:
        """When it ends."""
        return self.t0_ms + self.slots * SLOT_MS

    @property
    def name(self) -> str:
        """As it is written, e.g. 2026-01."""
        return f"{self.year:04}-{self.month:02}"

    @property
    def days(self) -> int:
        """How many days it has."""
        return int(self.day[-1]) + 1

    def date_of(self, day: int) -> date:
        """Return the date of a day counted from 0."""
        return date(self.year, self.month, day + 1)

    def open_slots(self, opening: Opening) -> NDArray[np.bool_]:
        """Return which slots lie wholly in the opening hours: bool array of `slots` elements."""
        is_open = np.zeros(self.slots, dtype=bool)
        for day in range(self.days):
            of_day = self.day == day
            for start, stop in opening.on(self.date_of(day)):
                is_open |= of_day & (self.minute >= start) & (self.minute + 15 <= stop)
        return is_open


def month_of(year: int, month: int, zone: tzinfo) -> Month:
    """Return a month of a time zone whose offset is a whole number of quarters of an hour.

    Raises ValueError where it is not.
    """
    first = datetime(year, month, 1, tzinfo=zone)
    after = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=zone)
    t0_ms, t1_ms = (round(moment.timestamp() * 1000) for moment in (first, after))
    slots, rest = divmod(t1_ms - t0_ms, SLOT_MS)
    if rest or t0_ms % SLOT_MS:
        raise ValueError(f"the time zone {zone} does not keep to quarters of an hour")
    begin = datetime.fromtimestamp(t0_ms / 1000, UTC)
    local = [(begin + timedelta(minutes=15 * n)).astimezone(zone) for n in range(slots)]
    return Month(
        year,
        month,
        t0_ms,
        slots,
        np.array([moment.day - 1 for moment in local]),
        np.array([moment.weekday() for moment in local]),
        np.array([moment.hour * 60 + moment.minute for moment in local]),
    )


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
