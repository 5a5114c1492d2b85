"""Lines worth trying: the neighbours of one, and what lies across the ways people walk. Pure.

Where their ends have to be is read off what is walked there. Points are in picture-heights.
"""

from collections.abc import Iterator
from itertools import product
from math import cos, hypot, radians, sin

import numpy as np

from edge.foot_paths import Floats
from edge.line_meetings import path_of
from edge.vocabulary import Line, Point
from edge.walkers import Crowd

SHIFTS_HEIGHTS = (0.0, -0.5, 0.5, -1.0, 1.0, -1.5, 1.5, -2.5, 2.5)
TURNS_DEG = (0, -20, 20, -40, 40, -60, 60, 90)
_STEPS = sorted(product(TURNS_DEG, SHIFTS_HEIGHTS), key=lambda s: abs(s[0]) / 20 + 2 * abs(s[1]))
"""The least change first."""
HEADINGS_DEG = tuple(range(0, 180, 20))
QUANTILES = (0.2, 0.35, 0.5, 0.65, 0.8)
_REACH_HEIGHTS = 2.0
_MARGIN_HEIGHTS = 0.5
_BORDER = 0.01
DIGITS = 3
"""Of a share, as it is written into the config."""


def neighbours(line: Line, crowd: Crowd) -> Iterator[tuple[Point, Point]]:
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
        found = _spanned(crowd, centre, turned, (-length / 2, length / 2), keeps=not turn)
        if found is not None:
            yield found


def _height_near(crowd: Crowd, middle: Floats, length: float) -> float:
    """How tall people are around a place; of everybody if nobody was there."""
    walking = crowd.walks[crowd.paths.owner]
    near = walking & (np.hypot(*(crowd.point - middle).T) < length / 2 + crowd.height)
    return float(np.median(crowd.height[near if near.any() else walking]))


def across_ways(crowd: Crowd) -> Iterator[tuple[Point, Point]]:
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
    crowd: Crowd,
    centre: Floats,
    way: Floats,
    ends: tuple[float, float] | None,
    *,
    keeps: bool = False,
) -> tuple[Point, Point] | None:
    """Return the part of a straight line that people walk over, in the picture.

    ends: along `way` from `centre`; what is walked within reach of them is spanned too.
    None: everything that is walked there. keeps: no shorter than that.
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
    if ends is not None and keeps:
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
    return round(float(point[0]) / aspect, DIGITS) * aspect, round(float(point[1]), DIGITS)


def _turned(way: Floats, degrees: float) -> Floats:
    c, s = cos(radians(degrees)), sin(radians(degrees))
    return np.array([c * way[0] - s * way[1], s * way[0] + c * way[1]])
