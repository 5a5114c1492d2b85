"""Dates: seconds on the monotonic clock → UTC, and how far that can be trusted.

Durations come from the monotonic clock alone. Dates come from one offset to it, so that a
wall clock which is set cannot fold or tear an interval; the offset changes only where the
pipeline cuts the open interval, which asks with `change` and answers with `adopt`.
"""

from dataclasses import dataclass
from math import floor

from edge.ports import Clock
from edge.vocabulary import TimeQuality

PLAUSIBLE_FROM_S = 1_767_225_600.0
"""2026-01-01 UTC: this program is not older, so no earlier date is right."""
PLAUSIBLE_TO_S = PLAUSIBLE_FROM_S + 50 * 365.25 * 86_400
_AS_GOOD_AS_WHOLE = 1e-4
STEP_S = 1.0
"""A clock that has moved less against the monotonic one is left alone: it is being slewed."""


@dataclass(frozen=True, slots=True)
class Change:
    """What the wall clock says now: a new offset in seconds, and its quality."""

    offset_s: float
    quality: TimeQuality


class Timeline:
    """The dates of one run. Not dated yet means that what is counted waits for its dates."""

    def __init__(self, clock: Clock, *, waits: bool = True, boot: str = "") -> None:
        """Begin with what the clock says now.

        waits: whether a clock that is not trusted keeps dates waiting; a recording's does not.
        boot: names this start of the machine, within which the monotonic clock goes on.
        """
        self._clock = clock
        self.boot = boot
        self.started_at = clock.monotonic()
        now = self._read()
        self._offset_s, self._quality = now.offset_s, now.quality
        self.dated = not waits or self._is_trusted(now)

    @property
    def quality(self) -> TimeQuality:
        """How good a date made now is."""
        return self._quality

    @property
    def offset_ms(self) -> int:
        """Milliseconds from the monotonic clock to UTC, or to a guess while not dated."""
        return round(self._offset_s * 1000)

    def utc_ms(self, at: float) -> int:
        """Date a moment of the monotonic clock, given in seconds.

        Whole milliseconds on both clocks, so that a date which is moved later stays exact.
        """
        return floor(at * 1000 + _AS_GOOD_AS_WHOLE) + self.offset_ms

    def boot_ms(self) -> int:
        """Return when the monotonic clock was zero, which is no later than this boot."""
        return self.utc_ms(0.0)

    def change(self) -> Change | None:
        """Return what the clock says when dates have to follow it from now on."""
        now = self._read()
        if not self._is_trusted(now):
            # Nobody disciplines it any more; from the last good offset on it runs by itself.
            if self.dated and self._quality is TimeQuality.NTP:
                self._quality = TimeQuality.RTC
            return None
        if self.dated and abs(now.offset_s - self._offset_s) < STEP_S:
            self._quality = now.quality
            return None
        return now

    def adopt(self, change: Change) -> None:
        """Make dates from this offset from now on."""
        self._offset_s, self._quality, self.dated = change.offset_s, change.quality, True

    def _read(self) -> Change:
        return Change(self._clock.utc() - self._clock.monotonic(), self._clock.quality())

    def _is_trusted(self, now: Change) -> bool:
        utc = now.offset_s + self._clock.monotonic()
        plausible = PLAUSIBLE_FROM_S <= utc <= PLAUSIBLE_TO_S
        return plausible and now.quality in {TimeQuality.NTP, TimeQuality.RTC}
