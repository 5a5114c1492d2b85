"""The outbox on disk: one SQLite file, one transaction per append.

What is done with it stands here; how the file is kept whole, in `outbox_file`.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from edge.adapters import outbox_schema as schema
from edge.adapters.outbox_file import Connect, OutboxFile, connect
from edge.adapters.outbox_schema import DamagedError, Database, crc_of
from edge.bucket_text import bucket_text, read_bucket
from edge.errors import MessageError
from edge.messages import RECORD_RETENTION_DAYS
from edge.readings import Totals, subject_of
from edge.sealing import chain_of, iso_utc, seal
from edge.vocabulary import Bucket, StoredRecord, Tip, Waiting

DAY_MS = 86_400_000
QUOTA_MB = 200.0
"""35 days of 8 lines at 15 minutes take about 16 MB."""

Span = tuple[int, int]


class SqliteOutbox:
    """An Outbox in one file. A new file begins a new stream with a random id."""

    def __init__(
        self,
        path: Path,
        dev: str,
        utc: Callable[[], float] = time.time,
        *,
        quota_mb: float = QUOTA_MB,
        connect: Connect = connect,
    ) -> None:
        """Open or create the file.

        Raises OutboxError naming it when it never can be: a folder this user may not write,
        or a file of another device. With a full disk it is opened later, when it is used.
        """
        self._utc = utc
        self._file = OutboxFile(path, dev, utc, quota_mb, connect)

    def watch(self, during_call: Callable[[], AbstractContextManager[object]]) -> None:
        """Enter such a context for every call of the database; it may watch that each returns."""
        self._file.during_call = during_call

    @property
    def stream(self) -> str:
        """The random id of the present stream. Raises OutboxError while it cannot be opened."""
        return self._file.stream or self._file.do(lambda _: self._file.stream)

    @property
    def dated_until_ms(self) -> int:
        """The latest end of an interval in this stream; 0 while there is none."""
        return self._file.until_ms

    @property
    def trouble(self) -> str | None:
        """What was wrong with the file and what could be saved."""
        return self._file.trouble

    def append(self, buckets: Sequence[Bucket], settled: Sequence[int] = ()) -> None:
        """Seal and store all buckets and the new totals in one transaction."""
        if not buckets and not settled:
            return

        def store(db: Database) -> int:
            head = schema.head_of(db)
            for bucket in buckets:
                head = _append_one(db, bucket, head)
            schema.put_head(db, head)
            db.execute("DELETE FROM waiting WHERE draft = 1")
            db.executemany("DELETE FROM waiting WHERE id = ?", [(each,) for each in settled])
            self._file.check_quota(db)
            return head.until_ms

        self._file.until_ms = self._file.write(store)

    def wait(
        self,
        buckets: Sequence[Bucket],
        *,
        boot: str | None = None,
        guess_ms: int = 0,
        draft: bool = False,
    ) -> None:
        """Store buckets that are no records yet, in the place of the last draft."""
        texts = [bucket_text(bucket) for bucket in buckets]
        rows = [(draft, boot, guess_ms, text, crc_of(text)) for text in texts]

        def store(db: Database) -> None:
            db.execute("DELETE FROM waiting WHERE draft = 1")
            db.executemany(
                "INSERT INTO waiting (draft, boot, guess_ms, body, crc) VALUES (?, ?, ?, ?, ?)",
                rows,
            )
            self._file.check_quota(db)

        self._file.write(store)

    def waiting(self) -> list[Waiting]:
        """Return what waits, oldest first, without the draft of this run."""
        return self._file.do(_waiting)

    def begin_stream(self) -> None:
        """Begin a new stream; the records of the present one stay, under their keys."""

        def begin(db: Database) -> schema.Head:
            old = schema.head_of(db)
            db.execute(
                "INSERT INTO earlier SELECT ?, seq, body, crc, retired_ms FROM records",
                (old.stream,),
            )
            db.execute("DELETE FROM records")
            db.execute("DELETE FROM totals")
            new = schema.new_head(old.dev)
            schema.put_head(db, new)
            return new

        new = self._file.write(begin)
        self._file.stream, self._file.until_ms = new.stream, new.until_ms

    def streams(self, *, retired: bool = False) -> list[str]:
        """Return the streams with records not yet retired, or with any; the present one last."""
        which = "" if retired else "WHERE retired_ms IS NULL"

        def look(db: Database) -> list[str]:
            found = db.execute(
                f"SELECT stream FROM earlier {which} GROUP BY stream ORDER BY min(rowid)"  # noqa: S608
            )
            streams = [stream for (stream,) in found.fetchall()]
            own = db.execute(f"SELECT 1 FROM records {which} LIMIT 1").fetchone()  # noqa: S608
            return [*streams, self._file.stream] if own else streams

        return self._file.do(look)

    def pending(self, limit: int, after: int = 0, stream: str | None = None) -> list[StoredRecord]:
        """Return the oldest records of a stream after a number that are not yet retired."""

        def look(db: Database) -> list[StoredRecord]:
            of = self._file.stream if stream is None else stream
            table, key = self._table(of)
            rows = db.execute(
                f"SELECT seq, body, crc FROM {table} WHERE retired_ms IS NULL AND {key}"  # noqa: S608
                " AND seq > ? ORDER BY seq LIMIT ?",
                (of, after, limit),
            )
            return _checked(of, rows.fetchall())

        return self._file.do(look)

    def between(
        self, t0_ms: int, t1_ms: int, limit: int, after: int = 0, stream: str | None = None
    ) -> list[StoredRecord]:
        """Return records of one stream that overlap [t0_ms, t1_ms), retired or not."""

        def look(db: Database) -> list[StoredRecord]:
            of = self._file.stream if stream is None else stream
            table, key = self._table(of)
            rows = db.execute(
                f"SELECT seq, body, crc FROM {table} WHERE {key} AND seq > ?"  # noqa: S608
                " AND julianday(json_extract(body, '$.t0')) < julianday(?)"
                " AND julianday(json_extract(body, '$.t1')) > julianday(?) ORDER BY seq LIMIT ?",
                (of, after, iso_utc(t1_ms), iso_utc(t0_ms), limit),
            )
            return _checked(of, rows.fetchall())

        return self._file.do(look)

    def retire(self, stream: str, upto: int) -> None:
        """Mark as delivered, and delete what was delivered long ago. Ignores unknown streams."""
        self._file.write(lambda db: self._retire_spans(db, stream, [(1, upto)]))

    def commit(self, stream: str, upto: int, have: Sequence[Span] = ()) -> None:
        """Make retired exactly what a backend has, in one transaction. Ignores unknown streams."""
        spans = [(1, upto), *have]
        kept = " AND ".join(["seq NOT BETWEEN ? AND ?"] * len(spans))

        def settle(db: Database) -> None:
            table, key = self._table(stream)
            db.execute(
                f"UPDATE {table} SET retired_ms = NULL"  # noqa: S608
                f" WHERE retired_ms IS NOT NULL AND {key} AND {kept}",
                [stream, *(number for span in spans for number in span)],
            )
            self._retire_spans(db, stream, spans)

        self._file.write(settle)

    def tip(self) -> Tip:
        """Return how far the present stream goes, retired or not."""

        def look(db: Database) -> Tip:
            _, stream, seq, chain, until_ms = schema.head_of(db)
            return Tip(stream, seq, chain, until_ms)

        return self._file.do(look)

    def depth(self) -> int:
        """Count the records not yet retired, of all streams."""
        return self._file.do(
            lambda db: int(
                db.execute(
                    "SELECT (SELECT count(*) FROM records WHERE retired_ms IS NULL)"
                    " + (SELECT count(*) FROM earlier WHERE retired_ms IS NULL)"
                ).fetchone()[0]
            )
        )

    def close(self) -> None:
        """Close the file; idempotent."""
        self._file.close()

    def _table(self, stream: str) -> tuple[str, str]:
        if stream == self._file.stream:
            return "records", "'' <> ?"
        return "earlier", "stream = ?"

    def _retire_spans(self, db: Database, stream: str, spans: Sequence[Span]) -> None:
        now_ms = int(self._utc() * 1000)
        table, key = self._table(stream)
        db.executemany(
            f"UPDATE {table} SET retired_ms = ?"  # noqa: S608
            f" WHERE retired_ms IS NULL AND {key} AND seq BETWEEN ? AND ?",
            [(now_ms, stream, *span) for span in spans],
        )
        too_old_ms = now_ms - RECORD_RETENTION_DAYS * DAY_MS
        db.execute("DELETE FROM records WHERE retired_ms < ?", (too_old_ms,))
        db.execute("DELETE FROM earlier WHERE retired_ms < ?", (too_old_ms,))


def _append_one(db: Database, bucket: Bucket, head: schema.Head) -> schema.Head:
    subject = subject_of(bucket)
    totals = Totals(*schema.totals_of(db, *subject)).plus(bucket)
    seq = head.seq + 1
    sealed = seal(bucket, head.dev, head.stream, seq, totals=totals, previous_chain=head.chain)
    schema.put_totals(db, *subject, *totals)
    db.execute(
        "INSERT INTO records (seq, body, crc) VALUES (?, ?, ?)", (seq, sealed, crc_of(seq, sealed))
    )
    until_ms = max(head.until_ms, bucket.t1_ms)
    return head._replace(seq=seq, chain=chain_of(sealed), until_ms=until_ms)


def _checked(stream: str, rows: Sequence[tuple[int, str, int]]) -> list[StoredRecord]:
    for seq, body, crc in rows:
        if crc_of(seq, body) != crc:
            raise DamagedError(f"record {seq}")
    return [StoredRecord(stream, seq, body) for seq, body, _ in rows]


def _waiting(db: Database) -> list[Waiting]:
    rows = db.execute(
        "SELECT id, boot, guess_ms, body, crc FROM waiting WHERE draft = 0 ORDER BY id"
    ).fetchall()
    found = []
    for number, boot, guess_ms, body, crc in rows:
        try:
            if crc_of(body) != crc:
                raise MessageError("its checksum is wrong")
            found.append(Waiting(number, read_bucket(body), boot, guess_ms))
        except MessageError as error:
            raise DamagedError(f"waiting interval {number}: {error}") from None
    return found
