"""What the database knows of the devices of a tenant, put together for `evaluation.fleet`."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, and_, func, select, tuple_

from evaluation.device_states import KEYS_PER_QUERY, of_tenant, told_of
from evaluation.fleet import Facts, FleetRow, LastRecords, fleet
from evaluation.fleet_tables import DEVICE_STATES
from evaluation.fleet_words import Registration
from evaluation.registry import Placement, Site, sites_of, tenants
from evaluation.site_tables import DEVICES
from evaluation.tables import RECORDS, STREAMS

DAY_MS = 86_400_000
KEPT_MS = 35 * DAY_MS
"""How long a device keeps its records: what is missing for longer cannot come any more."""
AHEAD_MS = 3_600_000
"""A record that is further ahead of us was never the last one."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where the registry has a device, or had it last, today on the site's clock."""

    registration: Registration
    site: str | None = None
    name: str | None = None
    place: str | None = None
    is_open: bool | None = None
    rivals: tuple[str, ...] = ()


def fleet_rows(connection: Connection, tenant: str, now_ms: int) -> list[FleetRow]:
    """Return the state of every device of a tenant by id, those that nobody registered too."""
    return fleet(facts_of(connection, tenant, now_ms), now_ms)


def all_tenants(connection: Connection) -> list[str]:
    """Return the tenants that have sites or devices of which something was heard."""
    found = set(tenants(connection))
    for table in (STREAMS, DEVICE_STATES, DEVICES):
        found |= set(connection.execute(select(table.c.tenant).distinct()).scalars())
    return sorted(found)


def facts_of(connection: Connection, tenant: str, now_ms: int) -> list[Facts]:
    """Return what is known of every device of a tenant, by id."""
    told, places = told_of(connection, tenant), placed(connection, tenant, now_ms)
    last = _last_records(connection, tenant, now_ms)
    heard, missing = _streams(connection, tenant, now_ms)
    nowhere = Placed(Registration.NONE)
    found = []
    for dev in sorted({*told, *places, *heard}):
        at = places.get(dev, nowhere)
        found.append(
            Facts(
                dev, tenant, at.registration, at.site, at.name, at.place, at.is_open,
                told.get(dev, {}), last.get(dev), heard.get(dev),
                missing.get(dev, 0) if dev in heard else None, at.rivals,
            )
        )  # fmt: skip
    return found


def placed(connection: Connection, tenant: str, now_ms: int) -> dict[str, Placed]:
    """Return where the devices of a tenant are registered."""
    at: dict[str, list[tuple[Placement, Site]]] = defaultdict(list)
    devices = select(DEVICES.c.dev).where(DEVICES.c.tenant == tenant)
    for dev in connection.execute(devices).scalars():
        at[dev] = []
    sites = sites_of(connection, tenant)
    now = {s.site: datetime.fromtimestamp(now_ms / 1000, ZoneInfo(s.time_zone)) for s in sites}
    there: dict[tuple[str, str], set[str]] = defaultdict(set)
    for site in sites:
        for placement in site.placements:
            at[placement.dev].append((placement, site))
            if _is_there(placement, now[site.site].date()):
                there[site.site, placement.place].add(placement.dev)
    return {dev: _placed(dev, where, now, there) for dev, where in at.items()}


def _is_there(placement: Placement, today: date) -> bool:
    return placement.from_day <= today < placement.to_day


def _placed(
    dev: str,
    where: Sequence[tuple[Placement, Site]],
    now: Mapping[str, datetime],
    there: Mapping[tuple[str, str], set[str]],
) -> Placed:
    if not where:
        return Placed(Registration.NONE)
    # Where it is; else where it was last; else where it will be first.
    ranked = sorted(where, key=lambda each: each[0].from_day, reverse=True)
    current = [(p, s) for p, s in ranked if _is_there(p, now[s.site].date())]
    ended = [(p, s) for p, s in ranked if p.to_day <= now[s.site].date()]
    [placement, site] = (current or ended or ranked[-1:])[0]
    registration = (
        Registration.PLACED if current else Registration.ENDED if ended else Registration.COMING
    )
    local = now[site.site]
    spans = site.opening.of_month([local.date()]).on(local.date())
    minute = 60 * local.hour + local.minute
    return Placed(
        registration, site.site, site.name, placement.place,
        any(start <= minute < stop for start, stop in spans),
        tuple(sorted(there[site.site, placement.place] - {dev})),
    )  # fmt: skip


def _last_records(connection: Connection, tenant: str, now_ms: int) -> dict[str, LastRecords]:
    """Return what each device's last interval said; one probe of an index for each device."""
    devices = select(STREAMS.c.dev).where(of_tenant(STREAMS.c, tenant)).distinct().subquery()
    c = RECORDS.c
    newest = select(func.max(c.t0_ms)).where(c.dev == devices.c.dev, c.t0_ms <= now_ms + AHEAD_MS)
    last = select(devices.c.dev, newest.scalar_subquery().label("t0_ms")).subquery()
    columns = c["dev", "line", "t1_ms", "received_ms", "cov", "cov_reason", "tq", "cal", "audience"]
    query = select(*columns).join(last, and_(c.dev == last.c.dev, c.t0_ms == last.c.t0_ms))
    rows = defaultdict(list)
    for row in connection.execute(query.order_by(c.dev, c.line, c.zone)):
        rows[row.dev].append(row)
    found = {}
    for dev, of in rows.items():
        least = min(of, key=lambda row: row.cov)
        tq = "unsynced" if any(row.tq == "unsynced" for row in of) else of[0].tq
        lines = {row.line: row.cal for row in of if row.line and row.audience != "staff"}
        found[dev] = LastRecords(
            max(row.t1_ms for row in of), least.received_ms, least.cov, least.cov_reason, tq, lines
        )
    return found


Gap = tuple[str, str, int, int]
"""A device, a stream, how many numbers are missing, and the number after them."""


def _streams(
    connection: Connection, tenant: str, now_ms: int
) -> tuple[dict[str, int], dict[str, int]]:
    """Return when a record of each device came last, and how many are missing between others."""
    heard: dict[str, int] = {}
    gaps: list[Gap] = []
    for row in connection.execute(select(STREAMS).where(of_tenant(STREAMS.c, tenant))):
        heard[row.dev] = max(heard.get(row.dev, 0), row.seen_ms)
        if now_ms - row.seen_ms < KEPT_MS:
            # Before the first one that came there may have been another backend.
            spans = [(0, row.upto)] if row.upto else []
            gaps += _gaps(row.dev, row.stream, spans + [tuple(s) for s in json.loads(row.have)])
    missing: dict[str, int] = defaultdict(int)
    old = _older(connection, gaps, now_ms - KEPT_MS)
    for dev, stream, count, after in gaps:
        if (dev, stream, after) not in old:
            missing[dev] += count
    return heard, missing


def _gaps(dev: str, stream: str, spans: Sequence[tuple[int, ...]]) -> Iterable[Gap]:
    for before, after in pairwise(spans):
        yield dev, stream, after[0] - before[1] - 1, after[0]


def _older(connection: Connection, gaps: Sequence[Gap], t0_ms: int) -> set[tuple[str, str, int]]:
    """Return which of the records after gaps are of before a time."""
    c = RECORDS.c
    keys = sorted({(dev, stream, after) for dev, stream, _, after in gaps})
    found: set[tuple[str, str, int]] = set()
    for at in range(0, len(keys), KEYS_PER_QUERY):
        some = tuple_(c.dev, c.stream, c.seq).in_(keys[at : at + KEYS_PER_QUERY])
        query = select(c.dev, c.stream, c.seq).where(some, c.t0_ms < t0_ms)
        found |= {(dev, stream, seq) for dev, stream, seq in connection.execute(query)}
    return found
