"""The outbox file: its tables, the older ones brought up to date, and whether it is whole.

Every row that matters carries a CRC of its own, because SQLite's checks see the structure
of a file and not the values in it (design, section 5: they missed 8 of 60 corruptions).
"""

import secrets
import sqlite3
import zlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol, TypeVar

from edge.adapters.outbox_errors import DamagedError
from edge.sealing import genesis

SCHEMA_VERSION = 3
MOVED_ROWS = 200
APPLICATION_ID = 0x4C_4F_42_43  # "LOBC", so that file(1) and we know what it is

_TOTALS = (
    "CREATE TABLE totals (field TEXT NOT NULL, id TEXT NOT NULL, first INTEGER NOT NULL,"
    " second INTEGER NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (field, id)) STRICT"
)
_HEAD = (
    "CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 1), dev TEXT NOT NULL,"
    " stream TEXT NOT NULL, seq INTEGER NOT NULL, chain TEXT NOT NULL,"
    " until_ms INTEGER NOT NULL, mark INTEGER NOT NULL, numbered INTEGER NOT NULL,"
    " crc INTEGER NOT NULL) STRICT"
)
_RECORDS = (
    "CREATE TABLE records (seq INTEGER PRIMARY KEY, body TEXT NOT NULL, crc INTEGER NOT NULL,"
    " retired_ms INTEGER) STRICT"
)
# Body, CRC and retirement stand in this order in both tables: the salvage goes by it.
_LATER = (
    "CREATE TABLE earlier (stream TEXT NOT NULL, seq INTEGER NOT NULL, body TEXT NOT NULL,"
    " crc INTEGER NOT NULL, retired_ms INTEGER, UNIQUE (stream, seq)) STRICT",
    "CREATE INDEX earlier_pending ON earlier (stream, seq) WHERE retired_ms IS NULL",
    "CREATE INDEX earlier_retired ON earlier (retired_ms) WHERE retired_ms IS NOT NULL",
    "CREATE TABLE waiting (id INTEGER PRIMARY KEY, body TEXT NOT NULL, crc INTEGER NOT NULL)"
    " STRICT",
)
_INDEXES = (
    "CREATE INDEX records_pending ON records (seq) WHERE retired_ms IS NULL",
    "CREATE INDEX records_retired ON records (retired_ms) WHERE retired_ms IS NOT NULL",
)
_SCHEMA = (_HEAD, _TOTALS, _RECORDS, *_INDEXES, *_LATER)

# Up to version 1 only lines had totals; up to version 2 the rows of head and totals had no CRC,
# and SQLite's own table of sequences kept the last number.
_FROM_1 = (
    "ALTER TABLE totals RENAME TO totals_of_lines",
    "CREATE TABLE totals (field TEXT NOT NULL, id TEXT NOT NULL, first INTEGER NOT NULL,"
    " second INTEGER NOT NULL, PRIMARY KEY (field, id)) STRICT",
    "INSERT INTO totals SELECT 'line', line, entered, departed FROM totals_of_lines",
    "DROP TABLE totals_of_lines",
)
_FROM_2 = (
    "ALTER TABLE totals RENAME TO totals_2",
    "ALTER TABLE head RENAME TO head_2",
    "ALTER TABLE records RENAME TO records_2",
    "DROP INDEX records_pending",
    "DROP INDEX records_retired",
    *_SCHEMA,
    "INSERT INTO records SELECT seq, body, crc, retired_ms FROM records_2",
    "DROP TABLE records_2",
)


class Database(Protocol):
    """What is used of a connection of `sqlite3`."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        ...

    def execute(self, sql: str, parameters: Any = ..., /) -> sqlite3.Cursor:
        """Run one statement."""
        ...

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        """Run one statement with each of the parameters."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


T = TypeVar("T")


def in_transaction(db: Database, work: Callable[[Database], T]) -> T:
    """Do it as a whole or not at all, on the disk when this returns."""
    db.execute("BEGIN IMMEDIATE")
    try:
        result = work(db)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return result


def crc_of(*values: object) -> int:
    """Return the CRC-32 of some values, in order."""
    return zlib.crc32(":".join(map(str, values)).encode())


class Head(NamedTuple):
    """Where the present stream stands: its last number and chain, and its latest date.

    mark: counts the commits of the file, over all its streams; `numbered`, the highest id that
    an interval which waits was ever given.
    """

    dev: str
    stream: str
    seq: int
    chain: str
    until_ms: int
    mark: int
    numbered: int


def new_head(dev: str, mark: int = 1, numbered: int = 0) -> Head:
    """Return the head of a new stream with a random id."""
    stream = secrets.token_hex(8)
    return Head(dev, stream, 0, genesis(dev, stream), 0, mark, numbered)


def put_head(db: Database, head: Head) -> None:
    """Write the one row that says where the stream stands."""
    row = (*head, crc_of(*head))
    db.execute("INSERT OR REPLACE INTO head VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def head_of(db: Database) -> Head:
    """Return where the stream stands. Raises DamagedError."""
    row = db.execute(
        "SELECT dev, stream, seq, chain, until_ms, mark, numbered, crc FROM head"
    ).fetchone()
    if row is None or crc_of(*row[:-1]) != row[-1]:
        raise DamagedError("the head of the stream")
    return Head(*row[:-1])


def put_totals(db: Database, field: str, name: str, first: int, second: int) -> None:
    """Write the running sums of one line or zone."""
    row = (field, name, first, second)
    db.execute("INSERT OR REPLACE INTO totals VALUES (?, ?, ?, ?, ?)", (*row, crc_of(*row)))


def totals_of(db: Database, field: str, name: str) -> tuple[int, int]:
    """Return the running sums of one line or zone, zeros to begin with. Raises DamagedError."""
    row = db.execute(
        "SELECT first, second, crc FROM totals WHERE field = ? AND id = ?", (field, name)
    ).fetchone()
    if row is None:
        return 0, 0
    if crc_of(field, name, *row[:2]) != row[2]:
        raise DamagedError(f"the totals of {field} {name}")
    return row[0], row[1]


def move_to_earlier(db: Database, stream: str) -> None:
    """Empty the tables of the present stream; within a transaction.

    In parts, so that what is deleted makes room for what is added.
    """
    while rows := db.execute(
        "SELECT ?, seq, body, crc, retired_ms FROM records ORDER BY seq LIMIT ?",
        (stream, MOVED_ROWS),
    ).fetchall():
        db.executemany("INSERT INTO earlier VALUES (?, ?, ?, ?, ?)", rows)
        db.execute("DELETE FROM records WHERE seq <= ?", (rows[-1][1],))
    db.execute("DELETE FROM totals")


def version_of(db: Database) -> int:
    """Return the schema version of a file; 0 when it is new."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def check_whole(db: Database) -> None:
    """Look at every page and every row. Raises DamagedError for the first that is not right."""
    (found,) = db.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        raise DamagedError(" ".join(str(found).split()))
    if version_of(db) != SCHEMA_VERSION:
        return
    rows = db.execute("SELECT sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite%'").fetchall()
    if {sql for (sql,) in rows} != set(_SCHEMA):
        raise DamagedError("the definitions of the tables")
    last = head_of(db).seq
    for seq, body, crc in db.execute("SELECT seq, body, crc FROM records UNION ALL"
                                     " SELECT seq, body, crc FROM earlier"):  # fmt: skip
        if crc_of(seq, body) != crc:
            raise DamagedError(f"record {seq}")
    (highest,) = db.execute("SELECT coalesce(max(seq), 0) FROM records").fetchone()
    if highest > last:
        raise DamagedError("the numbering")
    for field, name in db.execute("SELECT field, id FROM totals").fetchall():
        totals_of(db, field, name)


def create(db: Database, head: Head) -> None:
    """Make the tables of a new stream; within a transaction."""
    for statement in _SCHEMA:
        db.execute(statement)
    put_head(db, head)
    _stamp(db)


def migrate(db: Database, version: int, until_ms: int) -> None:
    """Bring an older file up to date; within a transaction."""
    (seq,) = db.execute(
        "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'records'"
    ).fetchone()
    for statement in (*(_FROM_1 if version < 2 else ()), *_FROM_2):
        db.execute(statement)
    dev, stream, chain = db.execute("SELECT dev, stream, chain FROM head_2").fetchone()
    put_head(db, Head(dev, stream, seq, chain, until_ms, mark=1, numbered=0))
    for row in db.execute("SELECT field, id, first, second FROM totals_2").fetchall():
        put_totals(db, *row)
    db.execute("DROP TABLE head_2")
    db.execute("DROP TABLE totals_2")
    _stamp(db)


def _stamp(db: Database) -> None:
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
