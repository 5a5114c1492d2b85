"""What decides a month's report, as one hash: when it is the same, so is the report.

Small tables are hashed whole; of the large ones how many rows there are and when the last one
came, which every way of writing them changes.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Table, func, select
from sqlalchemy.sql.elements import ColumnElement

from evaluation.assessment.opening import Month
from evaluation.assessment.slots import DAY_MS
from evaluation.month_report import VERSION
from evaluation.month_tables import DEVICE_DAYS
from evaluation.site_tables import (
    ACTIVITIES,
    ACTIVITY_MONTHS,
    CASES,
    DEVICE_SITES,
    DEVICES,
    RATINGS,
    REGISTERS_RECEIVED,
    SITE_HOURS,
    SITE_RESIDENTS,
    SITES,
    SPECIAL_DAYS,
)

_OF_SITES = (SITE_RESIDENTS, SITE_HOURS, DEVICE_SITES)
_OF_TENANTS = (SITES, SPECIAL_DAYS, DEVICES)
_REGISTERS = ((ACTIVITIES, "t0_ms"), (RATINGS, "at_ms"), (CASES, "due_ms"))


def made_of(connection: Connection, tenant: str, month: Month, scheme: str) -> str:
    """Return the hash. scheme: what tells it from other schemes."""
    whole = hashlib.sha256(f"{VERSION} {tenant} {month.name} {scheme}".encode())
    for part in _parts(connection, tenant, month):
        whole.update(json.dumps(part, default=str, separators=(",", ":")).encode())
    return whole.hexdigest()


def _parts(connection: Connection, tenant: str, month: Month) -> Iterator[Any]:
    days = DEVICE_DAYS.c
    span = (days.day_ms > month.t0_ms - DAY_MS, days.day_ms < month.t1_ms + DAY_MS)
    yield _large(connection, days.made_ms, *span)
    for table in _OF_TENANTS:
        yield _small(connection, table, table.c.tenant == tenant)
    own = select(SITES.c.site).where(SITES.c.tenant == tenant)
    for table in _OF_SITES:
        yield _small(connection, table, table.c.site.in_(own))
    for table, at in _REGISTERS:
        # A day more on both sides: months of other time zones begin at other moments.
        moment = table.c[at]
        around = (moment >= month.t0_ms - DAY_MS, moment <= month.t1_ms + DAY_MS)
        yield _large(connection, table.c.received_ms, *around)
    plan = ACTIVITY_MONTHS.c
    yield _large(connection, plan.since_ms, plan.month == month.name)
    received = REGISTERS_RECEIVED.c
    yield _large(connection, received.received_ms, received.month == month.name)


def _small(connection: Connection, table: Table, where: ColumnElement[bool]) -> list[Any]:
    rows = connection.execute(select(table).where(where).order_by(*table.primary_key))
    return [list(row) for row in rows]


def _large(
    connection: Connection, received_ms: ColumnElement[int], *where: ColumnElement[bool]
) -> list[Any]:
    figures = (func.count(), func.max(received_ms), func.sum(received_ms))
    return list(connection.execute(select(*figures).where(*where)).one())
