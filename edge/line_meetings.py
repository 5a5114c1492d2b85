"""How the paths of people meet a line: who settles on both sides of it, and who does not. Pure.

The counter (edge/counting.py) decides look by look; here whole paths are at hand, many lines
are tried, and more is asked of a passage: to be *firm* it needs twice the usual dead-band, and
the hold time on both sides. What is firm here is counted there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from edge.foot_paths import Bools, Floats, Ints, Paths
from edge.geometry import isotropic
from edge.vocabulary import Line, Point
from edge.walkers import Crowd, MeetingSettings


@dataclass(frozen=True, slots=True)
class Meetings:
    """How each of P paths meets one line; all masks are of walkers only, but `lingers`.

    offset (N,): signed distance of each look, in person-heights.
    firm: settled on both sides with margin, between the ends; net (P,) adds up the passages,
    left to right positive.
    forth, back (P,): how many firm passages left to right, and right to left.
    cut: appeared or vanished at the edge of the picture, before both sides were settled.
    broken: the same, away from the edge. weak: passed, and settled on one side at most.
    beside: went round an end. touches: came to the line. along: walked along it there.
    sine (P,): of the angle between way and line there, 1 where nobody walked.
    lingers: stood on it. speed (P,): at the line, in person-heights a second, NaN elsewhere.
    closest (P,): the look nearest to it.
    """

    offset: Floats
    firm: Bools
    forth: Ints
    back: Ints
    cut: Bools
    broken: Bools
    weak: Bools
    beside: Bools
    touches: Bools
    along: Bools
    sine: Floats
    lingers: Bools
    speed: Floats
    closest: Ints

    @property
    def came(self) -> Bools:
        """Who was at the line, counted or not."""
        return self.firm | self.cut | self.broken | self.weak | self.beside

    @property
    def troubled(self) -> Bools:
        """Who may be miscounted here."""
        held = self.lingers | (self.along & self.touches)
        return (self.cut | self.broken | self.weak | self.beside | held) & ~self.firm


def path_of(line: Line, aspect: float) -> tuple[Point, ...]:
    """Return a line's points in picture-heights."""
    return tuple(isotropic(p, aspect) for p in line.points)


def meet(crowd: Crowd, path: Sequence[Point]) -> Meetings:
    """Lay a line, in picture-heights, over what was walked."""
    s, paths = crowd.settings, crowd.paths
    offset = _signed_distances(crowd.point, path) / crowd.height
    near = np.abs(offset)
    passages = _passages(crowd, path)
    forth, back, beside = _changes(crowd, offset, np.cumsum(passages))
    firm = (forth + back > 0) & crowd.walks
    closest = _closest(near, paths)
    farthest = np.zeros(len(paths))
    np.maximum.at(farthest, paths.owner, near)
    passed = np.zeros(len(paths))
    np.add.at(passed, paths.owner, np.abs(passages))
    loose = crowd.walks & ~firm
    starts = _gone_from(near[paths.begins], farthest, s)
    stops = _gone_from(near[paths.ends], farthest, s)
    cut = loose & ((starts & crowd.born_at_edge) | (stops & crowd.died_at_edge))
    broken = loose & ~cut & ((starts & crowd.born) | (stops & crowd.died))
    sine, speed = _headings(crowd, near, path)
    return Meetings(
        offset,
        firm,
        np.where(crowd.walks, forth, 0),
        np.where(crowd.walks, back, 0),
        cut,
        broken,
        weak=loose & ~cut & ~broken & (passed > 0) & paths.was_born & paths.has_ended,
        beside=loose & ~cut & ~broken & (passed == 0) & beside,
        touches=crowd.walks & ((near[closest] < s.clear_heights) | (passed > 0)),
        along=crowd.walks & (sine < s.along_sine),
        sine=sine,
        lingers=_lingering(crowd, near),
        speed=np.where(crowd.walks, speed, np.nan),
        closest=closest,
    )


def _closest(near: Floats, paths: Paths) -> Ints:
    order = np.lexsort((near, paths.owner))
    return order[paths.begins]


def _gone_from(near: Floats, farthest: Floats, s: MeetingSettings) -> Bools:
    return (near < s.near_heights) & (farthest - near > s.near_heights / 2)


def _signed_distances(points: Floats, path: Sequence[Point]) -> Floats:
    """Do what geometry.signed_distance does, for (N, 2) points at once."""
    best = np.full(len(points), np.inf)
    side = np.zeros(len(points))
    for a, b in pairwise(path):
        way = np.subtract(b, a)
        length = float(np.hypot(*way)) or 1e-12
        away = points - a
        abeam = (way[0] * away[:, 1] - way[1] * away[:, 0]) / length
        along = np.clip(away @ way / length**2, 0.0, 1.0)
        near = np.round(np.hypot(*(away - along[:, None] * way).T), 12)
        better = (near < best) | ((near == best) & (np.abs(abeam) > np.abs(side)))
        best, side = np.where(better, near, best), np.where(better, abeam, side)
    return np.where(side >= 0, best, -best)


def _passages(crowd: Crowd, path: Sequence[Point]) -> Floats:
    """Net passages of the step that led to each look; see geometry.passage."""
    points, owner = crowd.point, crowd.paths.owner
    net = np.zeros(len(points))
    if len(points) < 2:
        return net
    start, end = points[:-1], points[1:]
    for a, b in pairwise(path):
        was, now = _cross(a, b, start) >= 0, _cross(a, b, end) >= 0
        move = end - start
        ends = [
            move[:, 0] * (p[1] - start[:, 1]) - move[:, 1] * (p[0] - start[:, 0]) for p in (a, b)
        ]
        over = (was != now) & ((ends[0] >= 0) != (ends[1] >= 0))
        net[1:] += np.where(over, np.where(now, 1.0, -1.0), 0.0)
    net[1:][owner[1:] != owner[:-1]] = 0.0
    return net


def _cross(a: Point, b: Point, points: Floats) -> Floats:
    return np.asarray((b[0] - a[0]) * (points[:, 1] - a[1]) - (b[1] - a[1]) * (points[:, 0] - a[0]))


def _changes(crowd: Crowd, offset: Floats, net: Floats) -> tuple[Ints, Ints, Bools]:
    """Return per path the firm passages each way, and who changed sides round an end."""
    s, paths = crowd.settings, crowd.paths
    forth, back = np.zeros(len(paths), np.intp), np.zeros(len(paths), np.intp)
    beside = np.zeros(len(paths), bool)
    side = np.where(np.abs(offset) >= s.clear_heights, np.sign(offset), 0.0)
    first, last = _runs(side, paths.owner)
    pause = 1 / paths.looks_per_s if paths.looks_per_s else 0.0
    held = paths.at[last] - paths.at[first] + min(pause, s.clear_s / 2) >= s.clear_s
    first, last = first[held], last[held]
    before, after = last[:-1], first[1:]
    changed = (paths.owner[before] == paths.owner[after]) & (side[before] != side[after])
    before, after = before[changed], after[changed]
    owner, passed = paths.owner[before], net[after] - net[before]
    np.add.at(forth, owner[passed > 0], 1)
    np.add.at(back, owner[passed < 0], 1)
    for i in np.flatnonzero(passed == 0):
        closest = np.abs(offset[before[i] : after[i] + 1]).min()
        beside[owner[i]] |= closest < s.beside_heights
    return forth, back, beside


def _runs(value: Floats, owner: Ints) -> tuple[Ints, Ints]:
    """Return first and last look of each run of equal value that is not 0, within one path."""
    # What is within the margin does not end a run, a change of sides or of people does.
    known = np.flatnonzero(value)
    if not len(known):
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    new = np.ones(len(known), bool)
    new[1:] = (value[known][1:] != value[known][:-1]) | (owner[known][1:] != owner[known][:-1])
    begins = np.flatnonzero(new)
    ends = np.append(begins[1:], len(known)) - 1
    return known[begins], known[ends]


def _stays(inside: Bools, owner: Ints) -> tuple[Ints, Ints]:
    """Return first and last look of each stay."""
    first, last = _runs(np.where(inside, 1.0, -1.0), owner)
    return first[inside[first]], last[inside[first]]


def _headings(crowd: Crowd, near: Floats, path: Sequence[Point]) -> tuple[Floats, Floats]:
    """Return per path the sine of its angle to the line where it is around it, and its speed."""
    s, paths = crowd.settings, crowd.paths
    sines, speed = np.ones(len(paths)), np.full(len(paths), np.nan)
    way = np.subtract(path[-1], path[0])
    way = way / (float(np.hypot(*way)) or 1.0)
    first, last = _stays(near < s.around_heights, paths.owner)
    owner = paths.owner[first]
    move = crowd.point[last] - crowd.point[first]
    length = np.hypot(*move.T)
    sine = np.abs(way[0] * move[:, 1] - way[1] * move[:, 0]) / np.maximum(length, 1e-9)
    walked = length / crowd.height[first]
    sines[owner] = np.where(walked > s.walk_heights / 2, sine, 1.0)
    seconds = paths.at[last] - paths.at[first]
    speed[owner] = np.where(seconds > 0, walked / np.maximum(seconds, 1e-9), np.nan)
    return sines, speed


def _lingering(crowd: Crowd, near: Floats) -> Bools:
    s, paths = crowd.settings, crowd.paths
    lingers = np.zeros(len(paths), bool)
    first, last = _stays(near < s.clear_heights, paths.owner)
    moved = np.hypot(*(crowd.point[last] - crowd.point[first]).T) / crowd.height[first]
    long = paths.at[last] - paths.at[first] >= s.linger_s
    lingers[paths.owner[first[long & (moved < s.linger_heights)]]] = True
    return lingers
