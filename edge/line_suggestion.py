"""A better line: candidates laid over what was walked, the best one if it is better. Pure.

A line is as good as the people it settles on both sides with margin, less those it leaves in
trouble. First the line's own neighbourhood is tried, moved and turned, so that a person finds
it where it was meant; what lies across the ways people walk anywhere else only when that is
much better. Where ends would have to be is read off what is walked there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import hypot

from edge.line_candidates import DIGITS, across_ways, neighbours
from edge.line_findings import DoctorSettings
from edge.line_meetings import Meetings, meet, path_of
from edge.vocabulary import Line, Point
from edge.walkers import Crowd

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

    def gain(self, now: "_Worth") -> int:
        """Return what is shown to be gained, which slanting ways are no part of."""
        return self.counted - self.troubled - (now.counted - now.troubled)


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
    near = _best(neighbours(line, crowd), crowd, now, settings)
    far = _best(across_ways(crowd), crowd, now, settings)
    least = max(_LEAST_GAIN, _LEAST_GAIN_SHARE * crowd.walkers)
    best = _preferred(near, far, now)
    if best is None or best.worth.gain(now) < least or best.worth.counted < now.counted:
        return None
    return _suggestion(line, crowd, best, now, is_near=best is near)


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


def _suggestion(
    line: Line, crowd: Crowd, best: _Candidate, now: _Worth, *, is_near: bool
) -> Suggestion:
    aspect = crowd.paths.aspect
    a, b = best.path
    old = path_of(line, aspect)
    inward = _inward(old[0], old[-1], line.entry)
    new = _inward(a, b, 1)
    agreement = inward[0] * new[0] + inward[1] * new[1]
    entry = new if agreement >= 0 else (-new[0], -new[1])
    points = tuple((round(x / aspect, DIGITS), y) for x, y in best.path)
    return Suggestion(
        (points[0], points[1]),
        _word(entry),
        crowd.walkers,
        best.worth.counted,
        now.counted,
        best.worth.troubled,
        now.troubled,
        keeps_side=is_near and abs(agreement) > _SAME_SIDE_COSINE,
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
