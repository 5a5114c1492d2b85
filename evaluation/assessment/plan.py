"""Which activities of a month were planned, where a scheme closes the plan.

Without such a setting everything in the register is planned, and whoever enters only what was
held has held all of it. With it the plan is what the register said at the moment of closing: what
came later is not part of it, and what was moved to another month since then still is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.assessment.opening import SLOT_MS, Month
from evaluation.assessment.registers import Activity, Stay
from evaluation.assessment.scheme import Scheme
from evaluation.assessment.site import SiteMonth


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a month. late: ids of what is in the register and was not in the plan.

    moved: ids of what was in the plan and is in another month now.
    """

    planned: tuple[Activity, ...]
    late: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many were planned."""
        return len(self.planned) + len(self.moved)

    @property
    def held(self) -> int:
        """How many of them were held."""
        return sum(each.is_held for each in self.planned)


def plan_of(of: SiteMonth, scheme: Scheme) -> Plan:
    """Return the plan of a centre's month."""
    activities, at_ms = of.registers.activities or (), closes_ms(of.month, scheme)
    if at_ms is None:
        return Plan(tuple(activities))
    return Plan(
        tuple(each for each in activities if stood(each.stays, at_ms)),
        tuple(each.id for each in activities if not stood(each.stays, at_ms)),
        tuple(each.id for each in of.registers.moved if stood(each.stays, at_ms)),
    )


def closes_ms(month: Month, scheme: Scheme) -> int | None:
    """Return when the plan of a month closes, on the clock of its centre; None: never."""
    days = scheme.plan_closes_days
    if days is None:
        return None
    return month.t0_ms + SLOT_MS * int(np.flatnonzero(month.day == days)[0])


def stood(stays: Sequence[Stay], at_ms: int) -> bool:
    """Whether an activity was in the month at a moment. Without stays it always was."""
    before = [stay.is_here for stay in stays if stay.since_ms < at_ms]
    return before[-1] if before else not stays
