"""Pure: which pictures of a stream are used, when a clip's pictures were, how long to wait.

Times are seconds.
"""

from math import floor, isfinite

_DEFAULT_FPS = 25.0
_MAX_FPS = 1000.0
_MAX_STEP_S = 10.0


class Timeline:
    """The time base of a clip: container timestamps where they are sane, else the frame rate."""

    def __init__(self, fps: float) -> None:
        """Take the frame rate the container claims; 25 when that is nonsense."""
        self._step_s = 1.0 / (fps if 0 < fps <= _MAX_FPS else _DEFAULT_FPS)
        self._first_s = 0.0
        self._last: float | None = None

    def at(self, position_ms: float) -> float:
        """Return the time of the next picture, 0 for the first, strictly increasing."""
        stamp = position_ms / 1000.0 if isfinite(position_ms) else 0.0
        if self._last is None:
            self._first_s, self._last = stamp, 0.0
            return 0.0
        at = stamp - self._first_s
        if not self._last < at <= self._last + _MAX_STEP_S:
            at = self._last + self._step_s
        self._last = round(at, 6)
        return self._last


class Sampler:
    """Thins a stream out: the first picture at or after each tick of the wanted rate."""

    def __init__(self, fps: float, slack_s: float) -> None:
        """Take a picture that is up to `slack_s` early for its tick."""
        self._fps, self._slack_s = fps, slack_s
        self._first: float | None = None
        self._used_at: float | None = None
        self._next_tick = 0

    def set_fps(self, fps: float) -> None:
        """Go on at another rate; the next tick is one new step after the last used picture."""
        if fps != self._fps:
            self._fps, self._first = fps, self._used_at
            self._next_tick = 0 if self._used_at is None else 1

    def wants(self, at: float) -> bool:
        """Say whether the picture of this moment is used; ask for each one, in order."""
        if self._first is None:
            self._first = at
        position = (at - self._first + self._slack_s) * self._fps
        if position < self._next_tick:
            return False
        self._next_tick, self._used_at = floor(position) + 1, at
        return True


def backoff_s(failures: int, chance: float) -> float:
    """Return how long to wait after the n-th failure in a row (from 1): 1 s to 60 s.

    Doubles each time; `chance` in 0..1 takes up to half of it off, so that the cameras
    behind one switch are not all asked at once.
    """
    return max(1.0, float(min(60.0, 2.0 ** min(failures - 1, 6))) * (1.0 - 0.5 * chance))
