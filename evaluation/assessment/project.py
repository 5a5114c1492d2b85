"""The indicators of the project section: what the register of activities says."""

from evaluation.assessment.grading import exact, with_unknown
from evaluation.assessment.plan import plan_of
from evaluation.assessment.registers import Activity
from evaluation.assessment.scheme import Scheme, Settings
from evaluation.assessment.site import SiteMonth
from evaluation.assessment.words import Figure, Grade, Reason, not_rated

HALF_KNOWN = 0.5
"""Share of the held activities whose attendance has to be known."""


def implementation(of: SiteMonth, _: Settings, scheme: Scheme) -> Figure:
    """Return the share of the planned activities that were held, see `plan`."""
    if of.registers.activities is None:
        return not_rated(Reason.NO_REGISTER)
    plan = plan_of(of, scheme)
    late = {"late": len(plan.late)} if plan.late else {}
    if not plan.size:
        return not_rated(Reason.PLAN_LATE if plan.late else Reason.NOTHING_PLANNED, **late)
    return exact(plan.held / plan.size, held=plan.held, planned=plan.size, **late)


def attendance(of: SiteMonth, _: Settings, __: Scheme) -> Figure:
    """Return the share of the expected people who came to the activities that were held.

    What a zone saw goes before what the register says: nobody has to type it. One without an
    expected number is one of which nothing is known.
    """
    if of.registers.activities is None:
        return not_rated(Reason.NO_REGISTER)
    if not of.registers.activities:
        return not_rated(Reason.NOTHING_PLANNED)
    held = [each for each in of.registers.activities if each.is_held]
    if not held:
        return not_rated(Reason.NOTHING_HELD)
    known = [(e, people) for e in held if e.expected and (people := came(e)) is not None]
    if not known or len(known) < HALF_KNOWN * len(held):
        return not_rated(Reason.PART_MISSING, known=len(known), held=len(held))
    expected = sum(each.expected or 0 for each, _ in known)
    there = sum(min(people, each.expected or 0) for each, people in known)
    parts: dict[str, float | None] = {
        "came": there, "expected": expected, "known": len(known), "held": len(held),
    }  # fmt: skip
    share = there / expected
    if len(known) < len(held):
        # Of an activity without an expected number the mean of the others is expected.
        whole = sum(each.expected or expected / len(known) for each in held)
        low, high = with_unknown(share, share, expected / whole)
        return Figure(share, low, high, Grade.ESTIMATED, Reason.PART_MISSING, parts)
    return exact(share, **parts)


def came(activity: Activity) -> int | None:
    """Return how many people came to an activity; None when nobody knows."""
    return activity.attended if activity.seen is None else activity.seen


def coverage_of_audiences(of: SiteMonth, _: Settings, scheme: Scheme) -> Figure:
    """Return the share of the scheme's audiences that some held activity was for."""
    if of.registers.activities is None:
        return not_rated(Reason.NO_REGISTER)
    if not of.registers.activities:
        return not_rated(Reason.NOTHING_PLANNED)
    reached = {
        audience
        for each in of.registers.activities
        if each.is_held
        for audience in each.audiences
        if audience in scheme.audiences
    }
    share = len(reached) / len(scheme.audiences)
    return exact(share, reached=len(reached), audiences=len(scheme.audiences))
