"""A scheme: which indicators there are, what they weigh, and what is little and what is enough.

It is data (`config/schemes/*.yaml`), read by `evaluation.scheme_file`; this is what the
assessment knows of it. A scheme has a name and a version; a month is rated by one of them, and
the report says by which.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Settings = Mapping[str, float]
"""The limits of one indicator, by name."""


class Section(StrEnum):
    """The three sections of the evaluation."""

    FLOW = "flow"
    PROJECT = "project"
    SERVICE = "service"


class Kind(StrEnum):
    """What an indicator computes, see `evaluation.assessment.indicators`."""

    VISIT_RATE = "visit_rate"
    ACTIVE_HOURS = "active_hours"
    SPACE_USE = "space_use"
    IMPLEMENTATION = "implementation"
    ATTENDANCE = "attendance"
    COVERAGE_OF_AUDIENCES = "coverage_of_audiences"
    PRAISE_RATE = "praise_rate"
    TIMELINESS = "timeliness"


@dataclass(frozen=True, slots=True)
class Text:
    """A name in both languages."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Goal:
    """0 points at the floor and below, 100 at the target and above, a straight line between."""

    floor: float
    target: float

    def points(self, value: float) -> float:
        """Return 0..100."""
        share = (value - self.floor) / (self.target - self.floor)
        return 100 * min(1.0, max(0.0, share))


@dataclass(frozen=True, slots=True)
class Indicator:
    """One indicator of a scheme. goals: by size class. settings: limits of its kind."""

    id: str
    kind: Kind
    section: Section
    name: Text
    weight: float
    goals: Mapping[str, Goal]
    settings: Settings = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True, slots=True)
class SizeClass:
    """Centres that may be compared: those with fewer residents than `below` (None: the rest)."""

    id: str
    name: Text
    below: int | None


@dataclass(frozen=True, slots=True)
class Scheme:
    """See the module. Shares are 0..1.

    reliable_from, estimated_from: coverage of the opening time for these grades.
    rated_weight_from: share of the weight that has to be rated for a composite.
    fewest_to_rank: centres of a class under which nobody is ranked.
    plan_closes_days: days after the month began on which its plan closes; None: it never does.
    """

    name: str
    version: str
    size_classes: tuple[SizeClass, ...]
    indicators: tuple[Indicator, ...]
    audiences: tuple[str, ...]
    reliable_from: float = 0.95
    estimated_from: float = 0.70
    rated_weight_from: float = 0.60
    fewest_to_rank: int = 3
    plan_closes_days: int | None = None

    def size_class(self, residents: int) -> SizeClass:
        """Return the class of a centre with so many residents."""
        return next(
            each for each in self.size_classes if each.below is None or residents < each.below
        )
