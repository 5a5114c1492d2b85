"""Whether the pictures there is time for are enough to see everybody pass. Pure.

Times are seconds on a clock that never jumps.
"""

from collections import deque
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class SightSettings:
    """When pictures are too few, and when they are enough again.

    blind_fps, seeing_fps: with less people pass unseen (half a second between two looks is in
        doubt, `CountingSettings.unseen_s`); with so much they are seen.
    window_s: both are measured over this time.
    recover_s: enough for so long before they count as seen: at the limit it would else be said
        and taken back many times a minute. The time until then counts as unseen.
    """

    blind_fps: float = 2.5
    seeing_fps: float = 2.8
    window_s: float = 2.0
    recover_s: float = 10.0


class Sight:
    """Says of each picture whether people may have passed unseen before it."""

    def __init__(self, target_fps: float, settings: SightSettings | None = None) -> None:
        """Begin seeing. A lower target than would be enough is the operator's own wish."""
        self._settings = s = settings or SightSettings()
        lower = min(1.0, 0.9 * target_fps / s.seeing_fps)
        self._blind_fps, self._seeing_fps = lower * s.blind_fps, lower * s.seeing_fps
        self._seen: deque[tuple[float, int]] = deque()
        self._blind = False
        self._enough_since = inf

    def is_blind(self, at: float, dropped: int) -> bool:
        """Say of the time before a picture whether people may have passed in it unseen.

        A camera that is slow itself drops nothing, and is not meant here.
        """
        s = self._settings
        self._seen.append((at, dropped))
        while len(self._seen) > 2 and self._seen[1][0] <= at - s.window_s:
            self._seen.popleft()
        since, dropped_before = self._seen[0]
        if at - since < s.window_s:
            return self._blind
        limit_fps = self._seeing_fps if self._blind else self._blind_fps
        few = dropped > dropped_before and len(self._seen) - 1 < limit_fps * (at - since)
        self._enough_since = inf if few else min(self._enough_since, at)
        self._blind = few or (self._blind and at - self._enough_since < s.recover_s)
        return self._blind

    def nothing(self) -> None:
        """Note that there is no picture at all, which is told otherwise."""
        self._seen.clear()
        self._blind, self._enough_since = False, inf
