"""When a centre's camera sees nothing, and why; from a seed. Times are simulated seconds."""

import random
from dataclasses import dataclass

from edge.vocabulary import CoverageReason

MEAN_BETWEEN_S = 2.5 * 86_400
_SHORT_S, _LONG_S = 20.0, 4 * 3600.0
_REASONS = {
    CoverageReason.NO_CAMERA: 5,
    CoverageReason.OVERLOAD: 3,
    CoverageReason.COVERED: 2,
    CoverageReason.FROZEN: 2,
    CoverageReason.DARK: 1,
    CoverageReason.BLURRED: 1,
    CoverageReason.MOVED: 1,
}


@dataclass(frozen=True, slots=True)
class Blindness:
    """No healthy picture in [t0, t1)."""

    t0: float
    t1: float
    reason: CoverageReason


class Video:
    """One camera. Ask for spans that follow each other."""

    def __init__(self, rng: random.Random, begins_at: float) -> None:
        self._rng = rng
        self._now = self._next(begins_at)

    def at(self, moment: float) -> Blindness:
        """Return the blindness that lasts at a moment, or else the next one."""
        while self._now.t1 <= moment:
            self._now = self._next(self._now.t1)
        return self._now

    def _next(self, after: float) -> Blindness:
        rng = self._rng
        t0 = round(after + rng.expovariate(1 / MEAN_BETWEEN_S), 3)
        lasts_s = min(max(rng.lognormvariate(5.5, 1.5), _SHORT_S), _LONG_S)
        reason = rng.choices(list(_REASONS), list(_REASONS.values()))[0]
        return Blindness(t0, round(t0 + lasts_s, 3), reason)
