"""Room for the outbox: its quota, a full disk, and what makes room when there is none."""

import errno
import shutil
import sqlite3
from pathlib import Path

import structlog

from edge.adapters.outbox_errors import NO_ROOM, code_of
from edge.adapters.outbox_schema import Database, in_transaction

ROOM_ROWS = 500
"""So many delivered records make room at a time."""
RESERVE_PAGES = 64
"""Beyond the quota, so that a delivery can always be noted: that needs a page now and then."""
LEAST_FREE_BYTES = 1_000_000

_log = structlog.get_logger(__name__)


class Quota:
    """How large the file may become."""

    def __init__(self, mb: float) -> None:
        self._mb = mb
        self._pages = 0

    def limit(self, db: Database) -> None:
        """Have SQLite itself refuse what is far beyond."""
        (page_bytes,) = db.execute("PRAGMA page_size").fetchone()
        self._pages = int(self._mb * 1e6 / page_bytes)
        db.execute(f"PRAGMA max_page_count = {self._pages + RESERVE_PAGES}")

    def check(self, db: Database) -> None:
        """Refuse what was added in this transaction when it is too much, as SQLite does."""
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        (free,) = db.execute("PRAGMA freelist_count").fetchone()
        if pages - free > self._pages:
            error = sqlite3.OperationalError(f"full: the quota of {self._mb:g} MB is used up")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error


def make_room(db: Database) -> None:
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

    gone = in_transaction(db, delete)
    db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
    _log.warning("outbox.full", deleted_delivered=gone)


def lacks_room(folder: Path, error: Exception) -> bool:
    """Whether it may go better later; a file that cannot be created may also be forbidden."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOSPC
    if code_of(error) not in NO_ROOM:
        return False
    free = shutil.disk_usage(folder).free
    return code_of(error) != sqlite3.SQLITE_CANTOPEN or free < LEAST_FREE_BYTES
