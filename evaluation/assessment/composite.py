"""From figures to points, from points to sections and one score.

A section is the weighted mean of its rated indicators, the score that of the sections, each with
the weight of all its indicators: one that is not rated shifts no weight to another section.
Inside a section errors add up, because one camera and one register are behind them; those of
sections are taken as independent of each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from evaluation.assessment.indicators import figure
from evaluation.assessment.scheme import Goal, Indicator, Scheme, Section
from evaluation.assessment.site import SiteMonth
from evaluation.assessment.words import Figure, Grade, Reason, not_rated, worst


@dataclass(frozen=True, slots=True)
class Rated:
    """An indicator of a centre: its figure, and the points it is worth (0..100)."""

    indicator: Indicator
    figure: Figure
    points: Figure


@dataclass(frozen=True, slots=True)
class Assessment:
    """A centre's month. sections, score: points 0..100."""

    site: str
    size_class: str | None
    rated: tuple[Rated, ...]
    sections: Mapping[Section, Figure]
    score: Figure


def assess(of: SiteMonth, scheme: Scheme) -> Assessment:
    """Return the assessment of a centre's month by a scheme."""
    if not of.residents:
        figures = [(each, figure(of, each, scheme)) for each in scheme.indicators]
        rated = tuple(Rated(each, fig, not_rated(Reason.NO_RESIDENTS)) for each, fig in figures)
        none = not_rated(Reason.NO_RESIDENTS)
        return Assessment(of.site, None, rated, dict.fromkeys(Section, none), none)
    size = scheme.size_class(of.residents).id
    rated = tuple(_rate(each, figure(of, each, scheme), size) for each in scheme.indicators)
    sections, score = composed(rated, scheme)
    return Assessment(of.site, size, rated, sections, score)


def composed(rated: Sequence[Rated], scheme: Scheme) -> tuple[Mapping[Section, Figure], Figure]:
    """Return the points of the sections and the score, from those of the indicators."""
    sections = {
        section: _section([each for each in rated if each.indicator.section is section], scheme)
        for section in Section
    }
    return sections, _score(sections, scheme)


def _rate(indicator: Indicator, found: Figure, size: str) -> Rated:
    goal = indicator.goals[size]
    return Rated(indicator, found, _points(found, goal))


def _points(found: Figure, goal: Goal) -> Figure:
    if found.value is None or found.low is None or found.high is None:
        return found
    bounds = sorted(goal.points(each) for each in (found.low, found.value, found.high))
    return Figure(goal.points(found.value), bounds[0], bounds[2], found.grade, found.reason)


def _section(rated: Sequence[Rated], scheme: Scheme) -> Figure:
    """Return the weighted mean of what is rated, which has to be enough of the weight."""
    whole = sum(each.indicator.weight for each in rated)
    there = [each for each in rated if each.points.value is not None]
    weight = sum(each.indicator.weight for each in there)
    if not there:
        reasons = [each.points.reason for each in rated if each.points.reason]
        return not_rated(reasons[0] if reasons else Reason.TOO_FEW_RATED)
    if weight < scheme.rated_weight_from * whole:
        return not_rated(Reason.TOO_FEW_RATED)
    low, value, high = (
        sum(each.indicator.weight * (bound or 0.0) for each, bound in bounds) / weight
        for bounds in (
            [(each, each.points.low) for each in there],
            [(each, each.points.value) for each in there],
            [(each, each.points.high) for each in there],
        )
    )
    grade, reason = _grade([each.points for each in there])
    if len(there) < len(rated):
        grade, reason = worst(grade, Grade.ESTIMATED), Reason.PART_MISSING
    return _points_of(value, value - low, high - value, grade, reason)


def _score(sections: Mapping[Section, Figure], scheme: Scheme) -> Figure:
    """Return the weighted mean of the sections; every one has to be rated."""
    missing = next((each for each in sections.values() if each.value is None), None)
    if missing is not None:
        return not_rated(missing.reason or Reason.TOO_FEW_RATED)
    weights = {
        section: sum(each.weight for each in scheme.indicators if each.section is section)
        for section in sections
    }
    value = below = above = 0.0
    for section, points in sections.items():
        share, middle = weights[section] / sum(weights.values()), points.value or 0.0
        value += share * middle
        below += (share * (middle - (points.low or 0.0))) ** 2
        above += (share * ((points.high or 0.0) - middle)) ** 2
    grade, reason = _grade(list(sections.values()))
    return _points_of(value, sqrt(below), sqrt(above), grade, reason)


def _grade(of: Sequence[Figure]) -> tuple[Grade, Reason | None]:
    reason = next((each.reason for each in of if each.reason), None)
    return worst(*(each.grade for each in of)), reason


def _points_of(
    value: float, below: float, above: float, grade: Grade, reason: Reason | None
) -> Figure:
    """Return points; rounding must not carry them out of 0..100, nor out of their own range."""
    value = min(100.0, max(0.0, value))
    low, high = max(0.0, value - max(0.0, below)), min(100.0, value + max(0.0, above))
    return Figure(value, low, high, grade, reason)
