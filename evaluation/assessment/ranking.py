"""Ranks inside a size class, with ties where the ranges overlap.

A centre is before another only when the lowest it may have is above the highest of the other.
So a rank is a span: the best place it may have and the worst one. Who cannot be told apart
shares places, and nobody is placed by a difference smaller than the measurement.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.assessment.composite import Assessment


@dataclass(frozen=True, slots=True)
class Rank:
    """A place from `best` to `worst` (1 is the first) among `of` centres of the class."""

    best: int
    worst: int
    of: int


def ranks(assessments: Sequence[Assessment], fewest: int) -> dict[str, Rank]:
    """Return the places by centre; those that are not rated or alone in a class have none."""
    classes: dict[str, list[tuple[str, float, float]]] = {}
    for each in assessments:
        low, high = each.score.low, each.score.high
        if each.size_class is not None and low is not None and high is not None:
            classes.setdefault(each.size_class, []).append((each.site, low, high))
    return {
        site: Rank(
            1 + sum(other > high for _, other, _ in group),
            len(group) - sum(other < low for _, _, other in group),
            len(group),
        )
        for group in classes.values()
        if len(group) >= fewest
        for site, low, high in group
    }
