"""A better line: candidates laid over what was walked, the best one if it is better. Pure.

A line is as good as the people it settles on both sides with margin, less those it leaves in
trouble. First the line's own neighbourhood is tried, moved and turned, so that a person finds
it where it was meant; what lies across the ways people walk anywhere else only when that is
much better. Where ends would have to be is read off what is walked there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import cos, hypot, radians, sin

import numpy as np

from edge.foot_paths import Floats
from edge.line_findings import DoctorSettings
from edge.line_meetings import Crowd, Meetings, meet, path_of
from edge.vocabulary import Line, Point

SHIFTS_HEIGHTS = (0.0, -0.5, 0.5, -1.0, 1.0, -1.5, 1.5, -2.5, 2.5)
TURNS_DEG = (0, -20, 20, -40, 40, -60, 60, 90)
_STEPS = sorted(product(TURNS_DEG, SHIFTS_HEIGHTS), key=lambda s: abs(s[0]) / 20 + 2 * abs(s[1]))
"""The least change first."""
HEADINGS_DEG = tuple(range(0, 180, 20))
QUANTILES = (0.2, 0.35, 0.5, 0.65, 0.8)
_REACH_HEIGHTS = 2.0
_MARGIN_HEIGHTS = 0.5
_BORDER = 0.01
_DIGITS = 3
_LEAST_GAIN = 2
_LEAST_GAIN_SHARE = 0.1
_ELSEWHERE_SHARE = 0.7
"""A neighbour that gains so much of what is gained elsewhere is preferred."""
_SLANT_SINE = 0.85
_SAME_SIDE_COSINE = 0.7
_NEARLY = 0.85
"""Of the neighbours the one changed least is taken that gains so much of the most."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A line and what it would have done: of `people` who walked, `counted` instead of `now`.

    points: normalised. entry: the word for the config, up, down, left or right.
    troubled, troubled_now: who may be miscounted. keeps_side: the present line's IN is known to
    be meant; otherwise a person has to look at the arrow.
    """

    points: tuple[Point, Point]
    entry: str
    people: int
    counted: int
    now: int
    troubled: int
    troubled_now: int
    keeps_side: bool


@dataclass(frozen=True, slots=True)
class _Worth:
    """slanting: who is counted, though they do not walk straight over the line."""

    counted: int
    troubled: int
    slanting: int

    @property
    def score(self) -> float:
        return self.counted - self.troubled - self.slanting / 2


@dataclass(frozen=True, slots=True)
class _Candidate:
    path: tuple[Point, Point]
    worth: _Worth


def suggest(line: Line, crowd: Crowd, met: Meetings, settings: DoctorSettings) -> Suggestion | None:
    """Return a line that would have counted more people, or None where none was found.

    met: how the present line was met.
    """
    if crowd.walkers < settings.fewest_people:
        return None
    now = _worth(crowd, met, settings)
    near = _best(_neighbours(line, crowd), crowd, now, settings)
    far = _best(_across_ways(crowd), crowd, now, settings)
    least = max(_LEAST_GAIN, _LEAST_GAIN_SHARE * crowd.walkers)
    best = _preferred(near, far, now)
    if best is None or best.worth.score < now.score + least or best.worth.counted < now.counted:
        return None
    return _suggestion(line, crowd, best, now)


def _preferred(near: _Candidate | None, far: _Candidate | None, now: _Worth) -> _Candidate | None:
    if near is None or far is None:
        return near or far
    gains = [each.worth.score - now.score for each in (near, far)]
    return near if gains[0] > 0 and gains[0] >= _ELSEWHERE_SHARE * gains[1] else far


def _worth(crowd: Crowd, met: Meetings, s: DoctorSettings) -> _Worth:
    size = crowd.height[met.closest] / s.longer_side(crowd.paths.aspect)
    seen = size >= s.smallest_share
    counted = met.firm & seen
    troubled = met.troubled | (met.firm & ~seen)
    return _Worth(
        int(counted.sum()), int(troubled.sum()), int((counted & (met.sine < _SLANT_SINE)).sum())
    )


def _best(
    paths: Iterator[tuple[Point, Point]], crowd: Crowd, now: _Worth, s: DoctorSettings
) -> _Candidate | None:
    """Return the first that gains nearly as much as the best."""
    tried = [_Candidate(path, _worth(crowd, meet(crowd, path), s)) for path in paths]
    most = max((each.worth.score for each in tried), default=now.score)
    enough = now.score + _NEARLY * (most - now.score)
    return next((each for each in tried if each.worth.score >= enough), None)


def _neighbours(line: Line, crowd: Crowd) -> Iterator[tuple[Point, Point]]:
    """The line itself, moved and turned about its middle, its ends where people pass."""
    path = path_of(line, crowd.paths.aspect)
    a, b = np.array(path[0]), np.array(path[-1])
    length = hypot(*(b - a))
    if not length:
        return
    middle, way = (a + b) / 2, (b - a) / length
    height = _height_near(crowd, middle, length)
    for turn, shift in _STEPS:
        turned = _turned(way, turn)
        across = np.array([-turned[1], turned[0]])
        centre = middle + shift * height * across
        found = _spanned(crowd, centre, turned, (-length / 2, length / 2))
        if found is not None:
            yield found


def _height_near(crowd: Crowd, middle: Floats, length: float) -> float:
    """How tall people are around a place; of everybody if nobody was there."""
    walking = crowd.walks[crowd.paths.owner]
    near = walking & (np.hypot(*(crowd.point - middle).T) < length / 2 + crowd.height)
    return float(np.median(crowd.height[near if near.any() else walking]))


def _across_ways(crowd: Crowd) -> Iterator[tuple[Point, Point]]:
    """Lines across every heading, where along it people walk."""
    walking = crowd.walks[crowd.paths.owner]
    points = crowd.point[walking]
    for heading in HEADINGS_DEG:
        along = np.array([cos(radians(heading)), sin(radians(heading))])
        across = np.array([-along[1], along[0]])
        for place in np.quantile(points @ along, QUANTILES):
            found = _spanned(crowd, along * float(place), across, None)
            if found is not None:
                yield found


def _spanned(
    crowd: Crowd, centre: Floats, way: Floats, ends: tuple[float, float] | None
) -> tuple[Point, Point] | None:
    """Return the part of a straight line that people walk over, in the picture.

    ends: along `way` from `centre`; what is walked within reach of them is spanned too.
    None: everything that is walked there.
    """
    away = crowd.point - centre
    across = np.abs(way[0] * away[:, 1] - way[1] * away[:, 0]) / crowd.height
    place = away @ way
    near = crowd.walks[crowd.paths.owner] & (across < 0.5)
    if ends is not None:
        reach = _REACH_HEIGHTS * crowd.height
        near &= (place > ends[0] - reach) & (place < ends[1] + reach)
    if not near.any():
        return None
    margin = _MARGIN_HEIGHTS * float(np.median(crowd.height[near]))
    low, high = np.quantile(place[near], [0.02, 0.98]) + np.array([-margin, margin])
    if ends is not None:
        low, high = min(low, ends[0]), max(high, ends[1])
    return _within_picture(centre, way, float(low), float(high), crowd.paths.aspect)


def _within_picture(
    centre: Floats, way: Floats, low: float, high: float, aspect: float
) -> tuple[Point, Point] | None:
    for start, step, limit in zip(centre, way, (aspect, 1.0), strict=True):
        inside = (_BORDER * limit, (1 - _BORDER) * limit)
        if abs(step) < 1e-9:
            if not inside[0] <= start <= inside[1]:
                return None
            continue
        bounds = sorted(((inside[0] - start) / step, (inside[1] - start) / step))
        low, high = max(low, bounds[0]), min(high, bounds[1])
    if high - low < 2 * _BORDER:
        return None
    a, b = centre + low * way, centre + high * way
    return _as_written(a, aspect), _as_written(b, aspect)


def _as_written(point: Floats, aspect: float) -> Point:
    """Round to what is shown, so that what is shown is what was tried."""
    return round(float(point[0]) / aspect, _DIGITS) * aspect, round(float(point[1]), _DIGITS)


def _turned(way: Floats, degrees: float) -> Floats:
    c, s = cos(radians(degrees)), sin(radians(degrees))
    return np.array([c * way[0] - s * way[1], s * way[0] + c * way[1]])


def _suggestion(line: Line, crowd: Crowd, best: _Candidate, now: _Worth) -> Suggestion:
    aspect = crowd.paths.aspect
    a, b = best.path
    old = path_of(line, aspect)
    inward = _inward(old[0], old[-1], line.entry)
    new = _inward(a, b, 1)
    agreement = inward[0] * new[0] + inward[1] * new[1]
    entry = new if agreement >= 0 else (-new[0], -new[1])
    points = tuple((round(x / aspect, _DIGITS), y) for x, y in best.path)
    return Suggestion(
        (points[0], points[1]),
        _word(entry),
        crowd.walkers,
        best.worth.counted,
        now.counted,
        best.worth.troubled,
        now.troubled,
        keeps_side=abs(agreement) > _SAME_SIDE_COSINE,
    )


def _inward(a: Point, b: Point, entry: int) -> Point:
    """Return the heading of people who enter: to the right of the way, or to its left."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = hypot(dx, dy) or 1.0
    return -entry * dy / length, entry * dx / length


def _word(heading: Point) -> str:
    x, y = heading
    if abs(x) > abs(y):
        return "right" if x > 0 else "left"
    return "down" if y > 0 else "up"
