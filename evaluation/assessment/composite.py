"""From figures to points, from points to sections and one score."""

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
    sections = {
        section: _mean([each for each in rated if each.indicator.section is section], scheme)
        for section in Section
    }
    return Assessment(of.site, size, rated, sections, _score(rated, sections, scheme))


def _rate(indicator: Indicator, found: Figure, size: str) -> Rated:
    goal = indicator.goals[size]
    return Rated(indicator, found, _points(found, goal))


def _points(found: Figure, goal: Goal) -> Figure:
    if found.value is None or found.low is None or found.high is None:
        return found
    bounds = sorted(goal.points(each) for each in (found.low, found.value, found.high))
    return Figure(goal.points(found.value), bounds[0], bounds[2], found.grade, found.reason)


def _score(rated: Sequence[Rated], sections: Mapping[Section, Figure], scheme: Scheme) -> Figure:
    """Return the weighted mean of what is rated; every section has to be."""
    missing = next((each for each in sections.values() if each.value is None), None)
    if missing is not None:
        return not_rated(missing.reason or Reason.TOO_FEW_RATED)
    return _mean(rated, scheme)


def _mean(rated: Sequence[Rated], scheme: Scheme) -> Figure:
    """Return the weighted mean of the rated ones, whose errors are independent of each other."""
    whole = sum(each.indicator.weight for each in rated)
    there = [each for each in rated if each.points.value is not None]
    weight = sum(each.indicator.weight for each in there)
    if not there or weight < scheme.rated_weight_from * whole:
        reasons = [each.points.reason for each in rated if each.points.reason]
        return not_rated(reasons[0] if len(rated) == len(reasons) and not there
                         else Reason.TOO_FEW_RATED)  # fmt: skip
    value = below = above = 0.0
    for each in there:
        share = each.indicator.weight / weight
        middle = each.points.value or 0.0
        value += share * middle
        below += (share * (middle - (each.points.low or 0.0))) ** 2
        above += (share * ((each.points.high or 0.0) - middle)) ** 2
    grade = worst(*(each.points.grade for each in there))
    reason = next((each.points.reason for each in there if each.points.reason), None)
    if len(there) < len(rated):
        grade, reason = worst(grade, Grade.ESTIMATED), Reason.PART_MISSING
    value = min(100.0, value)
    low, high = max(0.0, value - sqrt(below)), min(100.0, value + sqrt(above))
    return Figure(value, min(low, value), max(high, value), grade, reason)
