"""A month of every centre of a tenant, put together from what is stored."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Connection, select

from evaluation.assessment.observed import (
    Bools,
    DoorMonth,
    ZoneMonth,
    door_month,
    later,
    zone_month,
)
from evaluation.assessment.opening import SLOT_MS, Month, month_of
from evaluation.assessment.site import SiteMonth
from evaluation.assessment.slots import DAY_MS
from evaluation.month_tables import DEVICE_DAYS
from evaluation.registers import activities_with_zones, registers_of
from evaluation.registry import Placement, Site, sites_of
from evaluation.rollup import DeviceDayBody, Span, read_body

Days = dict[int, DeviceDayBody]
"""The days of one device by their beginning in UTC milliseconds."""


def site_months(connection: Connection, tenant: str, year: int, month: int) -> list[SiteMonth]:
    """Return a month of every site of a tenant, by id.

    Raises BadInputError for a time zone that does not keep to quarters of an hour.
    """
    sites = sites_of(connection, tenant)
    months = {name: month_of(year, month, ZoneInfo(name)) for name in {s.time_zone for s in sites}}
    days = _days(connection, sites, months.values())
    found = []
    for name, of in sorted(months.items()):
        there = [site for site in sites if site.time_zone == name]
        zones = {site.site: _zones(site, of, days) for site in there}
        seen = _seen(connection, of, zones)
        registers = registers_of(connection, [site.site for site in there], of, seen)
        found += [
            SiteMonth(
                site.site, of, of.open_slots(site.opening.of_month(_dates(of))),
                site.residents_on(of.date_of(0)), _doors(site, of, days), zones[site.site],
                registers[site.site], _missing(site, of, days),
            )
            for site in there
        ]  # fmt: skip
    return sorted(found, key=lambda each: each.site)


def _dates(month: Month) -> list[date]:
    return [month.date_of(day) for day in range(month.days)]


def _days(
    connection: Connection, sites: Sequence[Site], months: Iterable[Month]
) -> Mapping[str, Days]:
    """Return the days that any of the months touches, of the devices of the sites."""
    of = {placement.dev for site in sites for placement in site.placements}
    begin = min((month.t0_ms for month in months), default=0) - DAY_MS
    end = max((month.t1_ms for month in months), default=0)
    c = DEVICE_DAYS.c
    query = select(*c["dev", "day_ms", "body"]).where(c.day_ms > begin, c.day_ms < end)
    found: dict[str, Days] = defaultdict(dict)
    for dev, day_ms, body in connection.execute(query):
        if dev in of:
            found[dev][day_ms] = read_body(body)
    return found


def _there(placement: Placement, month: Month) -> Bools:
    """Return the slots in which a device is at its place."""
    of_days = [placement.from_day <= day < placement.to_day for day in _dates(month)]
    return np.array(of_days)[month.day]


def _doors(site: Site, month: Month, days: Mapping[str, Days]) -> dict[str, DoorMonth]:
    """Return the doors by place; a board that follows another one takes its place.

    A place whose devices have no line of visitors all month is no door.
    """
    doors: dict[str, DoorMonth] = {}
    for placement in site.placements:
        there = _there(placement, month)
        of = days.get(placement.dev, {})
        of_door = {at: day.door for at, day in of.items() if day.door is not None}
        if not there.any() or (of and not of_door):
            continue
        door = door_month(of_door, month, there)
        before = doors.get(placement.place)
        doors[placement.place] = door if before is None else later(before, door)
    return doors


def _zones(site: Site, month: Month, days: Mapping[str, Days]) -> dict[tuple[str, str], ZoneMonth]:
    """Return the zones by place and id; of a board that follows another one laid over its."""
    found: dict[tuple[str, str], ZoneMonth] = {}
    for placement in site.placements:
        there = _there(placement, month)
        of = days.get(placement.dev, {})
        for zone in sorted({zone for day in of.values() for zone in day.zones}):
            of_zone = {at: day.zones[zone] for at, day in of.items() if zone in day.zones}
            key, made = (placement.place, zone), zone_month(of_zone, month, there)
            before = found.get(key)
            found[key] = made if before is None else later(before, made)
    return found


def _seen(
    connection: Connection, month: Month, zones: Mapping[str, Mapping[tuple[str, str], ZoneMonth]]
) -> dict[tuple[str, str], int]:
    """Return the highest headcount during activities whose zone was looked at throughout."""
    found = {}
    for site, activity, zone, t0_ms, t1_ms in activities_with_zones(connection, month):
        first, last = (t0_ms - month.t0_ms) // SLOT_MS, (t1_ms - 1 - month.t0_ms) // SLOT_MS
        slots = slice(max(0, first), last + 1)
        for (_, name), of in zones.get(site, {}).items():
            if name == zone and (of.cov[slots] == 1).all():
                found[site, activity] = int(of.peak[slots].max(initial=0))
    return found


def _missing(site: Site, month: Month, days: Mapping[str, Days]) -> int:
    """Return how many numbers of the devices' streams are not there, between those that are."""
    missing = 0
    for dev in {placement.dev for placement in site.placements}:
        spans: dict[str, list[Span]] = defaultdict(list)
        for at, day in days.get(dev, {}).items():
            if month.t0_ms <= at < month.t1_ms:
                for stream, span in day.streams.items():
                    spans[stream].append(span)
        for of in spans.values():
            first, last = min(s[0] for s in of), max(s[1] for s in of)
            missing += last - first + 1 - sum(s[2] for s in of)
    return missing
