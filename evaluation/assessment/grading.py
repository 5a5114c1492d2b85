"""How far a figure can be relied on, by how much was looked at and how much is there."""

from dataclasses import dataclass

import numpy as np

from evaluation.assessment.observed import Bools, Floats, Ints, coverage
from evaluation.assessment.scheme import Scheme
from evaluation.assessment.site import SiteMonth
from evaluation.assessment.words import Figure, Grade, Reason

HALF_SEEN = 0.5
"""A slot seen for less says nothing of whether it was active or used."""


@dataclass(frozen=True, slots=True)
class Watched:
    """Whether something holds, how far each slot was seen, and the open slots that count."""

    holds: Bools
    cov: Floats
    is_open: Bools


def per_slot(sums: Ints, cov: Floats) -> Floats:
    """Return what a wholly covered slot would have had."""
    return sums / np.maximum(cov, HALF_SEEN)


def covered_share(of_zones: list[Watched]) -> float | None:
    """Return the share of the open time of all zones that was looked at; None without any."""
    return coverage(
        np.concatenate([each.is_open for each in of_zones]),
        np.concatenate([each.cov for each in of_zones]),
    )


def grade_of(of: SiteMonth, covered: float | None, scheme: Scheme) -> tuple[Grade, Reason | None]:
    """Return what a coverage of the opening time is good for, and why it is not the best."""
    if covered is None:
        return Grade.NOT_RATED, Reason.CLOSED
    if not covered or covered < scheme.estimated_from:
        return Grade.NOT_RATED, Reason.COVERAGE
    if covered < scheme.reliable_from:
        return Grade.ESTIMATED, Reason.COVERAGE
    if of.records_missing:
        return Grade.ESTIMATED, Reason.PART_MISSING
    return Grade.RELIABLE, None


def with_unknown(low: float, high: float, known: float) -> tuple[float, float]:
    """Return the range of a share of which so much is known, and the rest may be none or all."""
    # Rounding must not make a range narrower than it was.
    return min(low, low * known), max(high, high * known + 1 - known)


def exact(value: float, **parts: float | None) -> Figure:
    """Return the figure of what a register says, which is not measured and has no range."""
    return Figure(value, value, value, Grade.RELIABLE, None, parts)
