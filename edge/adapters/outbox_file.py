"""The outbox's file: opened, checked, kept within its quota, replaced when it is damaged.

WAL with synchronous=FULL, because NORMAL loses committed rows in a power cut.
One connection behind one lock: the pipeline thread appends, the delivery
thread reads and retires, and neither holds it longer than one fsync.

Counting never stops for it. A damaged file is put aside, what can be read of it goes on to be
delivered under its old keys, and a new stream begins (`outbox_salvage`, `outbox_replace`). On a
full disk, or at the quota, delivered records make room; when none are left, the write raises
and the caller keeps what it has.
"""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TypeVar

import structlog

from edge.adapters import outbox_replace as files
from edge.adapters import outbox_schema as schema
from edge.adapters.outbox_confirmed import Confirmed, confirmed, read_note, write_note
from edge.adapters.outbox_errors import NO_ROOM, DamagedError, code_of, is_damage, may_be_damage
from edge.adapters.outbox_replace import Connect
from edge.adapters.outbox_room import Quota, lacks_room, make_room
from edge.adapters.outbox_salvage import Salvage, salvage
from edge.adapters.outbox_schema import Database, Head, in_transaction
from edge.adapters.outbox_waiting import waiting_of
from edge.errors import OutboxError

BUSY_TIMEOUT_S = 5.0
CHECKPOINT_PAGES = 64
"""A small log, for small disks."""

T = TypeVar("T")
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
        self._connect, self._quota = connect, Quota(quota_mb)
        self._lock = threading.Lock()
        self._db: Database | None = None
        self._damage: Exception | None = None
        self._found: Salvage | None = None
        self._confirmed: Confirmed | None = None
        self._closed = False
        self.head: Head | None = None
        """Where the present stream stands; None before the first opening."""
        self.trouble: str | None = None
        self.during_call: Callable[[], AbstractContextManager[object]] = nullcontext
        """Entered for every call; watches that it returns."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock:
                self._opened()
        except (OSError, sqlite3.Error, DamagedError) as error:
            if not lacks_room(self._path.parent, error):
                reason = getattr(error, "strerror", None) or str(error)
                raise OutboxError(self._cannot_open(reason)) from error
            _log.error("outbox.unwritable", reason=str(error))

    def close(self) -> None:
        """Close the file; idempotent."""
        with self._lock:
            self._closed = True
            self._forget_connection()

    def write(self, work: Callable[[Database], object]) -> None:
        """Do it in a transaction; where there is no room, make some and try once more."""
        self._with_room(lambda db: in_transaction(db, work))

    def advance(self, work: Callable[[Database, Head], Head | None]) -> None:
        """Do likewise what must not be undone by damage unseen: note that it was done.

        The work returns the head there is then, None when nothing of the kind was done.
        """

        def change(db: Database) -> tuple[Head, Confirmed] | None:
            head = schema.head_of(db)
            if self.head is None or (head.mark, head.chain) != (self.head.mark, self.head.chain):
                raise DamagedError("the head of the stream is not the one last written")
            done = work(db, self.head)
            if done is None:
                return None
            new = done._replace(mark=head.mark + 1)
            schema.put_head(db, new)
            self._quota.check(db)
            return new, confirmed(db, new)

        def move(db: Database) -> None:
            if done := in_transaction(db, change):
                self.head, self._confirmed = done
                write_note(self._path, self._confirmed)

        self._with_room(move)

    def do(self, work: Callable[[Database], T]) -> T:
        """Do it with the open file; with a new one where the file turns out to be damaged.

        Raises OutboxError.
        """
        with self._lock, self.during_call():
            if self._closed:
                raise OutboxError(f"{self._path}: the outbox is closed")
            try:
                db = self._opened()
                try:
                    return work(db)
                except (DamagedError, sqlite3.DatabaseError) as error:
                    self._damage = _damage_behind(error, db)
                    if self._damage is None:
                        raise
                    return work(self._opened())
            except (sqlite3.Error, OSError, DamagedError) as error:
                if code_of(error) == sqlite3.SQLITE_IOERR:
                    self._forget_connection()
                raise OutboxError(f"{self._path}: {error}") from error

    def _with_room(self, step: Callable[[Database], object]) -> None:
        try:
            self.do(step)
            return
        except OutboxError as error:
            if code_of(error.__cause__) not in NO_ROOM:
                raise
        self.do(make_room)
        self.do(step)

    def _opened(self) -> Database:
        """Return the connection, opened and checked if there is none yet."""
        if self._db is None and self._damage is None:
            try:
                self._open()
            except BaseException as error:
                if not isinstance(error, Exception) or not may_be_damage(error):
                    self._forget_connection()
                    raise
                # Still open: closing it could do away with the log, which is to be read first.
                self._damage = error
        if self._damage is not None:
            self._replace(self._damage)
        assert self._db is not None
        return self._db

    def _open(self) -> None:
        if self.head is None:
            self._confirmed = read_note(self._path, self._dev)
        if files.is_decided(self._path):
            aside = files.put_in_place(self._path, self._utc())
            if aside is not None:
                self.trouble = f"the outbox was damaged and is replaced now; see {aside.name}"
        if files.is_missing(self._path):
            if self._confirmed is not None:
                raise DamagedError("the file is gone")
            files.prepare(self._path, self._connect, schema.new_head(self._dev))
            files.put_in_place(self._path, self._utc())
        files.refuse_without_file(self._path)
        self._db = db = self._connect(self._path)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA secure_delete = ON")
        db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        self._quota.limit(db)
        schema.check_whole(db)
        self._take_up(db)

    def _take_up(self, db: Database) -> None:
        """Go on from where the file is, if that is where it has to be."""
        version = schema.version_of(db)
        if not 0 < version <= schema.SCHEMA_VERSION:
            raise DamagedError(f"schema {version}, which is of a newer program or of none")
        if version < schema.SCHEMA_VERSION:
            now_ms = int(self._utc() * 1000)
            in_transaction(db, lambda _: schema.migrate(db, version, now_ms))
        head = schema.head_of(db)
        if head.dev != self._dev:
            raise OutboxError(
                f"{self._path}: holds the records of device {head.dev!r}, not {self._dev!r}; "
                "give this device another folder, or move the file away, then a new stream begins"
            )
        ids = [each.id for each in waiting_of(db)]
        found, known = confirmed(db, head), self._confirmed
        if known is not None and found.mark < known.mark:
            raise DamagedError(f"what was written last is gone, up to record {known.seq}")
        if self.head is not None and (head.mark, head.chain) != (self.head.mark, self.head.chain):
            raise DamagedError("a write that failed is there all the same")
        self.head = head._replace(numbered=max([head.numbered, *ids]))
        self._confirmed = found
        if found != known:
            write_note(self._path, found)

    def _replace(self, damage: Exception) -> None:
        """Put a damaged file aside and begin a new one with what can be read of it."""
        if self._found is None:
            self._found = salvage(
                self._path, self._dev, self._confirmed, is_last=self.head is not None
            )
        found, last = self._found, self._confirmed
        numbered = max([0 if self.head is None else self.head.numbered, *found.waiting])
        head = schema.new_head(self._dev, (last.mark if last else 0) + 1, numbered)
        try:
            files.prepare(self._path, self._connect, head, found)
        except (sqlite3.Error, OSError) as error:
            if not lacks_room(self._path.parent, error):
                raise
            files.forget_aside(self._path, 0)
            files.prepare(self._path, self._connect, head, found.without_delivered())
        trouble = f"the outbox was damaged ({damage}); {found.sentence()}"
        _log.error("outbox.damaged", trouble=trouble, stream=head.stream)
        self._forget_connection()
        aside = files.put_in_place(self._path, self._utc())
        self.trouble = trouble if aside is None else f"{trouble}; see {aside.name}"
        self._damage = self._found = self.head = None
        self._open()

    def _forget_connection(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.close()

    def _cannot_open(self, reason: str) -> str:
        return (
            f"{self._path}: cannot be opened for writing ({reason}); "
            "give a path on a disk this user may write to"
        )


def _damage_behind(error: Exception, db: Database) -> Exception | None:
    """Return the damage that an error tells of; where it only may, the whole file is looked at."""
    if is_damage(error):
        return error
    if may_be_damage(error):
        try:
            schema.check_whole(db)
        except (DamagedError, sqlite3.DatabaseError) as found:
            return found if may_be_damage(found) else None
    return None
