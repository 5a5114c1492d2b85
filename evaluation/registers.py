"""Registers in the database: taken over from tables, read for a month.

That a register was received is noted by site and month, so that one without an entry is told
from one that never came. A file speaks for the sites and months that are in it; with
`complete_for` it speaks for every site of the tenant in that month.
"""

import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from edge.errors import BadInputError
from evaluation.activity_months import Key, note_months, stays_in
from evaluation.assessment.opening import Month
from evaluation.assessment.registers import Activity, Cases, Moved, Ratings, Registers, Stay
from evaluation.copies import refuse_change
from evaluation.database import Database
from evaluation.register_rows import Row
from evaluation.site_tables import ACTIVITIES, CASES, RATINGS, REGISTERS_RECEIVED, SITES

KINDS = ("activities", "ratings", "cases")
_MONTH = "%Y-%m"


def take_over(
    database: Database,
    tenant: str,
    kind: str,
    rows: Sequence[Row],
    *,
    complete_for: str | None = None,
    only_site: str | None = None,
    received_ms: int | None = None,
) -> int:
    """Put rows of a register in place of those with the same ids; return how many.

    complete_for: a month, `2026-01`, for which there is nothing else, of every site of the
    tenant, or of `only_site`. received_ms: None is now. Raises BadInputError.
    """
    now_ms = time.time_ns() // 1_000_000 if received_ms is None else received_ms
    with database.writing() as connection:
        refuse_change(connection)
        zones = _zones(connection, tenant)
        said = {row["site"] for row in rows} | ({only_site} if only_site is not None else set())
        unknown = sorted(said - set(zones))
        if unknown:
            raise BadInputError(
                f"there is no site {unknown[0]} of {tenant}; import the table of sites first"
                f" {tenant} 没有中心 {unknown[0]}，请先导入中心表"
            )
        stored = [_STORED[kind](row, zones[row["site"]]) for row in rows]
        table = {"activities": ACTIVITIES, "ratings": RATINGS, "cases": CASES}[kind]
        received = {"received_ms": now_ms}
        database.upsert(connection, table, [{**row, **received} for row in stored])
        months = {(row["site"], row[_MONTH_OF[kind]].strftime(_MONTH)) for row in rows}
        if kind == "activities":
            of = {(row["site"], row["activity"]): f"{row['begin']:{_MONTH}}" for row in rows}
            note_months(database, connection, of, now_ms)
        if complete_for is not None:
            month = _checked(complete_for)
            months |= {(site, month) for site in ([only_site] if only_site else zones)}
        noted = [{"site": s, "month": m, "kind": kind, **received} for s, m in sorted(months)]
        database.upsert(connection, REGISTERS_RECEIVED, noted)
    return len(rows)


def registers_of(
    connection: Connection, sites: Sequence[str], month: Month, seen: Mapping[tuple[str, str], int]
) -> dict[str, Registers]:
    """Return the registers of some sites in a month.

    seen: highest headcount during an activity, by site and activity, where a zone told it.
    """
    received: dict[str, set[str]] = defaultdict(set)
    query = select(*REGISTERS_RECEIVED.c["site", "kind"])
    for site, kind in connection.execute(query.where(REGISTERS_RECEIVED.c.month == month.name)):
        received[site].add(kind)
    stays = stays_in(connection, month.name)
    activities, ratings = _activities(connection, month, seen, stays), _ratings(connection, month)
    cases, moved = _cases(connection, month), _moved(activities, stays)
    return {
        site: Registers(
            tuple(activities[site]) if "activities" in received[site] else None,
            Ratings(ratings[site]) if "ratings" in received[site] else None,
            cases[site] if "cases" in received[site] else None,
            tuple(moved[site]),
        )
        for site in sites
    }


def activities_with_zones(connection: Connection, month: Month) -> list[Any]:
    """Return site, activity, zone, t0_ms and t1_ms of held activities that name a zone."""
    c = ACTIVITIES.c
    query = select(*c["site", "activity", "zone", "t0_ms", "t1_ms"])
    where = (c.t0_ms >= month.t0_ms, c.t0_ms < month.t1_ms, c.zone.is_not(None), c.is_held)
    return list(connection.execute(query.where(*where)))


def _zones(connection: Connection, tenant: str) -> dict[str, ZoneInfo]:
    query = select(*SITES.c["site", "time_zone"]).where(SITES.c.tenant == tenant)
    return {site: ZoneInfo(name) for site, name in connection.execute(query)}


def _ms(moment: datetime, zone: ZoneInfo) -> int:
    return round(moment.replace(tzinfo=zone).timestamp() * 1000)


def _activity(row: Row, zone: ZoneInfo) -> Row:
    kept = ("site", "activity", "title", "expected", "attended", "zone", "brand")
    return {name: row[name] for name in kept} | {
        "t0_ms": _ms(row["begin"], zone),
        "t1_ms": _ms(row["end"], zone),
        "is_held": row["held"],
        "audiences": json.dumps(sorted(row["audiences"]), ensure_ascii=False),
    }


def _rating(row: Row, zone: ZoneInfo) -> Row:
    kept = {name: row[name] for name in ("site", "rating", "level")}
    return kept | {"at_ms": _ms(row["at"], zone)}


def _case(row: Row, zone: ZoneInfo) -> Row:
    done = row["done"]
    return {
        "site": row["site"],
        "case_id": row["case"],
        "due_ms": _ms(row["due"], zone),
        "done_ms": None if done is None else _ms(done, zone),
    }


_STORED = {"activities": _activity, "ratings": _rating, "cases": _case}
_MONTH_OF = {"activities": "begin", "ratings": "at", "cases": "due"}


def _activities(
    connection: Connection,
    month: Month,
    seen: Mapping[Key, int],
    stays: Mapping[Key, tuple[Stay, ...]],
) -> dict[str, list[Activity]]:
    c = ACTIVITIES.c
    query = select(ACTIVITIES).where(c.t0_ms >= month.t0_ms, c.t0_ms < month.t1_ms)
    found: dict[str, list[Activity]] = defaultdict(list)
    for row in connection.execute(query.order_by(c.site, c.t0_ms, c.activity)):
        found[row.site].append(
            Activity(
                row.activity, row.t0_ms, row.t1_ms, row.is_held, row.expected, row.attended,
                seen.get((row.site, row.activity)), frozenset(json.loads(row.audiences)), row.brand,
                stays.get((row.site, row.activity), ()),
            )
        )  # fmt: skip
    return found


def _moved(
    activities: Mapping[str, Sequence[Activity]], stays: Mapping[Key, tuple[Stay, ...]]
) -> dict[str, list[Moved]]:
    """Return what was to be in the month once and is not in it now."""
    here = {(site, each.id) for site, of in activities.items() for each in of}
    found: dict[str, list[Moved]] = defaultdict(list)
    for (site, activity), of in sorted(stays.items()):
        if (site, activity) not in here:
            found[site].append(Moved(activity, of))
    return found


def _ratings(connection: Connection, month: Month) -> dict[str, tuple[int, int, int, int, int]]:
    c = RATINGS.c
    query = select(*c["site", "level"]).where(c.at_ms >= month.t0_ms, c.at_ms < month.t1_ms)
    levels: dict[str, list[int]] = defaultdict(lambda: [0] * 5)
    for site, level in connection.execute(query):
        levels[site][level - 1] += 1
    empty = (0, 0, 0, 0, 0)
    found: dict[str, tuple[int, int, int, int, int]] = defaultdict(lambda: empty)
    found.update({site: (n[0], n[1], n[2], n[3], n[4]) for site, n in levels.items()})
    return found


def _cases(connection: Connection, month: Month) -> dict[str, Cases]:
    c = CASES.c
    query = select(*c["site", "due_ms", "done_ms"])
    due: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    # What is due at the very end of a month's last day is due at the first moment of the next.
    where = (c.due_ms > month.t0_ms, c.due_ms <= month.t1_ms)
    for site, due_ms, done_ms in connection.execute(query.where(*where)):
        due[site][0] += 1
        due[site][1] += done_ms is not None and done_ms <= due_ms
    found: dict[str, Cases] = defaultdict(lambda: Cases(0, 0))
    found.update({site: Cases(*counts) for site, counts in due.items()})
    return found


def _checked(month: str) -> str:
    try:
        return datetime.strptime(month, _MONTH).strftime(_MONTH)
    except ValueError:
        raise BadInputError(
            f"complete_for: {month!r} is not a month; e.g. 2026-01 不是月份，例如 2026-01"
        ) from None
