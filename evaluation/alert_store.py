"""Alerts in the database: brought up to date with the fleet, read, noted as handed on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any

from sqlalchemy import Connection, and_, delete, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from edge.sealing import iso_utc
from evaluation.alerts import Alert, findings, follow
from evaluation.database import Database
from evaluation.fleet_facts import Placed, fleet_rows
from evaluation.fleet_tables import ALERTS
from evaluation.fleet_words import Code, Severity, alert_words

TELL_WITHIN_MS = 86_400_000
"""What is older is not handed on any more: whoever adds a command wants no flood."""
_KEY = ("tenant", "dev", "code", "noted_ms")
_NAMES = tuple(each.name for each in fields(Alert))


@dataclass(frozen=True, slots=True)
class AlertCounts:
    """What one look at a fleet did, and how many alerts are open after it."""

    raised: int = 0
    closed: int = 0
    open: int = 0


def keep_alerts(database: Database, tenant: str, now_ms: int) -> AlertCounts:
    """Bring the alerts of a tenant up to date in one transaction. Raises StoreError."""
    with database.reading() as connection:
        found = findings(fleet_rows(connection, tenant, now_ms))
    with database.writing() as connection:
        database.alone(connection, "alerts")
        kept = _not_closed(connection, tenant)
        changes = follow(tenant, kept, found, now_ms)
        rows = [dict(zip(_NAMES, astuple(now), strict=True)) for _, now in changes if now]
        database.upsert(connection, ALERTS, rows, keep=("told",))  # which is another thread's
        for was, now in changes:
            if was is not None and now is None:
                connection.execute(delete(ALERTS).where(_is(was)))
    raised = [now for was, now in changes if now and now.raised_ms and not (was and was.raised_ms)]
    closed = [now for _, now in changes if now and now.closed_ms]
    before = sum(each.is_open for each in kept)
    return AlertCounts(len(raised), len(closed), before + len(raised) - len(closed))


def alerts_of(
    connection: Connection, tenant: str | None = None, *, only_open: bool = False
) -> list[Alert]:
    """Return the alerts that were raised, the latest first."""
    c = ALERTS.c
    where: list[ColumnElement[bool]] = [c.raised_ms.is_not(None)]
    where += [] if tenant is None else [c.tenant == tenant]
    where += [c.closed_ms.is_(None)] if only_open else []
    query = select(*c[_NAMES]).where(*where).order_by(c.raised_ms.desc(), c.tenant, c.dev, c.code)
    return [_alert(row) for row in connection.execute(query)]


def to_tell(
    connection: Connection, now_ms: int, limit: int, tenant: str | None = None
) -> list[Alert]:
    """Return what has to be handed on, the oldest first: raised, or closed after that was told."""
    c = ALERTS.c
    raised = and_(c.closed_ms.is_(None), c.told.is_(None), c.raised_ms > now_ms - TELL_WITHIN_MS)
    closed = and_(c.closed_ms > now_ms - TELL_WITHIN_MS, c.told == "raised")
    of_one = [] if tenant is None else [c.tenant == tenant]
    query = select(*c[_NAMES]).where(or_(raised, closed), *of_one)
    query = query.order_by(c.raised_ms, *c[_KEY]).limit(limit)
    return [_alert(row) for row in connection.execute(query)]


def mark_told(database: Database, told: Iterable[Alert]) -> None:
    """Note what was handed on, as it was then. Raises StoreError."""
    with database.writing() as connection:
        for alert in told:
            state = "raised" if alert.is_open else "closed"
            connection.execute(update(ALERTS).where(_is(alert)).values(told=state))


def as_dict(alert: Alert, places: Mapping[str, Placed]) -> dict[str, Any]:
    """Return an alert for programs: plain JSON, times in UTC."""
    en, zh = alert_words(alert.code, alert.detail)
    at = places.get(alert.dev)
    times = {
        name: None if ms is None else iso_utc(ms)
        for name, ms in (
            ("since", alert.since_ms), ("raised", alert.raised_ms), ("closed", alert.closed_ms),
        )
    }  # fmt: skip
    return {
        "id": f"{alert.tenant}/{alert.dev}/{alert.code}/{alert.noted_ms}",
        "tenant": alert.tenant, "dev": alert.dev or None, "site": at and at.site,
        "name": at and at.name, "place": at and at.place, "code": alert.code.value,
        "severity": alert.severity.value, "detail": alert.detail, "en": en, "zh": zh,
        "state": "open" if alert.is_open else "closed", **times,
    }  # fmt: skip


def _not_closed(connection: Connection, tenant: str) -> Sequence[Alert]:
    c = ALERTS.c
    query = select(*c[_NAMES]).where(c.tenant == tenant, c.closed_ms.is_(None))
    return [_alert(row) for row in connection.execute(query.with_for_update())]


def _alert(row: Any) -> Alert:
    values = row._asdict() | {"code": Code(row.code), "severity": Severity(row.severity)}
    return Alert(**values)


def _is(alert: Alert) -> Any:
    return and_(*(ALERTS.c[name] == getattr(alert, name) for name in _KEY))
