"""Which days of which devices got records, so that they are rolled up again.

A mark is written in the transaction of the records. It is changed where it is there already,
not left alone: only so does a roll-up that takes the mark wait for a transaction that is under
way, and cannot miss its records.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, delete, select

from evaluation.assessment.slots import DAY_MS
from evaluation.database import Database
from evaluation.month_tables import DEVICE_DAYS, DIRTY_DAYS
from evaluation.tables import RECORDS, Row

DeviceDay = tuple[str, int]
"""A device and the beginning of a UTC day, milliseconds."""


def mark(database: Database, connection: Connection, rows: Iterable[Row]) -> None:
    """Mark the days that rows of `records` touch."""
    days = {
        (row["dev"], day_ms)
        for row in rows
        for day_ms in range(row["t0_ms"] // DAY_MS * DAY_MS, row["t1_ms"], DAY_MS)
    }
    mark_days(database, connection, days)


def mark_days(database: Database, connection: Connection, days: Iterable[DeviceDay]) -> None:
    """Mark some days of devices."""
    # Sorted, so that two receivers with the same days cannot wait for each other.
    new = [{"dev": dev, "day_ms": day_ms, "changes": 1} for dev, day_ms in sorted(days)]
    database.upsert(connection, DIRTY_DAYS, new, {"changes": DIRTY_DAYS.c.changes + 1})


def mark_all(database: Database) -> None:
    """Mark every day that has records, or that was rolled up. Raises StoreError."""
    c = RECORDS.c
    of_records = select(c.dev, c.t0_ms - c.t0_ms % DAY_MS).distinct()
    with database.writing() as connection:
        days = set(connection.execute(of_records).all())
        days |= set(connection.execute(select(*DEVICE_DAYS.c["dev", "day_ms"])).all())
        mark_days(database, connection, days)


def take(connection: Connection, limit: int) -> Sequence[DeviceDay]:
    """Return marked days, the latest first, and take their marks away; others may take more."""
    c = DIRTY_DAYS.c
    query = select(c.dev, c.day_ms).order_by(c.day_ms.desc(), c.dev).limit(limit)
    taken = [
        (dev, day_ms) for dev, day_ms in connection.execute(query.with_for_update(skip_locked=True))
    ]
    for dev, day_ms in taken:
        connection.execute(delete(DIRTY_DAYS).where(c.dev == dev, c.day_ms == day_ms))
    return taken
