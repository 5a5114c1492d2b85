"""The indicators of the flow section: what the devices at the doors and in the rooms saw."""

import numpy as np

from evaluation.assessment.estimate import Counted, Estimate, estimate
from evaluation.assessment.grading import HALF_SEEN, Watched, covered_share, grade_of, per_slot
from evaluation.assessment.observed import Ints, coverage, due_of, worst_cov
from evaluation.assessment.opening import SLOT_MS
from evaluation.assessment.scheme import Scheme, Settings
from evaluation.assessment.site import HALL, QUEUE, ROOM, SiteMonth
from evaluation.assessment.words import Figure, Grade, Reason, not_rated


def visit_rate(of: SiteMonth, _: Settings, scheme: Scheme) -> Figure:
    """Return visits in the opening hours per 1,000 residents and open day."""
    if not of.doors:
        return not_rated(Reason.NO_DEVICE)
    if not of.residents:
        return not_rated(Reason.NO_RESIDENTS)
    # Each door for itself: one that was not seen has a profile of its own.
    covered = coverage(of.is_open, worst_cov(list(of.doors.values())))
    grade, reason = grade_of(of, covered, scheme)
    if covered is None or grade is Grade.NOT_RATED:
        return not_rated(reason or Reason.CLOSED, coverage=covered)
    parts = [
        estimate(
            Counted(door.entered, door.low, door.high, door.cov),
            of.is_open & due_of(door),
            of.month,
        )
        for door in of.doors.values()
    ]
    visits = _sum(parts)
    per = of.residents / 1000 * of.open_days
    made_of: dict[str, float | None] = {
        "visits": visits.value, "seen": visits.seen, "filled": visits.filled,
        "borrowed": visits.borrowed, "residents": of.residents, "open_days": of.open_days,
        "coverage": covered,
    }  # fmt: skip
    low, value, high = (each / per for each in (visits.low, visits.value, visits.high))
    return Figure(value, low, high, grade, reason, made_of)


def active_hours(of: SiteMonth, settings: Settings, scheme: Scheme) -> Figure:
    """Return the share of open slots in which at least `people` were there on average.

    Where no zone tells, the doors do: at least `passages` in and out.
    """
    zones = of.zones_of(HALL, ROOM, QUEUE)
    if zones:
        # Each over its own covered time: a zone that was seen for half does not double the others.
        people = np.sum([per_slot(z.presence_ms, z.cov) for z in zones], axis=0) / SLOT_MS
        hall = Watched(people >= settings["people"], worst_cov(zones), of.is_open)
        return _share_of_slots(of, [hall], scheme)
    if not of.doors:
        return not_rated(Reason.NO_DEVICE)
    doors = list(of.doors.values())
    passages = np.sum([per_slot(door.entered + door.left, door.cov) for door in doors], axis=0)
    active = Watched(passages >= settings["passages"], worst_cov(doors), of.is_open)
    return _share_of_slots(of, [active], scheme)


def space_use(of: SiteMonth, settings: Settings, scheme: Scheme) -> Figure:
    """Return the share of open slots of activity zones in which the zone was used."""
    zones = of.zones_of(ROOM)
    if not zones:
        return not_rated(Reason.NO_ZONE)
    least_ms = settings["used_min"] * 60_000
    used = [
        Watched(per_slot(z.used_ms, z.cov) >= least_ms, z.cov, of.is_open & due_of(z))
        for z in zones
    ]
    return _share_of_slots(of, used, scheme)


def _share_of_slots(of: SiteMonth, of_zones: list[Watched], scheme: Scheme) -> Figure:
    """Return the share of open slots in which something holds, over one or several zones."""
    covered = covered_share(of_zones)
    grade, reason = grade_of(of, covered, scheme)
    if covered is None or grade is Grade.NOT_RATED:
        return not_rated(reason or Reason.CLOSED, coverage=covered)
    total, bounds = sum(int(each.is_open.sum()) for each in of_zones), []
    for each in of_zones:
        is_seen = each.cov >= HALF_SEEN
        count: Ints = (each.holds & is_seen).astype(np.int64)
        counted = Counted(count, count, count, is_seen.astype(np.float64))
        est = estimate(counted, each.is_open, of.month)
        # An unseen slot can hold once at most.
        unseen = int((each.is_open & ~is_seen).sum())
        bounds.append([min(n, est.seen + unseen) for n in (est.low, est.value, est.high)])
    low, value, high = (sum(of_each) / total for of_each in zip(*bounds, strict=True))
    parts: dict[str, float | None] = {
        "slots": total, "held_in": value * total, "coverage": covered,
    }  # fmt: skip
    return Figure(value, low, high, grade, reason, parts)


def _sum(parts: list[Estimate]) -> Estimate:
    """Return the sum; the ranges of several doors add up, for the same crowd passes them."""
    return Estimate(
        sum(each.value for each in parts),
        sum(each.low for each in parts),
        sum(each.high for each in parts),
        sum(each.seen for each in parts),
        sum(each.filled for each in parts),
        sum(each.borrowed for each in parts),
    )
