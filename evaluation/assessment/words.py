"""The small vocabulary of the assessment."""

from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite


class Grade(StrEnum):
    """How far a figure can be relied on; from best to worst."""

    RELIABLE = "reliable"
    ESTIMATED = "estimated"
    NOT_RATED = "not_rated"


_ORDER = (Grade.RELIABLE, Grade.ESTIMATED, Grade.NOT_RATED)
GRADE_WORDS = {
    Grade.RELIABLE: ("可靠", "reliable"),
    Grade.ESTIMATED: ("估算", "estimated"),
    Grade.NOT_RATED: ("不予评定", "not rated"),
}


def worst(*grades: Grade) -> Grade:
    """Return the worst of some grades; RELIABLE of none."""
    return max(grades, key=_ORDER.index, default=Grade.RELIABLE)


class Reason(StrEnum):
    """Why a figure is not rated, or only estimated."""

    COVERAGE = "coverage"
    NO_DEVICE = "no_device"
    NO_ZONE = "no_zone"
    CLOSED = "closed"
    NO_REGISTER = "no_register"
    NOTHING_PLANNED = "nothing_planned"
    PLAN_LATE = "plan_late"
    NOTHING_HELD = "nothing_held"
    NOTHING_DUE = "nothing_due"
    NO_RATINGS = "no_ratings"
    NO_RESIDENTS = "no_residents"
    PART_MISSING = "part_missing"
    TOO_FEW_RATED = "too_few_rated"


REASON_WORDS = {
    Reason.COVERAGE: ("开放时段没有全部看到", "not all of the opening time was looked at"),
    Reason.NO_DEVICE: ("没有登记设备", "no device is registered"),
    Reason.NO_ZONE: ("没有登记这类区域", "no zone of this kind is registered"),
    Reason.CLOSED: ("本月没有开放", "closed all month"),
    Reason.NO_REGISTER: ("没有收到台账", "no register was received"),
    Reason.NOTHING_PLANNED: ("没有计划的活动", "nothing was planned"),
    Reason.PLAN_LATE: ("活动都是计划截止后才登记的", "all was entered after the plan had closed"),
    Reason.NOTHING_HELD: ("没有举办活动", "nothing was held"),
    Reason.NOTHING_DUE: ("没有到期的事项，也没有排队", "nothing was due, and nobody queued"),
    Reason.NO_RATINGS: ("没有评价", "there are no ratings"),
    Reason.NO_RESIDENTS: ("没有登记常住人口", "the resident population is not registered"),
    Reason.PART_MISSING: ("只有一部分数据", "a part of the data is missing"),
    Reason.TOO_FEW_RATED: ("可评指标太少", "too few indicators are rated"),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with the range in which the true one lies, and how far it can be relied on.

    value, low, high: None together, exactly when the grade is NOT_RATED.
    parts: the numbers it was made of, by name, for whoever asks where it comes from.
    """

    value: float | None
    low: float | None
    high: float | None
    grade: Grade
    reason: Reason | None = None
    parts: dict[str, float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check what every figure promises. Raises ValueError."""
        bounds = (self.low, self.value, self.high)
        if self.grade is Grade.NOT_RATED:
            if any(bound is not None for bound in bounds):
                raise ValueError(f"a figure that is not rated has no value: {bounds}")
            return
        low, value, high = (float("nan") if bound is None else bound for bound in bounds)
        if not (isfinite(low) and isfinite(high) and low <= value <= high):
            raise ValueError(f"low <= value <= high does not hold: {bounds}")


@dataclass(frozen=True, slots=True)
class Flag:
    """Something odd. day: of the month from 0; None: the whole month. zh, en: one sentence."""

    code: str
    zh: str
    en: str
    day: int | None = None
    source: str | None = None


def not_rated(reason: Reason, **parts: float | None) -> Figure:
    """Return the figure of what nobody could take."""
    return Figure(None, None, None, Grade.NOT_RATED, reason, parts)
