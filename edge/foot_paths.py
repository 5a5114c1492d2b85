"""Where people walked in the last minutes, kept in RAM for the line doctor. Pure, bounded.

One path a track: time and box of every look that saw it. It is thinned when it grows long,
the oldest paths go when there are too many or they are too old, and nothing of it leaves the
process but sums (see docs/line-doctor.md). Track ids are not kept.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.geometry import Box
from edge.vocabulary import Anchor, Tracks

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]
_Look = tuple[float, float, float, float, float]

MOST_PATHS = 600
MOST_LOOKS = 256
"""Of one path; then every second look is left out."""
MOST_AGE_S = 1800.0
_RATE_LOOKS = 200
_PAUSE_S = 1.5
"""After so long without a picture the camera was away, and nothing is said of the rate."""
_SETTLING_S = 0.5
"""Who is there when the watching begins was not born then."""


@dataclass(frozen=True, slots=True)
class Paths:
    """What has been watched, path after path: looks (N,), one row each.

    owner: number of the path, ascending from 0. at: seconds. boxes (N, 4): normalised.
    begins, ends (P,): first and last look of each path.
    was_born, has_ended (P,): whether it began while somebody was watching, and is over.
    watched_s: the time these are from. looks_per_s: pictures a second that were looked at.
    """

    owner: Ints
    at: Floats
    boxes: Floats
    begins: Ints
    ends: Ints
    was_born: Bools
    has_ended: Bools
    aspect: float
    watched_s: float
    looks_per_s: float

    def __len__(self) -> int:
        """Count the paths."""
        return len(self.begins)

    def heights(self) -> Floats:
        """Return how tall the person was at each look, in picture-heights."""
        return np.maximum(self.boxes[:, 3] - self.boxes[:, 1], 1e-6)

    def anchors(self, anchor: Anchor) -> Floats:
        """Return (N, 2) the points that stand for the person, in picture-heights."""
        x = (self.boxes[:, 0] + self.boxes[:, 2]) / 2 * self.aspect
        middle = (self.boxes[:, 1] + self.boxes[:, 3]) / 2
        y = self.boxes[:, 3] if anchor is Anchor.BOTTOM_CENTRE else middle
        return np.stack([x, y], axis=1)


@dataclass(slots=True)
class _Path:
    looks: list[_Look]
    was_born: bool
    every: int = 1
    skipped: int = 0

    def add(self, look: _Look) -> None:
        self.skipped += 1
        if self.skipped < self.every:
            return
        self.skipped = 0
        self.looks.append(look)
        if len(self.looks) >= MOST_LOOKS:
            self.looks, self.every = self.looks[::2], 2 * self.every


@dataclass(frozen=True, slots=True)
class _Gone:
    """A path that is over, packed: (N, 5)."""

    looks: Floats
    was_born: bool


class FootPaths:
    """Collects paths step by step. Not thread-safe; `paths()` is a copy that is."""

    def __init__(self, aspect: float = 1.0) -> None:
        """Begin with nothing. aspect: picture width / height, until a step says better."""
        self._aspect = aspect
        self._live: dict[int, _Path] = {}
        self._gone: deque[_Gone] = deque(maxlen=MOST_PATHS)
        self._first_at: float | None = None
        self._at = 0.0
        self._gaps: deque[float] = deque(maxlen=_RATE_LOOKS)

    def __len__(self) -> int:
        """Count the looks that are kept."""
        live = sum(len(path.looks) for path in self._live.values())
        return live + sum(len(path.looks) for path in self._gone)

    def observe(self, tracks: Tracks) -> None:
        """Add one step of the tracker."""
        if self._first_at is None:
            self._first_at = tracks.at
        elif 0 < tracks.at - self._at < _PAUSE_S:
            self._gaps.append(tracks.at - self._at)
        self._at = tracks.at
        for track in tracks.live:
            self._aspect = tracks.aspect
            if track.observed:
                self._follow(track.id, (tracks.at, *track.box))
        for gone in tracks.ended:
            path = self._live.pop(gone, None)
            if path is not None:
                self._gone.append(_Gone(np.array(path.looks), path.was_born))
        while self._gone and self._gone[0].looks[-1][0] < self._at - MOST_AGE_S:
            self._gone.popleft()

    def _follow(self, number: int, look: tuple[float, *Box]) -> None:
        path = self._live.get(number)
        if path is not None:
            path.add(look)
        elif len(self._live) < MOST_PATHS:
            was_born = look[0] - (self._first_at or 0.0) > _SETTLING_S
            self._live[number] = _Path([look], was_born)

    def paths(self) -> Paths:
        """Return what is kept as arrays, the newest `MOST_PATHS`."""
        live = [_Gone(np.array(path.looks), path.was_born) for path in self._live.values()]
        every: list[_Gone] = [*self._gone, *live]
        oldest = max(0, len(every) - MOST_PATHS)
        kept = every[oldest:]
        counts = np.array([len(path.looks) for path in kept], np.intp)
        table = np.concatenate([np.zeros((0, 5))] + [path.looks for path in kept])
        ends = np.cumsum(counts) - 1
        since = self._at if self._first_at is None else self._first_at
        return Paths(
            owner=np.repeat(np.arange(len(kept)), counts),
            at=table[:, 0],
            boxes=table[:, 1:],
            begins=ends - counts + 1,
            ends=ends,
            was_born=np.array([path.was_born for path in kept], bool),
            has_ended=np.arange(oldest, len(every)) < len(self._gone),
            aspect=self._aspect,
            watched_s=min(self._at - since, MOST_AGE_S),
            looks_per_s=len(self._gaps) / sum(self._gaps) if self._gaps else 0.0,
        )
