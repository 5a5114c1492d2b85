"""Sites, devices and opening hours in the database: taken over from tables, read for a month."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, Table, select

from edge.errors import BadInputError
from evaluation.assessment.opening import Hours, Opening
from evaluation.copies import refuse_change
from evaluation.database import Database
from evaluation.dirty_days import mark_days
from evaluation.hours_text import from_text
from evaluation.month_tables import DEVICE_DAYS
from evaluation.registry_rows import Row
from evaluation.site_tables import (
    DEVICE_SITES,
    DEVICES,
    EVERY_SITE,
    SITE_HOURS,
    SITE_RESIDENTS,
    SITES,
    SPECIAL_DAYS,
)

_TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (SITES, SITE_RESIDENTS, SITE_HOURS, SPECIAL_DAYS, DEVICES, DEVICE_SITES)
}
WEEKDAYS = 7


@dataclass(frozen=True, slots=True)
class Placement:
    """A device at a place of a site on the days [from_day, to_day)."""

    dev: str
    place: str
    from_day: date
    to_day: date


@dataclass(frozen=True, slots=True)
class Site:
    """A centre as the registry knows it. residents: by the day from which the number holds."""

    site: str
    name: str
    area: str
    time_zone: str
    opening: "DatedOpening"
    residents: Mapping[date, int] = field(default_factory=dict)
    placements: tuple[Placement, ...] = ()

    def residents_on(self, day: date) -> int | None:
        """Return the population that holds on a day; None before the first one."""
        held = [each for each in self.residents if each <= day]
        return self.residents[max(held)] if held else None


@dataclass(frozen=True, slots=True)
class DatedOpening:
    """Weekly hours by the day from which they hold, and special days."""

    weekly: Mapping[date, Mapping[int, Hours]]
    special: Mapping[date, Hours]

    def of_month(self, days: Iterable[date]) -> Opening:
        """Return the hours of some days, each by what holds on it."""
        special = dict(self.special)
        for day in days:
            if day not in special:
                held = [each for each in self.weekly if each <= day]
                special[day] = self.weekly[max(held)].get(day.weekday(), ()) if held else ()
        return Opening({}, special)


def take_over(database: Database, tenant: str, rows: Mapping[str, Sequence[Row]]) -> int:
    """Put rows of tables, by name, in place of those with the same keys; return how many.

    Raises BadInputError, naming what a row points to and is not there, or belongs to others.
    """
    with database.writing() as connection:
        refuse_change(connection)
        _check_references(connection, tenant, rows)
        for name, table in _TABLES.items():
            new = [dict(row) for row in rows.get(name, ())]
            if table is DEVICES:
                _note_changed_lines(database, connection, new)
            database.upsert(connection, table, new)
        _check_places(connection, tenant)
    return sum(len(each) for each in rows.values())


def sites_of(connection: Connection, tenant: str) -> list[Site]:
    """Return the sites of a tenant by id, with everything that is dated."""
    rows = connection.execute(select(SITES).where(SITES.c.tenant == tenant).order_by(SITES.c.site))
    residents = _dated(connection, select(*SITE_RESIDENTS.c["site", "from_day", "residents"]))
    hours: dict[str, dict[date, dict[int, Hours]]] = defaultdict(lambda: defaultdict(dict))
    for site, from_day, weekday, stored in connection.execute(select(SITE_HOURS)):
        hours[site][date.fromisoformat(from_day)][weekday] = from_text(stored)
    special: dict[str, dict[date, Hours]] = defaultdict(dict)
    query = select(*SPECIAL_DAYS.c["site", "day", "hours"]).where(SPECIAL_DAYS.c.tenant == tenant)
    for site, day, stored in connection.execute(query):
        special[site][date.fromisoformat(day)] = from_text(stored)
    placements: dict[str, list[Placement]] = defaultdict(list)
    columns = DEVICE_SITES.c["site", "dev", "place", "from_day", "to_day"]
    for site, *values in connection.execute(select(*columns).order_by(*DEVICE_SITES.primary_key)):
        placements[site].append(_placement(*values))
    return [
        Site(
            row.site, row.name, row.area, row.time_zone,
            # What is said of one site goes before what is said of all.
            DatedOpening(hours[row.site], {**special[EVERY_SITE], **special[row.site]}),
            residents[row.site], tuple(placements[row.site]),
        )
        for row in rows
    ]  # fmt: skip


def tenants(connection: Connection) -> list[str]:
    """Return the tenants that have sites."""
    return list(
        connection.execute(select(SITES.c.tenant).distinct().order_by(SITES.c.tenant)).scalars()
    )


def _placement(dev: str, place: str, from_day: str, to_day: str | None) -> Placement:
    end = date.max if to_day is None else date.fromisoformat(to_day)
    return Placement(dev, place, date.fromisoformat(from_day), end)


def _dated(connection: Connection, query: Any) -> dict[str, dict[date, int]]:
    found: dict[str, dict[date, int]] = defaultdict(dict)
    for site, from_day, value in connection.execute(query):
        found[site][date.fromisoformat(from_day)] = value
    return found


def _check_references(
    connection: Connection, tenant: str, rows: Mapping[str, Sequence[Row]]
) -> None:
    """Check that sites exist and nothing is another tenant's. Raises BadInputError."""
    for table, key in ((SITES, SITES.c.site), (DEVICES, DEVICES.c.dev)):
        owners: dict[str, str] = dict(connection.execute(select(key, table.c.tenant)).all())
        for row in rows.get(table.name, ()):
            owner = owners.get(row[key.name], tenant)
            if owner != tenant:
                raise BadInputError(
                    f"{row[key.name]} belongs to {owner}, not to {tenant}"
                    f" {row[key.name]} 属于 {owner}，不属于 {tenant}"
                )
    known = set(connection.execute(select(SITES.c.site).where(SITES.c.tenant == tenant)).scalars())
    known |= {row["site"] for row in rows.get("sites", ())} | {EVERY_SITE}
    for name in ("device_sites", "special_days"):
        for row in rows.get(name, ()):
            if row["site"] not in known:
                raise BadInputError(
                    f"there is no site {row['site']}; import the table of sites first"
                    f" 没有中心 {row['site']}，请先导入中心表"
                )


def _note_changed_lines(database: Database, connection: Connection, new: list[Row]) -> None:
    """Roll the days of devices up again whose lines of visitors are others now."""
    before = dict(connection.execute(select(DEVICES.c.dev, DEVICES.c.lines)).all())
    for row in new:
        row["lines"] = None if row["lines"] is None else json.dumps(sorted(row["lines"]))
        if before.get(row["dev"]) != row["lines"]:
            query = select(DEVICE_DAYS.c.dev, DEVICE_DAYS.c.day_ms)
            days = connection.execute(query.where(DEVICE_DAYS.c.dev == row["dev"]))
            mark_days(database, connection, days.all())


def _check_places(connection: Connection, tenant: str) -> None:
    """Check that no device is at two sites at once, and no two at one place."""
    query = (
        select(*DEVICE_SITES.c["site", "dev", "place", "from_day", "to_day"])
        .join(SITES, SITES.c.site == DEVICE_SITES.c.site)
        .where(SITES.c.tenant == tenant)
    )
    at: dict[tuple[str, str], list[tuple[Placement, str]]] = defaultdict(list)
    for site, *values in connection.execute(query):
        placement = _placement(*values)
        at["device", placement.dev].append((placement, site))
        at["place", f"{site}/{placement.place}"].append((placement, site))
    for (kind, name), places in at.items():
        places.sort(key=lambda each: each[0].from_day)
        for (one, site), (other, next_site) in pairwise(places):
            if other.from_day < one.to_day:
                raise BadInputError(
                    f"{kind} {name}: {one.dev} at {site} and {other.dev} at {next_site} overlap"
                    f" on {other.from_day}; give the earlier one a to_day"
                    f" {one.dev} 和 {other.dev} 在 {other.from_day} 重叠，请填写前一个的结束日期"
                )
