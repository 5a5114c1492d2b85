"""Which months there are of a tenant, in which state each is, and what is closed of it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from evaluation.assessment.opening import Month, month_of
from evaluation.assessment.slots import DAY_MS
from evaluation.closing import State, state_of
from evaluation.month_tables import DEVICE_DAYS, REVISIONS
from evaluation.site_tables import SITES

MOST_MONTHS = 36


@dataclass(frozen=True, slots=True)
class Closed:
    """A revision without its body."""

    month: str
    number: int
    made_ms: int
    made_by: str
    reason: str
    digest: str


@dataclass(frozen=True, slots=True)
class MonthState:
    """A month of a tenant. closed: its revisions in order. days_left: until the freeze."""

    name: str
    state: State
    closed: tuple[Closed, ...]
    freezes_on: date


def zone_of(connection: Connection, tenant: str) -> ZoneInfo | None:
    """Return the time zone of most of a tenant's sites; None when it has none."""
    c = SITES.c
    query = select(c.time_zone).where(c.tenant == tenant).group_by(c.time_zone)
    name = connection.execute(query.order_by(func.count().desc(), c.time_zone)).scalars().first()
    return None if name is None else ZoneInfo(name)


def months_of(connection: Connection, tenant: str, now_ms: int) -> list[MonthState]:
    """Return the months of which something is there or closed; the latest first."""
    zone = zone_of(connection, tenant)
    c = REVISIONS.c
    columns = c["month", "revision", "made_ms", "made_by", "reason", "digest"]
    query = select(*columns).where(c.tenant == tenant).order_by(c.month, c.revision)
    closed = [Closed(*row) for row in connection.execute(query)]
    names = {each.month for each in closed}
    if zone is not None:
        names |= _recorded(connection, zone, now_ms)
    today = datetime.fromtimestamp(now_ms / 1000, zone or UTC).date()
    return [
        _state(name, [each for each in closed if each.month == name], today)
        for name in sorted(names, reverse=True)[:MOST_MONTHS]
    ]


def month_in(zone: ZoneInfo, name: str) -> Month:
    """Return a month by its name."""
    return month_of(int(name[:4]), int(name[5:]), zone)


def _state(name: str, closed: list[Closed], today: date) -> MonthState:
    year, month = int(name[:4]), int(name[5:])
    after = date(year + month // 12, month % 12 + 1, 1)
    state = state_of(year, month, today, is_closed=bool(closed))
    return MonthState(name, state, tuple(closed), after + timedelta(days=7))


def _recorded(connection: Connection, zone: ZoneInfo, now_ms: int) -> set[str]:
    """Return the months that the days with records lie in, of whichever device."""
    ends = select(func.min(DEVICE_DAYS.c.day_ms), func.max(DEVICE_DAYS.c.day_ms))
    first_ms, last_ms = connection.execute(ends).one()
    if first_ms is None:
        return set()
    # The end of the first UTC day and the beginning of the last one: a month of which there is
    # only a corner of such a day is left out.
    first = datetime.fromtimestamp((first_ms + DAY_MS - 1) / 1000, zone).date().replace(day=1)
    last = datetime.fromtimestamp(min(last_ms, now_ms) / 1000, zone).date()
    names = set()
    while first <= last:
        names.add(f"{first:%Y-%m}")
        first = (first + timedelta(days=32)).replace(day=1)
    return names
