"""When to look again: a picture in which nothing has changed says what the last one said. Pure.

The question is put to the last picture that was looked at, not to the one before, so that what
changes slowly adds up. A picture that is not looked at counts as one with the same people in it
at another time: that is what a detector would say of equal pixels, were it the same each time.
It is not: somebody who stands still is found in one picture and missed in the next. So after
every change in the number of people each picture is looked at for longer than a track lives on
without being seen.
"""

from dataclasses import dataclass
from math import inf

import numpy as np

from edge.vocabulary import FloatArray


@dataclass(frozen=True, slots=True)
class GateSettings:
    """Chosen on every clip with pictures so that no crossing changes; see docs/speed.md.

    least_step: mean difference of grey levels in a block that is a change, of 256.
    noise_steps: so many times the median block's difference is not yet a change: noise is
        everywhere, people are somewhere.
    most_step: a larger difference is a change in any case; somebody may fill half the picture.
    empty_refresh_s, occupied_refresh_s: how long what was seen may stand for what is there,
        without and with people in it. No picture is kept for longer than 2 s, not even a small
        grey one to compare with.
    settle_s: how long every picture is looked at after the number of people has changed.
    sure_score: from here on a detection may begin a track. weak_s: weaker ones count for this
        long after one of those; in an empty room, where none has a track to lose, a chair that
        is now and then taken for somebody is no change.
    """

    least_step: float = 2.0
    noise_steps: float = 2.5
    most_step: float = 6.0
    empty_refresh_s: float = 1.6
    occupied_refresh_s: float = 0.5
    settle_s: float = 3.0
    sure_score: float = 0.5
    weak_s: float = 60.0


@dataclass(slots=True)
class GateCounts:
    """How many pictures were looked at, and how many said the same as the last one."""

    looked: int = 0
    same: int = 0

    @property
    def share(self) -> float | None:
        """The share that was looked at; None before the first picture."""
        pictures = self.looked + self.same
        return self.looked / pictures if pictures else None


class Gate:
    """Decides for one picture after another. Times are seconds that never go back."""

    def __init__(self, settings: GateSettings | None = None) -> None:
        """Begin without a picture: the first one is looked at."""
        self._settings = settings or GateSettings()
        self._looked_at: float | None = None
        self._people = 0
        self._settled_at = self._sure_at = -inf
        self.counts = GateCounts()

    def is_due(self, at: float, changes: FloatArray) -> bool:
        """Say whether to look at a picture.

        changes: mean absolute difference of grey levels to the last one looked at, in blocks.
        """
        due = self._is_old(at) or self._has_changed(changes)
        if not due:
            self.counts.same += 1
        return due

    def looked(self, at: float, scores: FloatArray) -> None:
        """Note what a look has found: the scores of the people, (N,)."""
        settings = self._settings
        if (scores >= settings.sure_score).any():
            self._sure_at = at
        people = len(scores) if at - self._sure_at <= settings.weak_s else 0
        if people != self._people:
            self._settled_at = at + settings.settle_s
        self._looked_at, self._people = at, people
        self.counts.looked += 1

    def _is_old(self, at: float) -> bool:
        if self._looked_at is None or at < self._settled_at:
            return True
        settings = self._settings
        limit_s = settings.occupied_refresh_s if self._people else settings.empty_refresh_s
        # A little less, so that pictures at equal distances are not late by one of them.
        return at - self._looked_at >= limit_s - 1e-3

    def _has_changed(self, changes: FloatArray) -> bool:
        settings = self._settings
        noise = float(np.median(changes)) * settings.noise_steps
        step = min(max(settings.least_step, noise), settings.most_step)
        return float(changes.max()) > step
