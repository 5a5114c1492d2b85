"""A file system that can lose power, under a connection that looks like one of `sqlite3`.

The files are real ones; beside each stands what of it was synced and what was done to it since.
When the power is cut, everything not synced survives or not at random: each write as a whole, not
at all, or in some of its 512-byte sectors; truncations, creations and deletions likewise.
What SQLite asks to be synced is on the disk for good, directory entries with it: a journaling
file system gives that, and without it no database could.

SQLite cannot share memory over a file system written in Python, so a connection locks its file
for itself before it turns to WAL; nothing else in the product runs differently.
"""

import random
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import apsw

SECTOR = 512
_POWERSAFE_OVERWRITE = 0x1000  # what SQLite assumes of every disk on Unix
_KINDS = {
    apsw.SQLITE_CONSTRAINT: sqlite3.IntegrityError,
    apsw.SQLITE_CORRUPT: sqlite3.DatabaseError,
    apsw.SQLITE_NOTADB: sqlite3.DatabaseError,
}

Change = tuple[int, bytes] | int
"""A write at an offset, or a truncation to a size."""


class PowerCut(BaseException):
    """The world has stopped; nothing of the product may catch it."""


class _Entry:
    """What is known of one file: its synced bytes (None: it was not there) and later changes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.synced = path.read_bytes() if path.exists() else None
        self.changes: list[Change] = []
        self.deleted = False


class Disk:
    """The files of one folder until the power is cut, at the given call of the file system."""

    def __init__(self, rng: random.Random, cut_at: int) -> None:
        self._rng = rng
        self._calls_left = cut_at
        self.is_cut = self._is_over = False
        self.connections: list[Connection] = []
        self._entries: dict[Path, _Entry] = {}

    def entry(self, path: Path) -> _Entry:
        return self._entries.setdefault(path, _Entry(path))

    def changes(self) -> bool:
        """Count one more call that changes something; False when nothing may change any more."""
        if not self.is_cut:
            self._calls_left -= 1
            self.is_cut = self._calls_left < 0
        self.check()
        return not self._is_over

    def commit_deletions(self) -> None:
        for entry in self._entries.values():
            if entry.deleted:
                entry.synced, entry.changes = None, []

    def check(self) -> None:
        if self.is_cut and not self._is_over:
            raise PowerCut

    def settle(self) -> None:
        """Close what is open, which does nothing any more, and leave what has survived."""
        self.is_cut = self._is_over = True
        for connection in self.connections:
            connection.close()
        # Of one cut all writes survive, none, or any; the extremes on purpose.
        share = self._rng.choice((0.0, 1.0, self._rng.random(), self._rng.random()))
        for entry in self._entries.values():
            survived = self._survived(entry, share)
            entry.path.unlink(missing_ok=True)
            if survived is not None:
                entry.path.write_bytes(survived)
        self._entries.clear()

    def _survived(self, entry: _Entry, share: float) -> bytes | None:
        if entry.deleted and self._rng.random() < share:
            return None
        if entry.synced is None and (entry.deleted or self._rng.random() >= share):
            return None
        data = bytearray(entry.synced or b"")
        for change in entry.changes:
            if isinstance(change, int):
                if self._rng.random() < share:
                    _resize(data, change)
            else:
                self._write(data, *change, share)
        return bytes(data)

    def _write(self, data: bytearray, offset: int, new: bytes, share: float) -> None:
        torn = self._rng.random() < 0.5
        whole = self._rng.random() < share
        start = 0
        while start < len(new):
            end = min(len(new), (offset + start) // SECTOR * SECTOR + SECTOR - offset)
            if self._rng.random() < share if torn else whole:
                if len(data) < offset + end:
                    _resize(data, offset + end)
                data[offset + start : offset + end] = new[start:end]
            start = end


def _resize(data: bytearray, size: int) -> None:
    del data[size:]
    data.extend(bytes(size - len(data)))


class _File:
    """One open file. All names here are SQLite's."""

    def __init__(self, disk: Disk, path: Path) -> None:
        self._disk, self._entry = disk, disk.entry(path)
        if self._entry.deleted:
            self._entry.deleted = False
            self._entry.changes.append(0)
        self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        self._disk.check()
        self._file.seek(offset)
        return self._file.read(amount)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        if self._disk.changes():
            self._file.seek(offset)
            self._file.write(data)
            self._entry.changes.append((offset, bytes(data)))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        if self._disk.changes():
            self._file.truncate(size)
            self._entry.changes.append(size)

    def xSync(self, flags: int) -> None:  # noqa: N802
        if self._disk.changes():
            self._entry.synced = self._entry.path.read_bytes()
            self._entry.changes.clear()
            self._disk.commit_deletions()

    def xFileSize(self) -> int:  # noqa: N802
        self._disk.check()
        return self._entry.path.stat().st_size

    def xClose(self) -> None:  # noqa: N802
        self._file.close()

    def xLock(self, level: int) -> None:  # noqa: N802
        pass

    def xUnlock(self, level: int) -> None:  # noqa: N802
        pass

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        return False

    def xFileControl(self, op: int, pointer: int) -> bool:  # noqa: N802
        return False

    def xSectorSize(self) -> int:  # noqa: N802
        return 4096

    def xDeviceCharacteristics(self) -> int:  # noqa: N802
        return _POWERSAFE_OVERWRITE


class FileSystem(apsw.VFS):
    """SQLite's view of a Disk. Give the disk before anything is opened."""

    def __init__(self, name: str) -> None:
        self.disk: Disk | None = None
        self.name = name
        super().__init__(name, base="")

    def xOpen(self, name: Any, flags: list[int]) -> _File:  # noqa: N802
        assert self.disk is not None
        self.disk.check()
        assert name is not None, "no test of so much that SQLite needs a file for it"
        flags[1] = flags[0]
        return _File(self.disk, Path(name if isinstance(name, str) else name.filename()))

    def xDelete(self, filename: str, sync_directory: bool) -> None:  # noqa: N802
        assert self.disk is not None
        path = Path(filename)
        entry = self.disk.entry(path)
        if not self.disk.changes():
            return
        path.unlink(missing_ok=True)
        if sync_directory:
            entry.synced, entry.changes = None, []
        entry.deleted = True

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: N802
        assert self.disk is not None
        self.disk.check()
        return Path(pathname).exists()

    def xFullPathname(self, filename: str) -> str:  # noqa: N802
        return filename


class Rows(list[Any]):
    """All rows of a statement at once, with what is used of a cursor."""

    rowcount = -1

    def fetchone(self) -> Any:
        return self.pop(0) if self else None

    def fetchall(self) -> list[Any]:
        return list(self)


class Connection:
    """What the product uses of a connection of `sqlite3`, on a FileSystem."""

    def __init__(self, path: Path, files: FileSystem, synchronous: str) -> None:
        assert files.disk is not None
        self._disk, self._synchronous = files.disk, synchronous
        self._db = self._asked(lambda: apsw.Connection(str(path), vfs=files.name))
        self._disk.connections.append(self)
        self.execute("PRAGMA locking_mode = EXCLUSIVE")

    @property
    def in_transaction(self) -> bool:
        return self._db.in_transaction

    def execute(self, sql: str, parameters: Any = ()) -> Rows:
        sql = sql.replace("synchronous = FULL", f"synchronous = {self._synchronous}")
        rows = self._asked(lambda: Rows(self._db.execute(sql, parameters)))
        rows.rowcount = self._db.changes()
        return rows

    def executemany(self, sql: str, parameters: Iterable[Any]) -> Rows:
        return self._asked(lambda: Rows(self._db.executemany(sql, parameters)))

    def close(self) -> None:
        self._asked(self._db.close)

    def _asked(self, work: Any) -> Any:
        try:
            return work()
        except apsw.Error as error:
            self._disk.check()
            found = _KINDS.get(error.result, sqlite3.OperationalError)(str(error))
            found.sqlite_errorcode = error.extendedresult
            raise found from None
