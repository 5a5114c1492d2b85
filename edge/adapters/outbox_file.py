"""The outbox's file: opened, checked, kept within its quota, replaced when it is damaged.

WAL with synchronous=FULL, because NORMAL loses committed rows in a power cut.
One connection behind one lock: the pipeline thread appends, the delivery
thread reads and retires, and neither holds it longer than one fsync.

Counting never stops for it. A damaged file is put aside, what can be read of it goes on to be
delivered under its old keys, and a new stream begins (`outbox_salvage`). On a full disk, or
at the quota, delivered records make room; when none are left, the write raises and the
caller keeps what it has.
"""

import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TypeVar

import structlog

from edge.adapters import outbox_schema as schema
from edge.adapters.outbox_salvage import put_aside, salvage
from edge.adapters.outbox_schema import DamagedError, Database, crc_of
from edge.errors import OutboxError

BUSY_TIMEOUT_S = 5.0
CHECKPOINT_PAGES = 64
"""A small log, for small disks."""
ROOM_ROWS = 500
"""So many delivered records make room at a time."""
RESERVE_PAGES = 64
"""Beyond the quota, so that a delivery can always be noted: that needs a page now and then."""
LEAST_FREE_BYTES = 1_000_000
_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

T = TypeVar("T")
Connect = Callable[[Path], Database]
_log = structlog.get_logger(__name__)


def connect(path: Path) -> Database:
    """Open a file the way the outbox needs it: no implicit transactions, any thread."""
    return sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )


class OutboxFile:
    """One SQLite file, safe to use from several threads."""

    def __init__(
        self, path: Path, dev: str, utc: Callable[[], float], quota_mb: float, connect: Connect
    ) -> None:
        """Open or create it; see SqliteOutbox."""
        self._path, self._dev, self._utc = path, dev, utc
        self._connect, self._quota_mb = connect, quota_mb
        self._lock = threading.Lock()
        self._db: Database | None = None
        self._closed = False
        self._drafts_are_final = False
        self._most_pages = 0
        self.stream, self.until_ms = "", 0
        """The present stream and the latest date in it; "" and 0 before the first opening."""
        self.trouble: str | None = None
        self.during_call: Callable[[], AbstractContextManager[object]] = nullcontext
        """Entered for every call; watches that it returns."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock:
                self._opened()
        except OSError as error:
            raise OutboxError(self._cannot_open(error.strerror or str(error))) from error
        except sqlite3.Error as error:
            if _code(error) not in _NO_ROOM or not _lacks_room(path, error):
                raise OutboxError(self._cannot_open(str(error))) from error
            _log.error("outbox.unwritable", reason=str(error))

    def close(self) -> None:
        """Close the file; idempotent."""
        with self._lock:
            self._closed = True
            self._forget_connection()

    def write(self, work: Callable[[Database], T]) -> T:
        """Do it in a transaction; where there is no room, make some and try once more."""
        try:
            return self.do(lambda db: _in_transaction(db, work))
        except OutboxError as error:
            if _code(error.__cause__) not in _NO_ROOM:
                raise
        self.do(_make_room)
        return self.do(lambda db: _in_transaction(db, work))

    def check_quota(self, db: Database) -> None:
        """Refuse what was added in this transaction when it is too much.

        Raises sqlite3.OperationalError as SQLite does at a limit of its own.
        """
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        (free,) = db.execute("PRAGMA freelist_count").fetchone()
        if pages - free > self._most_pages:
            error = sqlite3.OperationalError(f"full: the quota of {self._quota_mb:g} MB is used up")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error

    def do(self, work: Callable[[Database], T]) -> T:
        """Do it with the open file; with a new one where the file turns out to be damaged.

        Raises OutboxError.
        """
        with self._lock, self.during_call():
            if self._closed:
                raise OutboxError(f"{self._path}: the outbox is closed")
            try:
                try:
                    return work(self._opened())
                except (DamagedError, sqlite3.DatabaseError) as error:
                    if not _is_damage(error):
                        raise
                    self._replace(error)
                    return work(self._opened())
            except (sqlite3.Error, OSError, DamagedError) as error:
                if _code(error) == sqlite3.SQLITE_IOERR:
                    self._forget_connection()
                raise OutboxError(f"{self._path}: {error}") from error

    def _opened(self) -> Database:
        """Return the connection, opened and checked if there is none yet."""
        if self._db is not None:
            return self._db
        try:
            self._open()
        except (DamagedError, sqlite3.DatabaseError) as error:
            if not _is_damage(error):
                raise
            self._replace(error)
        assert self._db is not None
        return self._db

    def _open(self) -> None:
        self._db = db = self._connect(self._path)
        try:
            (count,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            (page_bytes,) = db.execute("PRAGMA page_size").fetchone()
            pages = int(self._quota_mb * 1e6 / page_bytes)
            db.execute(f"PRAGMA max_page_count = {pages + RESERVE_PAGES}")
            self._most_pages = pages
            schema.check_whole(db)
            self._prepare(db, count)
        except BaseException:
            self._forget_connection()
            raise

    def _prepare(self, db: Database, tables: int) -> None:
        version = schema.version_of(db)
        if tables == 0:
            _in_transaction(db, lambda _: schema.create(db, schema.new_head(self._dev)))
        elif not 0 < version <= schema.SCHEMA_VERSION:
            raise DamagedError(f"schema {version}, which is of a newer program or of none")
        elif version < schema.SCHEMA_VERSION:
            self._migrate(db, version)
        owner, self.stream, _, _, self.until_ms = schema.head_of(db)
        if owner != self._dev:
            raise OutboxError(
                f"{self._path}: holds the records of device {owner!r}, not {self._dev!r}; "
                "give this device another folder, or move the file away, then a new stream begins"
            )
        if not self._drafts_are_final:
            # An earlier run did not get to its last word on these, so the draft is the last word.
            db.execute("UPDATE waiting SET draft = 0 WHERE draft = 1")
            self._drafts_are_final = True

    def _migrate(self, db: Database, version: int) -> None:
        now_ms = int(self._utc() * 1000)
        try:
            _in_transaction(db, lambda _: schema.migrate(db, version, now_ms))
        except sqlite3.IntegrityError as error:
            raise DamagedError(f"schema {version} cannot be brought up to date: {error}") from None

    def _replace(self, damage: Exception) -> None:
        """Put a damaged file aside and begin a new one with what can be read of it."""
        left = self._waiting_left()
        found = salvage(self._path)  # before closing, which may do away with the log
        self._forget_connection()
        aside = put_aside(self._path, self._utc())
        self._open()
        assert self._db is not None
        rows = [
            (*key, body, crc_of(key[1], body), found.retired_ms.get(key))
            for key, body in sorted(found.bodies.items())
        ]

        def fill(db: Database) -> None:
            db.executemany("INSERT INTO earlier VALUES (?, ?, ?, ?, ?)", rows)
            db.executemany("INSERT INTO waiting VALUES (?, ?, ?, ?, ?, ?)", left)

        _in_transaction(self._db, fill)
        self.trouble = f"the outbox was damaged ({damage}); {found.sentence()}; see {aside.name}"
        _log.error("outbox.salvaged", trouble=self.trouble, stream=self.stream)

    def _waiting_left(self) -> list[tuple[int, int, str | None, int, str, int]]:
        """Return the rows of intervals that wait, as far as the damaged file still gives them."""
        try:
            db = self._db or self._connect(self._path)
        except sqlite3.Error:
            return []
        try:
            return [row for row in db.execute("SELECT * FROM waiting") if crc_of(row[4]) == row[5]]
        except sqlite3.Error:
            return []
        finally:
            if db is not self._db:
                db.close()

    def _forget_connection(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.close()

    def _cannot_open(self, reason: str) -> str:
        return (
            f"{self._path}: cannot be opened for writing ({reason}); "
            "give a path on a disk this user may write to"
        )


def _in_transaction(db: Database, work: Callable[[Database], T]) -> T:
    db.execute("BEGIN IMMEDIATE")
    try:
        result = work(db)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return result


def _make_room(db: Database) -> None:
    """Let the log begin anew and delete some of the records that were delivered first."""
    db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()

    def delete(db: Database) -> int:
        for table in ("earlier", "records"):
            rows = db.execute(
                f"DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table}"  # noqa: S608
                " WHERE retired_ms IS NOT NULL ORDER BY retired_ms LIMIT ?)",
                (ROOM_ROWS,),
            )
            if rows.rowcount:
                return rows.rowcount
        return 0

    gone = _in_transaction(db, delete)
    db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
    _log.warning("outbox.full", deleted_delivered=gone)


def _is_damage(error: Exception) -> bool:
    return isinstance(error, DamagedError) or _code(error) in _DAMAGE


def _code(error: BaseException | None) -> int | None:
    """Return the primary result code of SQLite; the extended one has more in its upper bits."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _lacks_room(path: Path, error: sqlite3.Error) -> bool:
    """Whether it may go better later; a file that cannot be created may also be forbidden."""
    free = shutil.disk_usage(path.parent).free
    return _code(error) != sqlite3.SQLITE_CANTOPEN or free < LEAST_FREE_BYTES
