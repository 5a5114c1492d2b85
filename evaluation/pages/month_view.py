"""The month that a page shows: its state, and which report of it, a revision or the draft."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from evaluation.closing import State
from evaluation.pages.answers import Answer, answers
from evaluation.pages.calendar import MonthState, months_of, zone_of
from evaluation.pages.desk import Desk
from evaluation.pages.drafts import Kept, scores_of
from evaluation.pages.reception import Visit
from evaluation.pages.refusal import Refusal
from evaluation.pages.trend_line import MONTHS, Point

DRAFT = "draft"


@dataclass(frozen=True, slots=True)
class MonthView:
    """See the module. query: what keeps an address at the revision that was asked for."""

    months: list[MonthState]
    month: MonthState
    kept: Kept
    answers: dict[tuple[str, str], list[Answer]]
    zone: Any

    @property
    def query(self) -> str:
        """Return it with its question mark; empty for what is shown by itself."""
        shown = self.kept.revision
        last = self.month.closed[-1].number if self.month.closed else None
        if shown == last:
            return ""
        return f"?revision={DRAFT if shown is None else shown}"

    @property
    def first_day(self) -> date:
        """The first day of the month."""
        return date(int(self.month.name[:4]), int(self.month.name[5:]), 1)

    def values(self) -> dict[str, Any]:
        """Return what the templates show of it."""
        report = self.kept.report
        return {
            "months": self.months, "month": self.month, "month_name": self.month.name,
            "kept": self.kept, "report": report, "scheme": report["scheme"], "query": self.query,
            "zone": self.zone, "is_draft": self.kept.revision is None,
            "sections": ("flow", "project", "service"),
        }  # fmt: skip


def month_view(desk: Desk, visit: Visit) -> MonthView:
    """Return the month of the address. Raises Refusal where there is nothing of it."""
    name = visit.path("month")
    with desk.database.reading() as connection:
        months = months_of(connection, visit.tenant, desk.now_ms())
        zone = zone_of(connection, visit.tenant)
        said = answers(connection, visit.tenant, name)
    month = next((each for each in months if each.name == name), None)
    if month is None:
        raise Refusal(404, f"没有 {name} 的数据", f"There is nothing of {name}")
    kept = _report(desk, visit, month)
    if kept is None:
        raise Refusal(404)
    return MonthView(months, month, kept, dict(said), zone)


def _report(desk: Desk, visit: Visit, month: MonthState) -> Kept | None:
    asked = visit.asked("revision")
    if asked.isdecimal() and len(asked) < 6:
        return next(
            (
                desk.drafts.closed(visit.tenant, each)
                for each in month.closed
                if each.number == int(asked)
            ),
            None,
        )
    if asked == DRAFT or not month.closed:
        if month.state is State.FROZEN:
            desk.keeper.ask(visit.tenant, month.name)
        return desk.drafts.draft(visit.tenant, month.name)
    return desk.drafts.closed(visit.tenant, month.closed[-1])


def trends(desk: Desk, visit: Visit, view: MonthView) -> dict[str, list[Point | None]]:
    """Return each site's scores in the closed months up to the one shown, the oldest first."""
    past = [each for each in view.months if each.name < view.month.name and each.closed]
    months = [
        (each.name, desk.drafts.scores(visit.tenant, each.closed[-1]), True)
        for each in reversed(past[: MONTHS - 1])
    ]
    shown = scores_of(view.kept.report)
    months.append((view.month.name, shown, view.kept.revision is not None))
    found: dict[str, list[Point | None]] = {site: [] for site in shown}
    for name, scores, is_closed in months:
        for site, points in found.items():
            score = scores.get(site)
            points.append(score and Point(name, *score, is_closed))
    # The latest month is at the same place for everybody, on the right.
    return {site: [*[None] * (MONTHS - len(points)), *points] for site, points in found.items()}
