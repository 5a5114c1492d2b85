"""The indicators of the service section: ratings, waits, and cases done in time."""

import numpy as np

from evaluation.assessment.grading import Watched, covered_share, exact, grade_of, with_unknown
from evaluation.assessment.observed import due_of
from evaluation.assessment.scheme import Scheme, Settings
from evaluation.assessment.site import QUEUE, SiteMonth
from evaluation.assessment.wilson import wilson
from evaluation.assessment.words import Figure, Grade, Reason, not_rated, worst

FEWEST_VISITS = 5
"""A mean of fewer is none, see docs/adr/0007."""


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
    """Return the mean of the share of slots with a short wait and of cases done in time.

    Where there is no queue zone, or nobody queued, cases alone; where none was due, waits alone.
    """
    halves = [half for half in (_waits(of, settings, scheme), _cases(of)) if half is not None]
    if not halves:
        return not_rated(Reason.NOTHING_DUE)
    rated = [half for half in halves if half.value is not None]
    if not rated:
        return not_rated(halves[0].reason or Reason.NO_REGISTER)
    parts: dict[str, float | None] = {}
    for half in halves:
        parts |= half.parts
    low, value, high = (
        sum(bounds) / len(rated)
        for bounds in zip(*((p.low or 0, p.value or 0, p.high or 0) for p in rated), strict=True)
    )
    grade = worst(*(half.grade for half in rated))
    reason = next((half.reason for half in rated if half.reason), None)
    if len(rated) < len(halves):
        grade, reason = worst(grade, Grade.ESTIMATED), Reason.PART_MISSING
        low, high = with_unknown(low, high, len(rated) / len(halves))
    return Figure(value, low, high, grade, reason, parts)


def _waits(of: SiteMonth, settings: Settings, scheme: Scheme) -> Figure | None:
    """Return the share of slots with a short wait; None where nobody queued.

    A slot tells something when the device gave a mean wait, which it does not under five visits
    nor where it would be longer than its interval. The second is a long wait, not a missing one:
    presence over visits, at least five of them, is over the limit (Little's law).
    """
    zones = of.zones_of(QUEUE)
    if not zones:
        return None
    covered = covered_share([Watched(z.wait_ms >= 0, z.cov, of.is_open & due_of(z)) for z in zones])
    grade, reason = grade_of(of, covered, scheme)
    if grade is Grade.NOT_RATED:
        return not_rated(reason or Reason.COVERAGE, queue_coverage=covered)
    limit_ms, short, long = settings["wait_min"] * 60_000, 0, 0
    for zone in zones:
        told = of.is_open & (zone.wait_ms >= 0)
        untold = of.is_open & (zone.wait_ms < 0)
        stuck = zone.presence_ms > limit_ms * np.maximum(zone.arrivals, FEWEST_VISITS)
        short += int((told & (zone.wait_ms <= limit_ms)).sum())
        long += int((told & (zone.wait_ms > limit_ms)).sum() + (untold & stuck).sum())
    if not short + long:
        return None
    parts: dict[str, float | None] = {"short_waits": short, "waits": short + long}
    share = short / (short + long)
    return Figure(share, share, share, grade, reason, parts)


def _cases(of: SiteMonth) -> Figure | None:
    """Return the share of cases done in time; None where none was due."""
    cases = of.registers.cases
    if cases is None:
        return not_rated(Reason.NO_REGISTER)
    if not cases.due:
        return None
    return exact(cases.in_time / cases.due, in_time=cases.in_time, due=cases.due)
