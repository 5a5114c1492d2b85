"""From records to days by slots: what every report is made of, brought up to date as they come.

A day is made anew from all of its records whenever one of them is new, so that it does not
matter in which order they came, how often, or where something was killed. Its `body` is JSON:
`door` (null without a line of visitors), `zones` by id, and `streams`: of each the first and
the last number of the day and how many there are, from which what is missing is told.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from evaluation.assessment.slots import (
    DAY_MS,
    DoorDay,
    LineReading,
    ZoneDay,
    ZoneReading,
    as_json,
    door_day,
    door_of,
    is_of_visitors,
    zone_days,
    zone_of,
)
from evaluation.database import Database
from evaluation.dirty_days import take
from evaluation.month_tables import DEVICE_DAYS
from evaluation.reused import MARK
from evaluation.site_tables import DEVICES
from evaluation.tables import RECORDS

LONGEST_RECORD_MS = 3_600_000
"""The longest interval that a device can be set to."""
DAYS_AT_A_TIME = 200
Span = tuple[int, int, int]
"""First number, last number, how many records."""

_c = RECORDS.c
_COLUMNS = (
    _c.stream, _c.seq, _c.line, _c.zone, _c.kind, _c.t0_ms, _c.t1_ms,
    _c.count_in, _c.count_out, _c.uturn, _c.in_low, _c.in_high,
    _c.presence_ms, _c.used_ms, _c.arrivals, _c.peak, _c.wait_ms,
    _c.cov, _c.cov_reason, _c.tq, _c.audience,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DeviceDayBody:
    """One UTC day of one device."""

    door: DoorDay | None
    zones: dict[str, ZoneDay] = field(default_factory=dict)
    streams: dict[str, Span] = field(default_factory=dict)


class RollUp:
    """Makes days of what was marked. Several may run at once, in any number of processes."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def step(self, limit: int = DAYS_AT_A_TIME) -> int:
        """Bring some days up to date in one transaction; return how many, 0 when none is left.

        Raises StoreError; then nothing was changed.
        """
        with self._db.writing() as connection:
            days = take(connection, limit)
            lines = lines_of(connection, {dev for dev, _ in days})
            made_ms = time.time_ns() // 1_000_000
            rows = [
                {"dev": dev, "day_ms": day_ms, "made_ms": made_ms}
                | {"body": body_text(made(connection, dev, day_ms, lines.get(dev)))}
                for dev, day_ms in days
            ]
            self._db.upsert(connection, DEVICE_DAYS, rows)
        return len(days)

    def run(self) -> int:
        """Bring everything up to date; return how many days were. Raises StoreError."""
        total = 0
        while days := self.step():
            total += days
        return total


def read_body(text: str) -> DeviceDayBody:
    """Read the body of a day."""
    stored = json.loads(text)
    door = stored["door"]
    return DeviceDayBody(
        None if door is None else door_of(door),
        {zone: zone_of(day) for zone, day in stored["zones"].items()},
        {stream: (first, last, n) for stream, (first, last, n) in stored["streams"].items()},
    )


def body_text(body: DeviceDayBody) -> str:
    """Return the body of a day as it is stored."""
    stored: dict[str, Any] = {
        "door": None if body.door is None else as_json(body.door),
        "zones": {zone: as_json(day) for zone, day in sorted(body.zones.items())},
        "streams": body.streams,
    }
    return json.dumps(stored, separators=(",", ":"))


def lines_of(connection: Connection, devices: set[str]) -> dict[str, frozenset[str]]:
    """Return the lines of visitors of those devices for which the registry names them."""
    query = select(DEVICES.c.dev, DEVICES.c.lines).where(
        DEVICES.c.dev.in_(sorted(devices)), DEVICES.c.lines.is_not(None)
    )
    return {dev: frozenset(json.loads(lines)) for dev, lines in connection.execute(query)}


def made(
    connection: Connection, dev: str, day_ms: int, lines: frozenset[str] | None
) -> DeviceDayBody:
    """Make a day of a device from its records."""
    query = select(*_COLUMNS).where(
        _c.dev == dev,
        _c.t0_ms > day_ms - LONGEST_RECORD_MS,
        _c.t0_ms < day_ms + DAY_MS,
        _c.t1_ms > day_ms,
    )
    rows: Sequence[Any] = connection.execute(query).all()
    of_lines = (_line(row) for row in rows if row.line is not None)
    readings = [each for each in of_lines if is_of_visitors(each, lines)]
    zones = [_zone(row) for row in rows if row.zone is not None]
    return DeviceDayBody(
        door_day(readings, day_ms) if readings else None,
        zone_days(zones, day_ms),
        _spans([row for row in rows if row.t0_ms >= day_ms]),
    )


def _line(row: Any) -> LineReading:
    return LineReading(
        row.line, row.t0_ms, row.t1_ms, row.count_in, row.count_out, row.uturn,
        row.in_low, row.in_high, row.cov, row.cov_reason, row.tq, row.audience,
    )  # fmt: skip


def _zone(row: Any) -> ZoneReading:
    return ZoneReading(
        row.zone, row.kind, row.t0_ms, row.t1_ms, row.presence_ms, row.used_ms,
        row.arrivals, row.peak, row.wait_ms, row.cov, row.cov_reason, row.tq,
    )  # fmt: skip


def _spans(rows: Sequence[Any]) -> dict[str, Span]:
    numbers: dict[str, list[int]] = {}
    for row in rows:
        if MARK not in row.stream:
            numbers.setdefault(row.stream, []).append(row.seq)
    return {stream: (min(seqs), max(seqs), len(seqs)) for stream, seqs in sorted(numbers.items())}
