"""What the counting thread shows, and what others may ask of it: numbers, never a picture.

The counting thread calls `show` after every step; any other thread may read. Today's counts
are the day's stored records, read back once, and what was booked since. A still is a coarse
mosaic that the counting thread makes, only when one was asked for. Where people walked stays
in memory for the line doctor, which gives sums and words.
"""

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from time import monotonic

from edge.foot_paths import FootPaths, Paths
from edge.pipeline import Step
from edge.vocabulary import CoverageReason, Crossing, Frame, Image, Outcome

STILL_EVERY_S = 2.0
"""At most one mosaic in this time is made."""
STILL_WAIT_S = 4.0

LineCounts = Mapping[tuple[str, Outcome], int]
"""Crossings by line and outcome."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What can be read at one moment. Counts are of whole persons-visits, no track, no place.

    seen: what is wrong with the last picture. live: since the process began, as they happen;
    today: since local midnight, as they are booked.
    """

    frames: int = 0
    seen: CoverageReason | None = CoverageReason.RESTART
    aspect: float | None = None
    live: LineCounts = field(default_factory=dict)
    today: LineCounts = field(default_factory=dict)
    headcounts: Mapping[str, int] = field(default_factory=dict)


def day_of(now_ms: int, zone: tzinfo) -> tuple[int, int]:
    """Return when the local day of this moment begins and ends, UTC ms."""
    here = datetime.fromtimestamp(now_ms / 1000, zone)
    midnight = here.replace(hour=0, minute=0, second=0, microsecond=0)
    end = midnight + timedelta(days=1)
    return round(midnight.timestamp() * 1000), round(end.timestamp() * 1000)


class Panel:
    """Numbers of one running device; holds at most one mosaic, until it is fetched."""

    def __init__(
        self,
        zone: tzinfo,
        utc_ms: Callable[[float], int],
        counts_since: Callable[[int, int], LineCounts],
        mosaic: Callable[[Image], Image],
        *,
        started_at: float = 0.0,
    ) -> None:
        """Begin with the day of `started_at`.

        utc_ms: dates a moment of the pictures' time base. counts_since: what is stored of the
        time between two moments, UTC ms; called when a day begins. mosaic: makes of a picture
        one in which nobody can be recognised.
        """
        self._zone, self._utc_ms = zone, utc_ms
        self._counts_since, self._mosaic = counts_since, mosaic
        self._lock = threading.Lock()
        self._still_there = threading.Condition(self._lock)
        self._frames = 0
        self._seen: CoverageReason | None = CoverageReason.RESTART
        self._aspect: float | None = None
        self._headcounts: dict[str, int] = {}
        self._live: Counter[tuple[str, Outcome]] = Counter()
        self._today: Counter[tuple[str, Outcome]] = Counter()
        self._day = (0, 0)
        self._feet = FootPaths()
        self._asking = 0
        self._still: Image | None = None
        self._still_at: float | None = None
        self._begin_day(utc_ms(started_at))

    def show(self, step: Step) -> None:
        """Take one step of the pipeline; the counting thread's."""
        now_ms = self._utc_ms(step.item.at)
        with self._lock:
            self._seen = step.item.reason
            self._headcounts = {each.zone: each.headcount for each in step.occupancies}
            for crossing in step.counted.live:
                self._live[crossing.line, crossing.outcome] += 1
            if not self._day[0] <= now_ms < self._day[1]:
                self._begin_day(now_ms)  # what was booked just now is stored, or of yesterday
            else:
                self._book(step.counted.booked)
            self._feet.observe(step.tracks)
            if isinstance(step.item, Frame):
                self._frames += 1
                self._aspect = step.item.aspect
                if self._asking and self._still is None:
                    self._make_still(step.item)

    def follow(self, zone: tzinfo) -> None:
        """Let days begin on another clock from now on; the counting thread's."""
        with self._lock:
            if zone != self._zone:
                self._zone, self._day = zone, (0, 0)

    def reading(self) -> Reading:
        """Return what is shown now; any thread."""
        with self._lock:
            return Reading(
                self._frames,
                self._seen,
                self._aspect,
                dict(self._live),
                dict(self._today),
                dict(self._headcounts),
            )

    def paths(self) -> Paths:
        """Return a copy of where people walked in the last minutes, for the line doctor."""
        with self._lock:
            return self._feet.paths()

    def still(self, wait_s: float = STILL_WAIT_S) -> Image | None:
        """Ask for one mosaic and wait for it; None when there is no picture. Any other thread."""
        until = monotonic() + wait_s
        with self._still_there:
            self._asking += 1
            try:
                while self._still is None:
                    left_s = until - monotonic()
                    if left_s <= 0 or not self._still_there.wait(left_s):
                        return None
                still, self._still = self._still, None
                return still
            finally:
                self._asking -= 1
                if not self._asking:
                    self._still = None  # nobody is left to fetch it

    def _begin_day(self, now_ms: int) -> None:
        self._day = day_of(now_ms, self._zone)
        self._today = Counter(self._counts_since(*self._day))

    def _book(self, booked: tuple[Crossing, ...]) -> None:
        for crossing in booked:
            if self._utc_ms(crossing.at) >= self._day[0]:
                self._today[crossing.line, crossing.outcome] += 1

    def _make_still(self, frame: Frame) -> None:
        if self._still_at is not None and frame.at - self._still_at < STILL_EVERY_S:
            return
        self._still_at = frame.at
        self._still = self._mosaic(frame.image)
        self._still_there.notify()
