"""The eight indicators, each a function of a centre's month and the limits of the scheme.

| kind | value | unit |
|---|---|---|
| visit_rate | visits in the opening hours per 1,000 residents and open day | visits |
| active_hours | open slots in which at least `people` were there | share |
| space_use | open slots of activity zones in which the zone was used for `used_min` | share |
| implementation | activities held of those planned | share |
| attendance | people at held activities of those expected, each activity at most full | share |
| coverage_of_audiences | audiences of the scheme that some held activity was for | share |
| praise_rate | ratings of level 4 and 5; under `few` ratings the lower Wilson bound | share |
| timeliness | mean of: slots whose mean wait was within `wait_min`; cases done in time | share |

What was seen for less than `estimated_from` of the opening time is not rated.
"""

from collections.abc import Callable, Mapping

import numpy as np

from evaluation.assessment.estimate import Counted, Estimate, estimate
from evaluation.assessment.observed import Bools, Floats, Ints, coverage, joined
from evaluation.assessment.opening import SLOT_MS
from evaluation.assessment.registers import Activity
from evaluation.assessment.scheme import Indicator, Kind, Scheme
from evaluation.assessment.site import HALL, QUEUE, ROOM, SiteMonth
from evaluation.assessment.wilson import wilson
from evaluation.assessment.words import Figure, Grade, Reason, not_rated, worst

HALF_SEEN = 0.5
"""A slot seen for less says nothing of whether it was active or used."""
HALF_KNOWN = 0.5
"""Share of the held activities whose attendance has to be known."""

Settings = Mapping[str, float]


def figure(of: SiteMonth, indicator: Indicator, scheme: Scheme) -> Figure:
    """Return what an indicator of a scheme says of a centre's month."""
    return _FUNCTIONS[indicator.kind](of, indicator.settings, scheme)


def visit_rate(of: SiteMonth, _: Settings, scheme: Scheme) -> Figure:
    """Return visits in the opening hours per 1,000 residents and open day."""
    if not of.doors:
        return not_rated(Reason.NO_DEVICE)
    if not of.residents:
        return not_rated(Reason.NO_RESIDENTS)
    # Each door for itself: one that was not seen has a profile of its own.
    covered = coverage(of.is_open, joined(list(of.doors.values())).cov)
    grade, reason = _grade(of, covered, scheme)
    if covered is None or grade is Grade.NOT_RATED:
        return not_rated(reason or Reason.CLOSED, coverage=covered)
    parts = [
        estimate(Counted(door.entered, door.low, door.high, door.cov), of.is_open, of.month)
        for door in of.doors.values()
    ]
    visits = _sum(parts)
    per = of.residents / 1000 * of.open_days
    made_of: dict[str, float | None] = {
        "visits": visits.value, "seen": visits.seen, "filled": visits.filled,
        "residents": of.residents, "open_days": of.open_days, "coverage": covered,
    }  # fmt: skip
    low, value, high = (each / per for each in (visits.low, visits.value, visits.high))
    return Figure(value, low, high, grade, reason, made_of)


def active_hours(of: SiteMonth, settings: Settings, scheme: Scheme) -> Figure:
    """Return the share of open slots in which at least `people` were there on average.

    Where no zone tells, the doors do: at least `passages` in and out.
    """
    zones = of.zones_of(HALL, ROOM, QUEUE)
    if zones:
        cov = np.min([zone.cov for zone in zones], axis=0)
        seen_ms = np.maximum(cov, HALF_SEEN) * SLOT_MS
        people = np.sum([zone.presence_ms for zone in zones], axis=0) / seen_ms
        return _share_of_slots(of, [(people >= settings["people"], cov)], scheme)
    if not of.doors:
        return not_rated(Reason.NO_DEVICE)
    door = joined(list(of.doors.values()))
    passages = (door.entered + door.left) / np.maximum(door.cov, HALF_SEEN)
    return _share_of_slots(of, [(passages >= settings["passages"], door.cov)], scheme)


def space_use(of: SiteMonth, settings: Settings, scheme: Scheme) -> Figure:
    """Return the share of open slots of activity zones in which the zone was used."""
    zones = of.zones_of(ROOM)
    if not zones:
        return not_rated(Reason.NO_ZONE)
    least_ms = settings["used_min"] * 60_000
    used = [(z.used_ms / np.maximum(z.cov, HALF_SEEN) >= least_ms, z.cov) for z in zones]
    return _share_of_slots(of, used, scheme)


def implementation(of: SiteMonth, _: Settings, __: Scheme) -> Figure:
    """Return the share of the planned activities that were held."""
    activities = of.registers.activities
    if activities is None:
        return not_rated(Reason.NO_REGISTER)
    if not activities:
        return not_rated(Reason.NOTHING_PLANNED)
    held = sum(each.is_held for each in activities)
    return _exact(held / len(activities), held=held, planned=len(activities))


def attendance(of: SiteMonth, _: Settings, __: Scheme) -> Figure:
    """Return the share of the expected people who came to the activities that were held.

    What a zone saw goes before what the register says: nobody has to type it.
    """
    if of.registers.activities is None:
        return not_rated(Reason.NO_REGISTER)
    held = [each for each in of.registers.activities if each.is_held and each.expected]
    if not held:
        return not_rated(Reason.NOTHING_PLANNED)
    known = [(each, people) for each in held if (people := came(each)) is not None]
    if len(known) < HALF_KNOWN * len(held):
        return not_rated(Reason.PART_MISSING, known=len(known), held=len(held))
    expected = sum(each.expected or 0 for each, _ in known)
    there = sum(min(people, each.expected or 0) for each, people in known)
    parts: dict[str, float | None] = {
        "came": there, "expected": expected, "known": len(known), "held": len(held),
    }  # fmt: skip
    share = there / expected
    if len(known) < len(held):
        return Figure(share, share, share, Grade.ESTIMATED, Reason.PART_MISSING, parts)
    return _exact(share, **parts)


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
    return _exact(share, reached=len(reached), audiences=len(scheme.audiences))


def praise_rate(of: SiteMonth, settings: Settings, _: Scheme) -> Figure:
    """Return the share of ratings of level 4 and 5; of few ratings the lower Wilson bound."""
    ratings = of.registers.ratings
    if ratings is None:
        return not_rated(Reason.NO_REGISTER)
    if not ratings.total:
        return not_rated(Reason.NO_RATINGS)
    praise = ratings.levels[3] + ratings.levels[4]
    low, high = wilson(praise, ratings.total)
    parts: dict[str, float | None] = {"praise": praise, "ratings": ratings.total}
    if ratings.total < settings["few"]:
        return Figure(low, low, high, Grade.ESTIMATED, Reason.PART_MISSING, parts)
    return Figure(praise / ratings.total, low, high, Grade.RELIABLE, None, parts)


def timeliness(of: SiteMonth, settings: Settings, scheme: Scheme) -> Figure:
    """Return the mean of the share of slots with a short wait and of cases done in time."""
    queue, done = _waits(of, settings, scheme), _cases(of)
    rated = [part for part in (queue, done) if part is not None and part.value is not None]
    if not rated:
        return not_rated((queue or done).reason or Reason.NO_REGISTER)
    parts: dict[str, float | None] = {**(queue.parts if queue else {}), **done.parts}
    low, value, high = (
        sum(bounds) / len(rated)
        for bounds in zip(*((p.low or 0, p.value or 0, p.high or 0) for p in rated), strict=True)
    )
    grade = worst(*(part.grade for part in rated))
    reason = next((part.reason for part in rated if part.reason), None)
    expected_parts = 1 if queue is None else 2
    if len(rated) < expected_parts:
        grade, reason = worst(grade, Grade.ESTIMATED), Reason.PART_MISSING
    return Figure(value, low, high, grade, reason, parts)


def _waits(of: SiteMonth, settings: Settings, scheme: Scheme) -> Figure | None:
    """Return the share of slots with a short wait; None where there is no queue zone.

    Only slots with a mean wait: under five visits there is none, and no queue to speak of.
    """
    zones = of.zones_of(QUEUE)
    if not zones:
        return None
    covered = coverage(of.is_open, np.mean([zone.cov for zone in zones], axis=0))
    grade, reason = _grade(of, covered, scheme)
    told = [zone.wait_ms[of.is_open & (zone.wait_ms >= 0)] for zone in zones]
    waits = np.concatenate(told)
    if grade is Grade.NOT_RATED or not waits.size:
        return not_rated(reason or Reason.PART_MISSING, queue_coverage=covered)
    short = int((waits <= settings["wait_min"] * 60_000).sum())
    share = short / waits.size
    parts: dict[str, float | None] = {"short_waits": short, "waits": int(waits.size)}
    return Figure(share, share, share, grade, reason, parts)


def _cases(of: SiteMonth) -> Figure:
    cases = of.registers.cases
    if cases is None or not cases.due:
        return not_rated(Reason.NO_REGISTER)
    return _exact(cases.in_time / cases.due, in_time=cases.in_time, due=cases.due)


def _share_of_slots(of: SiteMonth, of_zones: list[tuple[Bools, Floats]], scheme: Scheme) -> Figure:
    """Return the share of open slots in which something holds, over one or several zones.

    of_zones: whether it holds and how far the slot was seen, arrays of the month's slots.
    """
    covered = coverage(of.is_open, np.mean([cov for _, cov in of_zones], axis=0))
    grade, reason = _grade(of, covered, scheme)
    if covered is None or grade is Grade.NOT_RATED:
        return not_rated(reason or Reason.CLOSED, coverage=covered)
    total, bounds = int(of.is_open.sum()) * len(of_zones), []
    for holds, cov in of_zones:
        is_seen = cov >= HALF_SEEN
        count: Ints = (holds & is_seen).astype(np.int64)
        counted = Counted(count, count, count, is_seen.astype(np.float64))
        est = estimate(counted, of.is_open, of.month)
        # An unseen slot can hold once at most.
        unseen = int((of.is_open & ~is_seen).sum())
        bounds.append([min(each, est.seen + unseen) for each in (est.low, est.value, est.high)])
    low, value, high = (sum(each) / total for each in zip(*bounds, strict=True))
    parts: dict[str, float | None] = {
        "slots": total, "held_in": value * total, "coverage": covered,
    }  # fmt: skip
    return Figure(value, low, high, grade, reason, parts)


def _grade(of: SiteMonth, covered: float | None, scheme: Scheme) -> tuple[Grade, Reason | None]:
    if covered is None:
        return Grade.NOT_RATED, Reason.CLOSED
    if covered < scheme.estimated_from:
        return Grade.NOT_RATED, Reason.COVERAGE
    if covered < scheme.reliable_from:
        return Grade.ESTIMATED, Reason.COVERAGE
    if of.records_missing:
        return Grade.ESTIMATED, Reason.PART_MISSING
    return Grade.RELIABLE, None


def _sum(parts: list[Estimate]) -> Estimate:
    """Return the sum; the ranges of several doors add up, for the same crowd passes them."""
    return Estimate(
        sum(each.value for each in parts),
        sum(each.low for each in parts),
        sum(each.high for each in parts),
        sum(each.seen for each in parts),
        sum(each.filled for each in parts),
    )


def _exact(value: float, **parts: float | None) -> Figure:
    return Figure(value, value, value, Grade.RELIABLE, None, parts)


_FUNCTIONS: Mapping[Kind, Callable[[SiteMonth, Settings, Scheme], Figure]] = {
    Kind.VISIT_RATE: visit_rate,
    Kind.ACTIVE_HOURS: active_hours,
    Kind.SPACE_USE: space_use,
    Kind.IMPLEMENTATION: implementation,
    Kind.ATTENDANCE: attendance,
    Kind.COVERAGE_OF_AUDIENCES: coverage_of_audiences,
    Kind.PRAISE_RATE: praise_rate,
    Kind.TIMELINESS: timeliness,
}
