"""The register entries behind a site's project and service figures."""

import json
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select
from starlette.responses import Response

from evaluation.assessment.opening import Month
from evaluation.pages.calendar import month_in
from evaluation.pages.desk import Desk
from evaluation.pages.month_view import month_view
from evaluation.pages.reception import Visit
from evaluation.pages.render import moment, page
from evaluation.pages.site_page import site_of
from evaluation.site_tables import ACTIVITIES, CASES, RATINGS, REGISTERS_RECEIVED

MOST_SHOWN = 1000
LEVELS = (5, 4, 3, 2, 1)
MIDNIGHT = "00:00"


def registers_page(desk: Desk, visit: Visit) -> Response:
    """Show what the registers say of a site's month, and when each was received last."""
    view = month_view(desk, visit)
    site = site_of(view, visit)
    month = month_in(view.zone, view.month.name)
    with desk.database.reading() as connection:
        found = _entries(connection, site["site"], month, view.zone)
        received = _received(connection, site["site"], view.month.name)
    values = visit.values(**view.values(), site=site, received=received, levels=LEVELS, **found)
    return page("registers.html", values)


def _entries(connection: Connection, site: str, month: Month, zone: ZoneInfo) -> dict[str, Any]:
    a, c, r = ACTIVITIES.c, CASES.c, RATINGS.c
    activities = select(ACTIVITIES).where(
        a.site == site, a.t0_ms >= month.t0_ms, a.t0_ms < month.t1_ms
    )
    # As the assessment does: what is due at the end of the last day is of this month.
    cases = select(CASES).where(c.site == site, c.due_ms > month.t0_ms, c.due_ms <= month.t1_ms)
    levels = select(r.level, func.count().label("number")).where(
        r.site == site, r.at_ms >= month.t0_ms, r.at_ms < month.t1_ms
    )
    return {
        "activities": [
            {**row._mapping, "audiences": json.loads(row.audiences)}
            for row in connection.execute(
                activities.order_by(a.t0_ms, a.activity).limit(MOST_SHOWN)
            )
        ],
        "cases": [
            {**row._mapping, "due": due_text(row.due_ms, zone)}
            for row in connection.execute(cases.order_by(c.due_ms, c.case_id).limit(MOST_SHOWN))
        ],
        "ratings": {row.level: row.number for row in connection.execute(levels.group_by(r.level))},
    }


def due_text(due_ms: int, zone: ZoneInfo) -> str:
    """Return when a case is due; the day alone for one that may be done until its end."""
    day, clock = moment(due_ms, zone).split()
    return f"{day} {clock}" if clock != MIDNIGHT else moment(due_ms - 1, zone).split()[0]


def _received(connection: Connection, site: str, month: str) -> dict[str, int]:
    c = REGISTERS_RECEIVED.c
    query = select(c.kind, c.received_ms).where(c.site == site, c.month == month)
    return {row.kind: row.received_ms for row in connection.execute(query)}
