"""The backend's records: one transaction a batch, and what it has of each stream.

A number counts as had when its record is in `records`, or in `rejected` with a readable key.
Beside them `streams` keeps this as a watermark, written in the same transaction; its row is
also the lock that lets several receivers write to one database.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection, bindparam, select, tuple_, update
from sqlalchemy.sql.elements import ColumnElement

from evaluation.batch import Batch, StreamKey
from evaluation.database import Database
from evaluation.dirty_days import mark
from evaluation.errors import UnstorableError
from evaluation.ingest import Key, Reading, rejected
from evaluation.reused import keep_reused
from evaluation.shared_packages import SharedPackage, store_continued
from evaluation.tables import HEADS, KEY, RECORDS, REJECTED, STREAMS, Row
from evaluation.watermark import Watermark, spans_of

KEYS_PER_QUERY = 500
_T = TypeVar("_T")

_UPDATE_STREAM = update(STREAMS).where(
    STREAMS.c.dev == bindparam("of_dev"), STREAMS.c.stream == bindparam("of_stream")
)


@dataclass(frozen=True, slots=True)
class StreamState:
    """What is committed of one stream, and where its device listens for it."""

    tenant: str
    dev: str
    stream: str
    watermark: Watermark


@dataclass(frozen=True, slots=True)
class Committed:
    """What one transaction did. `streams` are those to be acked.

    rejects: topic and reason of what was kept but not counted, also where it was kept before.
    reused: topic and reason of new records whose number is that of another one.
    shared: site packages that one more stream goes on from, beside another.
    """

    streams: tuple[StreamState, ...] = ()
    new_records: int = 0
    repeated: int = 0
    rejects: tuple[tuple[str, str], ...] = ()
    reused: tuple[tuple[str, str], ...] = ()
    shared: tuple[SharedPackage, ...] = ()


class Store:
    """Records in a database. Use from one thread; any number of processes may have one each."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def commit(self, readings: Sequence[Reading], received_ms: int) -> Committed:
        """Store everything in one transaction; when this returns it is on the disk.

        A message with something that the database refuses is kept as raw text instead.
        Raises StoreError; then nothing was stored.
        """
        try:
            return self._commit(readings, received_ms)
        except UnstorableError as error:
            if len(readings) == 1:
                [bad] = readings
                raw = rejected(bad.topic, bad.payload, str(error), bad.tenant)
                return self._commit([raw], received_ms)
        parts = [self.commit([reading], received_ms) for reading in readings]
        return Committed(
            tuple({(s.dev, s.stream): s for part in parts for s in part.streams}.values()),
            sum(part.new_records for part in parts),
            sum(part.repeated for part in parts),
            tuple(reject for part in parts for reject in part.rejects),
            tuple(reused for part in parts for reused in part.reused),
            tuple(shared for part in parts for shared in part.shared),
        )

    def _commit(self, readings: Sequence[Reading], received_ms: int) -> Committed:
        batch = Batch(received_ms)
        for reading in readings:
            batch.add(reading)
        with self._db.writing() as connection:
            held = self._lock(connection, batch)
            rows = list(batch.records.values())
            new = self._db.insert_new(connection, RECORDS, rows)
            if new < len(rows):
                _compare_with_stored(connection, batch)
            kept = keep_reused(self._db, connection, batch)
            mark(self._db, connection, rows)
            self._db.insert_new(connection, HEADS, batch.heads)
            shared = store_continued(self._db, connection, batch.continued)
            # Sorted, so that two receivers with the same rejects cannot wait for each other.
            batch.rejects.sort(key=lambda row: str(row["digest"]))
            self._db.insert_new(connection, REJECTED, batch.rejects)
            streams = _write_watermarks(connection, batch, held)
        rejects = tuple((row["topic"], row["reason"]) for row in batch.rejects)
        reused = tuple((clash.reading.topic, clash.reason) for clash in kept)
        repeated = batch.repeated + len(rows) - new - len(kept)
        return Committed(streams, new + len(kept), repeated, rejects, reused, shared)

    def _lock(self, connection: Connection, batch: Batch) -> dict[StreamKey, Watermark]:
        """Lock the rows of the streams, always in the same order; return their watermarks."""
        keys = sorted(batch.tenants)
        new = [
            {"dev": dev, "stream": stream, "tenant": batch.tenants[dev, stream]}
            | {"upto": 0, "have": "[]", "seen_ms": batch.received_ms}
            for dev, stream in keys
        ]
        self._db.insert_new(connection, STREAMS, new)
        return {
            (state.dev, state.stream): state.watermark
            for some in _chunks(keys)
            for state in _states(connection, _stream_in(some), lock=True)
        }

    def streams(self, after: str, limit: int, tenant: str | None = None) -> list[StreamState]:
        """Return the streams of `limit` devices by device, after one name; last heard, last.

        Raises StoreError.
        """
        of_one_tenant = [] if tenant is None else [STREAMS.c.tenant == tenant]
        pick = select(STREAMS.c.dev).where(STREAMS.c.dev > after, *of_one_tenant)
        pick = pick.distinct().order_by(STREAMS.c.dev).limit(limit)
        with self._db.reading() as connection:
            devices = list(connection.execute(pick).scalars())
            return _states(connection, STREAMS.c.dev.in_(devices), latest_last=True)

    def state(self, dev: str, stream: str) -> StreamState | None:
        """Return what is committed of one stream; None when it is not known."""
        with self._db.reading() as connection:
            return next(iter(_states(connection, _stream_in([(dev, stream)]))), None)

    def recount(self, dev: str, stream: str) -> StreamState | None:
        """Compute the watermark of a stream anew from what is stored, and keep that.

        Returns None when the stream is not known. Raises StoreError.
        """
        with self._db.writing() as connection:
            found = _states(connection, _stream_in([(dev, stream)]), lock=True)
            if not found:
                return None
            numbers: list[int] = []
            for table in (RECORDS, REJECTED):
                rows = select(table.c.seq).where(table.c.dev == dev, table.c.stream == stream)
                numbers += connection.execute(rows).scalars()
            watermark = Watermark().plus(spans_of(numbers))
            row = _watermark_row(watermark) | {"of_dev": dev, "of_stream": stream}
            connection.execute(_UPDATE_STREAM, row)
        return StreamState(found[0].tenant, dev, stream, watermark)


def _compare_with_stored(connection: Connection, batch: Batch) -> None:
    """Find the records whose number was taken, perhaps by another text."""
    for some in _chunks(sorted(batch.records)):
        query = select(*KEY, RECORDS.c.body).where(tuple_(*KEY).in_(some))
        for dev, stream, seq, body in connection.execute(query):
            key = Key(dev, stream, seq)
            batch.compare(batch.records[key], body, batch.readings[key])


def _write_watermarks(
    connection: Connection, batch: Batch, held: dict[StreamKey, Watermark]
) -> tuple[StreamState, ...]:
    states, rows = [], []
    for (dev, stream), tenant in sorted(batch.tenants.items()):
        watermark = held[dev, stream].plus(spans_of(batch.numbers[dev, stream]))
        states.append(StreamState(tenant, dev, stream, watermark))
        row: Row = {"of_dev": dev, "of_stream": stream, "tenant": tenant}
        rows.append(row | {"seen_ms": batch.received_ms} | _watermark_row(watermark))
    if rows:
        connection.execute(_UPDATE_STREAM, rows)
    return tuple(states)


def _watermark_row(watermark: Watermark) -> Row:
    return {"upto": watermark.upto, "have": json.dumps(watermark.have)}


def _states(
    connection: Connection,
    which: ColumnElement[bool],
    *,
    lock: bool = False,
    latest_last: bool = False,
) -> list[StreamState]:
    query = select(STREAMS).where(which)
    query = query.order_by(
        STREAMS.c.dev, *([STREAMS.c.seen_ms] if latest_last else []), STREAMS.c.stream
    )
    rows = connection.execute(query.with_for_update() if lock else query)
    return [
        StreamState(row.tenant, row.dev, row.stream, _watermark(row.upto, row.have)) for row in rows
    ]


def _watermark(upto: int, have: str) -> Watermark:
    return Watermark(upto, tuple((first, last) for first, last in json.loads(have)))


def _stream_in(keys: Sequence[StreamKey]) -> ColumnElement[bool]:
    return tuple_(STREAMS.c.dev, STREAMS.c.stream).in_(keys)


def _chunks(items: list[_T]) -> Iterable[list[_T]]:
    return (items[at : at + KEYS_PER_QUERY] for at in range(0, len(items), KEYS_PER_QUERY))
