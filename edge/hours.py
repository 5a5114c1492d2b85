"""When the doors are open: weekly hours, closed days and days with hours of their own.

People are counted at all times; hours say which intervals a score may be made of, and let the
setup page say "closed". All of it is on the clock on the wall of the device's time zone, so a
day with a clock change is as long as the wall clock makes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo

from edge.day_windows import Span, spans
from edge.vocabulary import DailyWindow

Windows = tuple[DailyWindow, ...]
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Hours:
    """weekly: Monday first. special: days that are otherwise; () is a day that is closed."""

    time_zone: tzinfo
    weekly: tuple[Windows, ...]
    special: Mapping[date, Windows] = field(default_factory=dict)

    def windows(self, day: date) -> Windows:
        """Return the hours of a day on the wall clock."""
        return self.special.get(day, self.weekly[day.weekday()])

    def open_spans(self, day: date) -> tuple[Span, ...]:
        """Return when it is open on a day, as half-open UTC intervals in ms, in order."""
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=self.time_zone).astimezone(UTC)
        reach = timedelta(hours=40)  # more than any day on the wall clock has, to both sides
        t0, t1 = (round(t.timestamp() * 1000) for t in (noon - reach, noon + reach))
        found = []
        for window in self.windows(day):
            found += [
                span
                for span in spans((window,), self.time_zone, t0, t1)
                if self._day_of(span[0]) == day
            ]
        return tuple(sorted(found))

    def open_at(self, utc_ms: int) -> bool:
        """Say whether it is open at a moment."""
        day = self._day_of(utc_ms)
        return any(start <= utc_ms < end for start, end in self.open_spans(day))

    def _day_of(self, utc_ms: int) -> date:
        return datetime.fromtimestamp(utc_ms / 1000, UTC).astimezone(self.time_zone).date()
