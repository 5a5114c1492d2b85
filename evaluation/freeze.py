"""Months that close by themselves: at D+7 on the clocks of the tenant's sites, as revision 0."""

import calendar
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection, select

from edge.errors import BadInputError
from evaluation.assessment.scheme import Scheme
from evaluation.assessment.slots import DAY_MS
from evaluation.closing import BY_ITSELF, FREEZE_DAYS, Revision, close, revisions
from evaluation.copies import senders
from evaluation.database import Database
from evaluation.month_report import report
from evaluation.month_tables import DEVICE_DAYS, DIRTY_DAYS
from evaluation.registry import Site, sites_of, tenants
from evaluation.site_months import site_months
from evaluation.site_tables import DEVICES, REGISTERS_RECEIVED

MONTHS_BACK = 13
"""How long ago a month may be that is closed late, because nothing ran when it was due."""

_log = structlog.get_logger(__name__)


def freeze_due(
    database: Database, scheme: Scheme, now_ms: int, only_tenant: str | None = None
) -> list[Revision]:
    """Close every month that is due and is not closed; return what was made of it.

    A month of which nothing came at all is left alone: there is nothing to keep. One that cannot
    be closed is logged, and keeps no other from it. In a copy nothing is: its months come closed.
    Raises StoreError.
    """
    with database.reading() as connection:
        if senders(connection):
            return []
        owners = [only_tenant] if only_tenant is not None else tenants(connection)
        due = [(tenant, each) for tenant in owners for each in _due(connection, tenant, now_ms)]
    made = [_freeze(database, scheme, tenant, first) for tenant, first in due]
    return [each for each in made if each is not None]


def _due(connection: Connection, tenant: str, now_ms: int) -> Iterator[date]:
    """Yield the first days of months that are to be closed."""
    sites = sites_of(connection, tenant)
    if not sites:
        return
    # The site where the day begins last.
    today = min(_today(site, now_ms) for site in sites)
    first = (today - timedelta(days=FREEZE_DAYS)).replace(day=1)
    for _ in range(MONTHS_BACK):
        first = (first - timedelta(days=1)).replace(day=1)
        is_closed = revisions(connection, tenant, f"{first:%Y-%m}")
        if not is_closed and _is_complete(connection, sites, tenant, first):
            yield first


def _today(site: Site, now_ms: int) -> date:
    return datetime.fromtimestamp(now_ms / 1000, ZoneInfo(site.time_zone)).date()


def _is_complete(connection: Connection, sites: list[Site], tenant: str, first: date) -> bool:
    """Say whether something came of a month, and nothing of it waits to be rolled up."""
    after = (first + timedelta(days=31)).replace(day=1)
    t0_ms, t1_ms = (calendar.timegm(day.timetuple()) * 1000 for day in (first, after))
    devices = select(DEVICES.c.dev).where(DEVICES.c.tenant == tenant)
    c, w = DEVICE_DAYS.c, DIRTY_DAYS.c
    # The local month begins and ends up to a day beside that of UTC: days at its edges may be
    # of its neighbours only, and what waits there may be its own.
    days = select(c.dev).where(
        c.day_ms >= t0_ms + DAY_MS, c.day_ms < t1_ms - DAY_MS, c.dev.in_(devices)
    )
    waiting = select(w.dev).where(
        w.day_ms >= t0_ms - DAY_MS, w.day_ms < t1_ms + DAY_MS, w.dev.in_(devices)
    )
    registers = select(REGISTERS_RECEIVED.c.site).where(
        REGISTERS_RECEIVED.c.month == f"{first:%Y-%m}",
        REGISTERS_RECEIVED.c.site.in_([site.site for site in sites]),
    )
    if connection.execute(waiting.limit(1)).first():
        return False
    return any(connection.execute(query.limit(1)).first() for query in (days, registers))


def _freeze(database: Database, scheme: Scheme, tenant: str, first: date) -> Revision | None:
    try:
        with database.reading() as connection:
            names = {each.site: (each.name, each.area) for each in sites_of(connection, tenant)}
            months = site_months(connection, tenant, first.year, first.month)
        of = report(tenant, months, scheme, names)
        made = close(database, of, made_by=BY_ITSELF, reason="")
    except (BadInputError, ValueError) as error:
        name = f"{first:%Y-%m}"
        _log.error("a month cannot be closed", tenant=tenant, month=name, reason=str(error))
        return None
    _log.info("a month is closed", tenant=tenant, month=made.month, digest=made.digest)
    return made
