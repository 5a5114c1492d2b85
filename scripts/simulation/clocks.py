"""Time as it passes in a simulation, and as one device's clocks show it."""

import threading
import time
from dataclasses import dataclass, field

from edge.vocabulary import TimeQuality


@dataclass(slots=True)
class Pace:
    """How simulated seconds follow real ones. speed None: there is no waiting at all."""

    speed: float | None
    began_at: float | None = None
    """On the real monotonic clock, which all processes share; None while nothing passes."""
    _halt: threading.Event = field(default_factory=threading.Event)

    def now(self) -> float:
        """Return the simulated second; without a pace it is always late."""
        if self.began_at is None:
            return 0.0
        if self.speed is None:
            return float("inf")
        return (time.monotonic() - self.began_at) * self.speed

    def wait_until(self, at: float, at_most_s: float) -> bool:
        """Wait for a simulated second, a bounded real time; return whether it has come."""
        now = self.now()
        if now < at:
            left_s = (at - now) / self.speed if self.speed and self.began_at else at_most_s
            self._halt.wait(min(left_s, at_most_s))
        return self.now() >= at

    def halt(self) -> None:
        """End every wait, from another thread."""
        self._halt.set()


class DeviceClock:
    """A device's two clocks, moved by hand; as `ManualClock`, but without a rounding error.

    The monotonic one is the simulated second, and the wall clock has an error that changes.
    """

    def __init__(self, at: float, utc: float, quality: TimeQuality) -> None:
        self._at, self._offset_s, self._quality = at, utc - at, quality

    def monotonic(self) -> float:
        return self._at

    def utc(self) -> float:
        return self._at + self._offset_s

    def quality(self) -> TimeQuality:
        return self._quality

    def move_to(self, at: float) -> None:
        """Let time pass on both clocks."""
        self._at = at

    def jump(self, by_s: float, quality: TimeQuality) -> None:
        """Set the wall clock alone."""
        self._offset_s += by_s
        self._quality = quality


class SendingClock:
    """What the delivery goes by: its patience is in real seconds, its dates are the device's."""

    def __init__(self, clock: DeviceClock, pace: Pace) -> None:
        self._clock, self._pace = clock, pace

    def monotonic(self) -> float:
        return time.monotonic()

    def utc(self) -> float:
        now = self._pace.now()
        since_s = now - self._clock.monotonic() if now != float("inf") else 0.0
        return self._clock.utc() + max(0.0, since_s)

    def quality(self) -> TimeQuality:
        return self._clock.quality()
