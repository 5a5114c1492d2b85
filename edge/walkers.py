"""Who walked, of all whose paths are kept: worked out once, for every line. Pure."""

from dataclasses import dataclass, field

import numpy as np

from edge.counting import CountingSettings
from edge.foot_paths import Bools, Floats, Paths
from edge.vocabulary import WHOLE, Anchor, Region


@dataclass(frozen=True, slots=True)
class MeetingSettings:
    """What counts as what, in seconds and person-heights.

    clear_heights, clear_s: a side is settled with margin when somebody is so far from the line
    for so long.
    near_heights: who appears or vanishes nearer than this may have passed unseen.
    around_heights: what is walked within this of a line is walked at it.
    beside_heights: who passes so close to an end was probably meant to be counted.
    linger_s, linger_heights: who stays on the line for so long and moves no farther stands there.
    walk_heights, walk_s: who came so far in at least that time was walking.
    edge_share: a box so close to the edge of what is looked at is cut by it.
    along_sine: who walks at less than this (25 degrees) to the line walks along it.
    """

    clear_heights: float = 0.25
    clear_s: float = 0.30
    near_heights: float = 0.75
    around_heights: float = 1.0
    beside_heights: float = 1.5
    linger_s: float = 3.0
    linger_heights: float = 1.0
    walk_heights: float = 1.0
    walk_s: float = 1.0
    edge_share: float = 0.02
    along_sine: float = 0.42

    @classmethod
    def of(cls, counting: CountingSettings) -> "MeetingSettings":
        """Ask for more than this counter does, never for less."""
        return cls(
            clear_heights=max(0.25, 2 * counting.dead_band_heights),
            clear_s=max(0.30, counting.hold_s),
            near_heights=max(0.75, counting.near_heights),
        )


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who walked, and where: worked out once, for every line.

    point (N, 2), height (N,): of each look, in picture-heights. walks (P,): who was walking.
    born, died (P,): who appeared or vanished away from the edge of the picture.
    born_at_edge, died_at_edge (P,): who did so at it.
    walked (N,): person-heights since the look before, 0 for a path's first.
    """

    paths: Paths
    point: Floats
    height: Floats
    walks: Bools
    born: Bools
    died: Bools
    born_at_edge: Bools
    died_at_edge: Bools
    walked: Floats
    settings: MeetingSettings = field(default_factory=MeetingSettings)

    @property
    def walkers(self) -> int:
        """Count the people who walked."""
        return int(self.walks.sum())


def crowd_of(
    paths: Paths,
    anchor: Anchor = Anchor.BOTTOM_CENTRE,
    settings: MeetingSettings | None = None,
    seen: Region = WHOLE,
) -> Crowd:
    """Work out what does not depend on a line. seen: the part of the picture looked at."""
    s = settings or MeetingSettings()
    point, height = paths.anchors(anchor), paths.heights()
    first, last = paths.begins, paths.ends
    moved = np.zeros(len(point))
    away = point - point[first][paths.owner] if len(paths) else point
    far = np.hypot(*away.T) / height
    farthest = np.zeros(len(paths))
    np.maximum.at(farthest, paths.owner, far)
    walks = (farthest >= s.walk_heights) & (paths.at[last] - paths.at[first] >= s.walk_s)
    if len(point) > 1:
        step = np.hypot(*(point[1:] - point[:-1]).T) / height[1:]
        moved[1:] = np.where(paths.owner[1:] == paths.owner[:-1], step, 0.0)
    low = (paths.boxes[:, :2] < np.add(seen[:2], s.edge_share)).any(axis=1)
    high = (paths.boxes[:, 2:] > np.subtract(seen[2:], s.edge_share)).any(axis=1)
    cut = np.asarray(low | high)
    return Crowd(
        paths,
        point,
        height,
        walks,
        born=paths.was_born & ~cut[first],
        died=paths.has_ended & ~cut[last],
        born_at_edge=paths.was_born & cut[first],
        died_at_edge=paths.has_ended & cut[last],
        walked=moved,
        settings=s,
    )
