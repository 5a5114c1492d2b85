"""The outbox on disk: one SQLite file, one transaction per append.

WAL with synchronous=FULL, because NORMAL loses committed rows in a power cut.
One connection behind one lock: the pipeline thread appends, the delivery
thread reads and retires, and neither holds it longer than one fsync.
"""

import json
import secrets
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from edge.errors import OutboxError
from edge.messages import RECORD_RETENTION_DAYS, chain_of, genesis, seal
from edge.readings import Totals, subject_of
from edge.vocabulary import Bucket, StoredRecord, Tip

SCHEMA_VERSION = 2
BUSY_TIMEOUT_S = 5.0
DAY_MS = 86_400_000

_TOTALS = (
    "CREATE TABLE totals (field TEXT NOT NULL, id TEXT NOT NULL, first INTEGER NOT NULL,"
    " second INTEGER NOT NULL, PRIMARY KEY (field, id)) STRICT"
)
_SCHEMA = (
    "CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 1),"
    " dev TEXT NOT NULL, stream TEXT NOT NULL, chain TEXT NOT NULL) STRICT",
    _TOTALS,
    "CREATE TABLE records (seq INTEGER PRIMARY KEY AUTOINCREMENT,"
    " body TEXT NOT NULL, crc INTEGER NOT NULL, retired_ms INTEGER) STRICT",
    "CREATE INDEX records_pending ON records (seq) WHERE retired_ms IS NULL",
    "CREATE INDEX records_retired ON records (retired_ms) WHERE retired_ms IS NOT NULL",
)

# Up to version 1 only lines had totals.
_FROM_1_TO_2 = (
    "ALTER TABLE totals RENAME TO totals_of_lines",
    _TOTALS,
    "INSERT INTO totals SELECT 'line', line, entered, departed FROM totals_of_lines",
    "DROP TABLE totals_of_lines",
)


class SqliteOutbox:
    """An Outbox in one file. A new file begins a new stream with a random id."""

    def __init__(self, path: Path, dev: str, utc: Callable[[], float] = time.time) -> None:
        """Open or create the file. Raises OutboxError naming it when that cannot be done."""
        self._path = path
        self._utc = utc
        self._lock = threading.Lock()
        self._open = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise OutboxError(
                f"{path}: cannot be opened for writing ({_reason(error)}); "
                "give a path on a disk this user may write to"
            ) from error
        self._open = True
        try:
            self._stream = self._prepared(dev)
        except BaseException:
            self.close()
            raise

    @property
    def stream(self) -> str:
        """The random id of this file."""
        return self._stream

    def append(self, buckets: Sequence[Bucket]) -> None:
        """Seal and store all buckets and the new totals in one transaction."""
        if not buckets:
            return
        with self._transaction() as db:
            dev, chain = db.execute("SELECT dev, chain FROM head").fetchone()
            for bucket in buckets:
                chain = self._append_one(bucket, dev, chain)
            db.execute("UPDATE head SET chain = ?", (chain,))

    def _append_one(self, bucket: Bucket, dev: str, chain: str) -> str:
        db = self._db
        # The number must be known before the row is written, because it is sealed into it.
        # sqlite_sequence outlives pruned rows; nobody else writes within this transaction.
        (seq,) = db.execute(
            "SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'records'"
        ).fetchone()
        subject = subject_of(bucket)
        row = db.execute(
            "SELECT first, second FROM totals WHERE field = ? AND id = ?", subject
        ).fetchone()
        totals = Totals(*(row or (0, 0))).plus(bucket)
        sealed = seal(bucket, dev, self._stream, seq, totals=totals, previous_chain=chain)
        db.execute("INSERT OR REPLACE INTO totals VALUES (?, ?, ?, ?)", (*subject, *totals))
        db.execute(
            "INSERT INTO records (seq, body, crc) VALUES (?, ?, ?)",
            (seq, sealed, _crc(seq, sealed)),
        )
        return chain_of(sealed)

    def pending(self, limit: int, after: int = 0) -> list[StoredRecord]:
        """Return the oldest records after a number that are not yet retired.

        Raises OutboxError for a damaged row.
        """
        with self._guarded() as db:
            rows = db.execute(
                "SELECT seq, body, crc FROM records WHERE retired_ms IS NULL AND seq > ?"
                " ORDER BY seq LIMIT ?",
                (after, limit),
            ).fetchall()
        for seq, body, crc in rows:
            if _crc(seq, body) != crc:
                raise OutboxError(
                    f"{self._path}: record {seq} is damaged; stop the service and move the file "
                    "away, then a new stream begins"
                )
        return [StoredRecord(self._stream, seq, body) for seq, body, _ in rows]

    def retire(self, stream: str, upto: int) -> None:
        """Mark as delivered, and delete what was delivered long ago. Ignores other streams."""
        if stream != self._stream:
            return
        with self._transaction():
            self._retire_spans([(1, upto)])

    def commit(self, stream: str, upto: int, have: Sequence[tuple[int, int]] = ()) -> None:
        """Make retired exactly what a backend has, in one transaction. Ignores other streams."""
        if stream != self._stream:
            return
        spans = [(1, upto), *have]
        kept = " AND ".join(["seq NOT BETWEEN ? AND ?"] * len(spans))
        with self._transaction() as db:
            db.execute(
                f"UPDATE records SET retired_ms = NULL WHERE retired_ms IS NOT NULL AND {kept}",  # noqa: S608
                [number for span in spans for number in span],
            )
            self._retire_spans(spans)

    def _retire_spans(self, spans: Sequence[tuple[int, int]]) -> None:
        now_ms = int(self._utc() * 1000)
        self._db.executemany(
            "UPDATE records SET retired_ms = ? WHERE retired_ms IS NULL AND seq BETWEEN ? AND ?",
            [(now_ms, *span) for span in spans],
        )
        self._db.execute(
            "DELETE FROM records WHERE retired_ms < ?",
            (now_ms - RECORD_RETENTION_DAYS * DAY_MS,),
        )

    def tip(self) -> Tip:
        """Return how far the stream goes, in one look at the file."""
        with self._guarded() as db:
            chain, seq, body = db.execute(
                "SELECT chain, (SELECT coalesce(max(seq), 0) FROM sqlite_sequence"
                " WHERE name = 'records'), (SELECT body FROM records ORDER BY seq DESC LIMIT 1)"
                " FROM head"
            ).fetchone()
        until = datetime.fromisoformat(json.loads(body)["t1"]).timestamp() if body else 0
        return Tip(self._stream, seq, chain, round(until * 1000))

    def depth(self) -> int:
        """Count the records not yet retired."""
        with self._guarded() as db:
            row = db.execute("SELECT count(*) FROM records WHERE retired_ms IS NULL").fetchone()
        return int(row[0])

    def close(self) -> None:
        """Close the file; idempotent."""
        with self._lock:
            if self._open:
                self._open = False
                self._db.close()

    def _prepared(self, dev: str) -> str:
        with self._guarded() as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA_VERSION:
                raise OutboxError(
                    f"{self._path}: was written by a newer version of lobbycount "
                    f"(schema {version}, this one reads {SCHEMA_VERSION}); install that version"
                )
            if version == 0 and db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                raise OutboxError(
                    f"{self._path}: is a database of something else; give a file of its own"
                )
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
        if version == 0:
            self._create(dev)
        elif version < SCHEMA_VERSION:
            self._run(_FROM_1_TO_2)
        with self._guarded() as db:
            owner, stream = db.execute("SELECT dev, stream FROM head").fetchone()
        if owner != dev:
            raise OutboxError(
                f"{self._path}: holds the records of device {owner!r}, not {dev!r}; "
                "give this device another file"
            )
        return str(stream)

    def _create(self, dev: str) -> None:
        stream = secrets.token_hex(8)
        head = (dev, stream, genesis(dev, stream))
        self._run(_SCHEMA, ("INSERT INTO head VALUES (1, ?, ?, ?)", head))

    def _run(self, statements: Sequence[str], *filled: tuple[str, tuple[str, ...]]) -> None:
        """Bring the file to the present schema, all of it or nothing."""
        with self._transaction() as db:
            for statement in statements:
                db.execute(statement)
            for statement, values in filled:
                db.execute(statement, values)
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._guarded() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    @contextmanager
    def _guarded(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if not self._open:
                raise OutboxError(f"{self._path}: the outbox is closed")
            try:
                yield self._db
            except sqlite3.Error as error:
                raise OutboxError(f"{self._path}: {_reason(error)}") from error


def _crc(seq: int, body: str) -> int:
    return zlib.crc32(f"{seq}:{body}".encode())


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, sqlite3.DatabaseError) and "not a database" in str(error):
        return "is not an outbox database; move it away, then a new one begins"
    return str(error)
