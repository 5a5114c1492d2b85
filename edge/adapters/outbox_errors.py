"""What an error of SQLite says about the outbox file: damaged, or only not to be had now."""

import sqlite3

NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
_NOT_THE_FILE = {
    *NO_ROOM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_NOMEM,
}
_SURELY = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_UNREADABLE = {
    sqlite3.SQLITE_IOERR_READ,
    sqlite3.SQLITE_IOERR_SHORT_READ,
    sqlite3.SQLITE_IOERR_CORRUPTFS,
}


class DamagedError(Exception):
    """The file is not whole; the text says where."""


def code_of(error: BaseException | None) -> int | None:
    """Return the primary result code of SQLite; the extended one has more in its upper bits."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def is_damage(error: Exception) -> bool:
    """Whether an error says for sure that the file is not whole; a sector may also be gone."""
    if isinstance(error, DamagedError) or code_of(error) in _SURELY:
        return True
    if getattr(error, "sqlite_errorcode", None) in _UNREADABLE:
        return True
    # Python says it itself, without a code, when a text is not UTF-8.
    return isinstance(error, sqlite3.OperationalError) and code_of(error) is None


def may_be_damage(error: Exception) -> bool:
    """Whether damage may be behind it: a table or column that is not there, a value unlike it."""
    if is_damage(error):
        return True
    return isinstance(error, sqlite3.Error) and code_of(error) not in {*_NOT_THE_FILE, None}
