"""The outbox on disk: one SQLite file, one transaction per append.

What is done with it stands here; how the file is kept whole, in `outbox_file`.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from edge.adapters import outbox_schema as schema
from edge.adapters import outbox_waiting as waiting_rows
from edge.adapters.outbox_errors import DamagedError
from edge.adapters.outbox_file import OutboxFile, connect
from edge.adapters.outbox_replace import Connect
from edge.adapters.outbox_schema import Database, crc_of
from edge.messages import RECORD_RETENTION_DAYS
from edge.readings import Totals, subject_of
from edge.sealing import chain_of, iso_utc, seal
from edge.vocabulary import Bucket, StoredRecord, Tip, Waiting

DAY_MS = 86_400_000
QUOTA_MB = 200.0
"""35 days of 8 lines at 15 minutes take about 16 MB."""

MOST = 2**63 - 1
"""SQLite has no larger numbers; an ack may."""

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
        self._drafts: tuple[int, ...] = ()
        """What waits but is not final yet; whatever an earlier run left is."""

    def watch(self, during_call: Callable[[], AbstractContextManager[object]]) -> None:
        """Enter such a context for every call of the database; it may watch that each returns."""
        self._file.during_call = during_call

    @property
    def stream(self) -> str:
        """The random id of the present stream. Raises OutboxError while it cannot be opened."""
        return self._head().stream

    @property
    def dated_until_ms(self) -> int:
        """The latest end of an interval in this stream; 0 while there is none."""
        head = self._file.head
        return 0 if head is None else head.until_ms

    @property
    def trouble(self) -> str | None:
        """What was wrong with the file and what could be saved."""
        return self._file.trouble

    def append(self, buckets: Sequence[Bucket], settled: Sequence[int] = ()) -> None:
        """Seal and store all buckets and the new totals in one transaction."""
        if not buckets and not settled:
            return

        def store(db: Database, head: schema.Head) -> schema.Head:
            # First, so that there is room for the records that are made of it.
            waiting_rows.forget(db, [*settled, *self._drafts])
            for bucket in buckets:
                head = _append_one(db, bucket, head)
            return head

        self._file.advance(store)
        self._drafts = ()

    def wait(
        self,
        buckets: Sequence[Bucket],
        *,
        boot: str | None = None,
        guess_ms: int = 0,
        draft: bool = False,
    ) -> None:
        """Store buckets that are no records yet, in the place of the last draft."""
        ids: list[int] = []

        def store(db: Database, head: schema.Head) -> schema.Head:
            waiting_rows.forget(db, self._drafts)
            ids[:] = range(head.numbered + 1, head.numbered + 1 + len(buckets))
            for number, bucket in zip(ids, buckets, strict=True):
                waiting_rows.insert(db, Waiting(number, bucket, boot, guess_ms), head.mark + 1)
            return head if draft else head._replace(numbered=head.numbered + len(buckets))

        self._file.advance(store)
        self._drafts = tuple(ids) if draft else ()

    def keep_draft(self) -> None:
        """Give the draft a number of its own, so that nothing takes its place."""
        drafts = self._drafts
        if drafts:
            self._file.advance(lambda _, head: head._replace(numbered=max(head.numbered, *drafts)))
            self._drafts = ()

    def waiting(self) -> list[Waiting]:
        """Return what waits, oldest first, without the draft of this run."""
        drafts = self._drafts
        return [each for each in self._file.do(waiting_rows.waiting_of) if each.id not in drafts]

    def begin_stream(self) -> None:
        """Begin a new stream; the records of the present one stay, under their keys."""

        def begin(db: Database, head: schema.Head) -> schema.Head:
            schema.move_to_earlier(db, head.stream)
            return schema.new_head(head.dev, head.mark, head.numbered)

        self._file.advance(begin)

    def streams(self, *, retired: bool = False) -> list[str]:
        """Return the streams with records not yet retired, or with any; the present one last."""
        which = "" if retired else "WHERE retired_ms IS NULL"

        def look(db: Database) -> list[str]:
            found = db.execute(
                f"SELECT stream FROM earlier {which} GROUP BY stream ORDER BY min(rowid)"  # noqa: S608
            )
            streams = [stream for (stream,) in found.fetchall()]
            own = db.execute(f"SELECT 1 FROM records {which} LIMIT 1").fetchone()  # noqa: S608
            return [*streams, self._present()] if own else streams

        return self._file.do(look)

    def pending(self, limit: int, after: int = 0, stream: str | None = None) -> list[StoredRecord]:
        """Return the oldest records of a stream after a number that are not yet retired."""

        def look(db: Database) -> list[StoredRecord]:
            of = self._present() if stream is None else stream
            table, key = self._table(of)
            rows = db.execute(
                f"SELECT seq, body, crc FROM {table} WHERE retired_ms IS NULL AND {key}"  # noqa: S608
                " AND seq > ? ORDER BY seq LIMIT ?",
                (of, min(after, MOST), min(limit, MOST)),
            )
            return _checked(of, rows.fetchall())

        return self._file.do(look)

    def between(
        self, t0_ms: int, t1_ms: int, limit: int, after: int = 0, stream: str | None = None
    ) -> list[StoredRecord]:
        """Return records of one stream that overlap [t0_ms, t1_ms), retired or not."""

        def look(db: Database) -> list[StoredRecord]:
            of = self._present() if stream is None else stream
            table, key = self._table(of)
            rows = db.execute(
                f"SELECT seq, body, crc FROM {table} WHERE {key} AND seq > ?"  # noqa: S608
                " AND julianday(json_extract(body, '$.t0')) < julianday(?)"
                " AND julianday(json_extract(body, '$.t1')) > julianday(?) ORDER BY seq LIMIT ?",
                (of, min(after, MOST), iso_utc(t1_ms), iso_utc(t0_ms), min(limit, MOST)),
            )
            return _checked(of, rows.fetchall())

        return self._file.do(look)

    def retire(self, stream: str, upto: int) -> None:
        """Mark as delivered, and delete what was delivered long ago. Ignores unknown streams."""
        self._file.write(lambda db: self._retire_spans(db, stream, [(1, min(upto, MOST))]))

    def commit(self, stream: str, upto: int, have: Sequence[Span] = ()) -> None:
        """Make retired exactly what a backend has, in one transaction. Ignores unknown streams."""
        spans = [(min(a, MOST), min(b, MOST)) for a, b in ((1, upto), *have)]
        kept = " AND ".join(["seq NOT BETWEEN ? AND ?"] * len(spans))

        def settle(db: Database, head: schema.Head) -> schema.Head | None:
            table, key = self._table(stream)
            pending_again = db.execute(
                f"UPDATE {table} SET retired_ms = NULL"  # noqa: S608
                f" WHERE retired_ms IS NOT NULL AND {key} AND {kept}",
                [stream, *(number for span in spans for number in span)],
            ).rowcount
            self._retire_spans(db, stream, spans)
            return head if pending_again > 0 else None

        self._file.advance(settle)

    def tip(self) -> Tip:
        """Return how far the stream goes."""
        head = self._head()
        return Tip(head.stream, head.seq, head.chain, head.until_ms)

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

    def _head(self) -> schema.Head:
        head = self._file.head
        if head is None:  # not opened yet, or being replaced just now
            self._file.do(lambda _: None)
            head = self._file.head
            assert head is not None
        return head

    def _present(self) -> str:
        """Return the present stream, to what is done with the open file."""
        assert self._file.head is not None
        return self._file.head.stream

    def _table(self, stream: str) -> tuple[str, str]:
        if stream == self._present():
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
