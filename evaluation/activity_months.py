"""In which month each activity was to be, since when: a plan can be read as it once stood.

A row is added when an activity is first received, and when it comes with another month; none is
changed. So neither a later file nor a moved date says anything else of what had been planned.
"""

from collections import defaultdict
from collections.abc import Mapping

from sqlalchemy import Connection, and_, select, tuple_

from evaluation.assessment.registers import Stay
from evaluation.database import Database
from evaluation.site_tables import ACTIVITY_MONTHS

KEYS_PER_QUERY = 500
Key = tuple[str, str]
"""Site and activity."""


def note_months(
    database: Database, connection: Connection, months: Mapping[Key, str], now_ms: int
) -> None:
    """Note the month of each activity, `2026-01`, where it is another one than before."""
    # Two at once would both find what was there before them.
    database.alone(connection, "months of activities")
    before: dict[Key, str] = {}
    keys, c = sorted(months), ACTIVITY_MONTHS.c
    for at in range(0, len(keys), KEYS_PER_QUERY):
        some = tuple_(c.site, c.activity).in_(keys[at : at + KEYS_PER_QUERY])
        query = select(*c["site", "activity", "month"]).where(some).order_by(c.since_ms)
        for site, activity, month in connection.execute(query):
            before[site, activity] = month
    rows = [
        {"site": key[0], "activity": key[1], "since_ms": now_ms, "month": months[key]}
        for key in keys
        if before.get(key) != months[key]
    ]
    database.upsert(connection, ACTIVITY_MONTHS, rows)


def stays_in(connection: Connection, month: str) -> dict[Key, tuple[Stay, ...]]:
    """Return when each activity came into a month and left it, in order; of all that ever did."""
    c = ACTIVITY_MONTHS.c
    of = select(*c["site", "activity"]).where(c.month == month).distinct().subquery()
    query = select(*c["site", "activity", "since_ms", "month"]).order_by(c.since_ms)
    query = query.join(of, and_(of.c.site == c.site, of.c.activity == c.activity))
    found: dict[Key, list[Stay]] = defaultdict(list)
    for site, activity, since_ms, name in connection.execute(query):
        found[site, activity].append(Stay(since_ms, name == month))
    return {key: tuple(stays) for key, stays in found.items()}
