"""Whether the database has exactly what the devices counted: no row less, none more, none other."""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from sqlalchemy import func, select

from evaluation.database import Database
from evaluation.tables import RECORDS, REJECTED

from .device import DeviceFacts

KINDS = ("in", "out", "uturn", "ambiguous", "born_past_line", "arrivals", "departures")
_COLUMNS = ("count_in", "count_out", *KINDS[2:])
SHOWN = 10
ROWS_AT_A_TIME = 2000

StreamKey = tuple[str, str]


@dataclass(slots=True)
class Found:
    """What the database has of the streams of a fleet."""

    rows: Counter[StreamKey] = field(default_factory=Counter)
    lasts: dict[StreamKey, int] = field(default_factory=dict)
    digests: Counter[StreamKey] = field(default_factory=Counter)
    sums: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    intervals: Counter[tuple[str, str, str, int]] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the comparison gave. `wrong` are sentences, at most a few of them."""

    in_database: int
    missing: int
    duplicates: int
    conflicts: int
    is_exact: bool
    wrong: tuple[str, ...]


def compare(url: str, tenant: str, facts: Sequence[DeviceFacts], since_ms: int) -> Verdict:
    """Compare; since_ms: when the run began, UTC. Raises StoreError."""
    ours = {(device.dev, stream): of for device in facts for stream, of in device.streams.items()}
    with closing(Database(url)) as database:
        found = _found(database, tenant, ours.keys())
        conflicts = _rejected(database, tenant, since_ms)
    wrong = [*_wrong_streams(ours, found), *_wrong_sums(facts, found)]
    twice = sum(count - 1 for count in found.intervals.values())
    if twice:
        wrong.append(f"{twice} intervals stand twice in one stream")
    if conflicts:
        wrong.append(f"{conflicts} records or messages were kept but not counted")
    return Verdict(
        in_database=found.rows.total(),
        missing=sum(of.records for of in ours.values()) - found.rows.total(),
        duplicates=twice,
        conflicts=conflicts,
        is_exact=not wrong,
        wrong=tuple(wrong[:SHOWN]),
    )


def _found(database: Database, tenant: str, ours: Iterable[StreamKey]) -> Found:
    wanted, found = set(ours), Found()
    c = RECORDS.c
    columns = [c.dev, c.stream, c.seq, c.line, c.zone, c.t0_ms, c.body, *(c[n] for n in _COLUMNS)]
    with database.reading() as connection:
        query = select(*columns).where(c.tenant == tenant)
        for row in connection.execution_options(yield_per=ROWS_AT_A_TIME).execute(query):
            if (row.dev, row.stream) in wanted:
                _add(found, row)
    return found


def _add(found: Found, row: Any) -> None:
    key, subject = (row.dev, row.stream), row.line or row.zone
    found.rows[key] += 1
    found.lasts[key] = max(found.lasts.get(key, 0), row.seq)
    found.digests[key] += crc32(row.body.encode())
    found.intervals[row.dev, row.stream, subject, row.t0_ms] += 1
    for kind, column in zip(KINDS, _COLUMNS, strict=True):
        if value := getattr(row, column):
            found.sums[row.dev, subject, kind] += value


def _rejected(database: Database, tenant: str, since_ms: int) -> int:
    query = select(func.count()).where(
        REJECTED.c.topic.startswith(f"pc/v1/{tenant}/"), REJECTED.c.received_ms >= since_ms
    )
    with database.reading() as connection:
        return int(connection.execute(query).scalar_one())


def _wrong_streams(ours: dict[StreamKey, Any], found: Found) -> Iterable[str]:
    for (dev, stream), of in ours.items():
        rows, last = found.rows[dev, stream], found.lasts.get((dev, stream), 0)
        if (rows, last) != (of.records, of.last):
            yield (
                f"{dev}, stream {stream}: {rows} records up to {last} are in the database,"
                f" {of.records} up to {of.last} were made"
            )
        elif found.digests[dev, stream] != of.digest:
            yield f"{dev}, stream {stream}: a record is not the one that was made"


def _wrong_sums(facts: Sequence[DeviceFacts], found: Found) -> Iterable[str]:
    for device in facts:
        for (subject, kind), counted in device.counted.items():
            stored = found.sums[device.dev, subject, kind]
            if stored != counted:
                yield f"{device.dev}, {subject}: {stored} {kind} in the database, {counted} counted"
