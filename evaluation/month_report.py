"""A month of a tenant as it is reported: every centre's figures, points, place and flags.

It is plain data, so that a closed month can be kept as it was and shown again for ever: dicts,
lists, numbers and texts, in canonical JSON. `made_of` holds hashes of what decides it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evaluation.assessment.composite import Assessment, assess
from evaluation.assessment.flags import Flag, flags
from evaluation.assessment.ranking import Rank, ranks
from evaluation.assessment.scheme import Indicator, Scheme
from evaluation.assessment.site import SiteMonth
from evaluation.assessment.words import Figure

VERSION = "1.0"
DIGITS = 6
Report = dict[str, Any]


def report(
    tenant: str, months: Sequence[SiteMonth], scheme: Scheme, names: Mapping[str, tuple[str, str]]
) -> Report:
    """Return the report of a month. names: name and area by site. Raises ValueError without one."""
    if not months:
        raise ValueError("a report needs a site")
    assessments = [assess(month, scheme) for month in months]
    places = ranks(assessments, scheme.fewest_to_rank)
    return {
        "v": VERSION,
        "tenant": tenant,
        "month": months[0].month.name,
        "scheme": _scheme(scheme),
        "sites": [
            _site(month, each, places.get(month.site), flags(month, scheme), names[month.site])
            for month, each in zip(months, assessments, strict=True)
        ],
    }


def best_first(site: Report) -> tuple[bool, float, str]:
    """Return what sorts a report's sites by score, without one last; places are spans.

    By the best place of the span a centre of which little is known would stand far too high.
    """
    score = site["score"]["value"]
    return score is None, -(score or 0.0), site["site"]


def as_text(of: Report) -> str:
    """Return a report as canonical JSON."""
    return json.dumps(of, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def digest(text: str) -> str:
    """Return the SHA-256 of a report's text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _scheme(scheme: Scheme) -> Report:
    return {
        "name": scheme.name,
        "version": scheme.version,
        "size_classes": [
            {"id": each.id, "zh": each.name.zh, "en": each.name.en, "below": each.below}
            for each in scheme.size_classes
        ],
        "indicators": [_indicator(each) for each in scheme.indicators],
        "reliable_from": scheme.reliable_from,
        "estimated_from": scheme.estimated_from,
        "fewest_to_rank": scheme.fewest_to_rank,
    } | ({} if scheme.plan_closes_days is None else {"plan_closes_days": scheme.plan_closes_days})


def _indicator(indicator: Indicator) -> Report:
    goals = {size: [goal.floor, goal.target] for size, goal in indicator.goals.items()}
    return {
        "id": indicator.id, "kind": indicator.kind.value, "section": indicator.section.value,
        "zh": indicator.name.zh, "en": indicator.name.en, "weight": indicator.weight,
        "goals": goals, "settings": dict(indicator.settings), "source": indicator.source,
    }  # fmt: skip


def _site(
    month: SiteMonth,
    assessment: Assessment,
    place: Rank | None,
    found: Sequence[Flag],
    names: tuple[str, str],
) -> Report:
    return {
        "site": month.site,
        "name": names[0],
        "area": names[1],
        "residents": month.residents,
        "size_class": assessment.size_class,
        "open_days": month.open_days,
        "open_slots": int(month.is_open.sum()),
        "score": _figure(assessment.score),
        "rank": None if place is None else [place.best, place.worst, place.of],
        "sections": {name.value: _figure(fig) for name, fig in assessment.sections.items()},
        "indicators": {
            each.indicator.id: {"figure": _figure(each.figure), "points": _figure(each.points)}
            for each in assessment.rated
        },
        "flags": [_flag(each) for each in found],
        "records_missing": month.records_missing,
        "pattern": _pattern(month),
    }


def _figure(figure: Figure) -> Report:
    return {
        "value": _number(figure.value), "low": _number(figure.low), "high": _number(figure.high),
        "grade": figure.grade.value, "reason": figure.reason and figure.reason.value,
        "parts": {name: _number(value) for name, value in figure.parts.items()},
    }  # fmt: skip


def _number(value: float | None) -> float | None:
    return None if value is None else round(float(value), DIGITS)


def _flag(flag: Flag) -> Report:
    return {
        "code": flag.code, "day": flag.day, "source": flag.source, "zh": flag.zh, "en": flag.en,
    }  # fmt: skip


def _pattern(month: SiteMonth) -> Report:
    """Return visits by weekday and hour, and by day with coverage: what one looks at first.

    hours: mean visits of a covered hour, 7 lists of 24, null where nothing was covered.
    days: visits seen in the opening hours, null on a day that was not looked at at all.
    """
    of = month.month
    entered = np.sum([door.entered for door in month.doors.values()], axis=0)
    cov = np.min([door.cov for door in month.doors.values()], axis=0) if month.doors else None
    if cov is None:
        return {"hours": None, "days": [None] * of.days, "coverage": [None] * of.days}
    key = of.weekday * 24 + of.minute // 60
    time = np.bincount(key, cov, minlength=168)
    people = np.bincount(key, np.where(cov > 0, entered, 0), minlength=168)
    hours = [round(4 * float(people[n] / time[n]), 2) if time[n] >= 1 else None for n in range(168)]
    slots = np.bincount(of.day, month.is_open, minlength=of.days)
    seen = np.bincount(of.day, np.where(month.is_open, cov, 0), minlength=of.days)
    visits = np.bincount(of.day, np.where(month.is_open, entered, 0), minlength=of.days)
    return {
        "hours": [hours[24 * day : 24 * day + 24] for day in range(7)],
        "days": [int(v) if s > 0 else None for v, s in zip(visits, seen, strict=True)],
        "coverage": [
            round(float(s / n), 4) if n else None for s, n in zip(seen, slots, strict=True)
        ],
    }
