"""SQLite and PostgreSQL made to keep the same promise: what is committed is on the disk.

Everything that differs between the two is here: how a connection is set up, how a write
transaction begins, and what an error means.
"""

import sqlite3
import time
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, exc, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import ConnectionPoolEntry

from edge.errors import BadInputError
from evaluation import schema
from evaluation.errors import StoreError, UnstorableError

EXAMPLES = "sqlite:////var/lib/evaluation/records.db or postgresql://user@host/name"
INSTALL = "pip install 'lobbycount[evaluation]'"
BUSY_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 10
_SCHEMA_LOCK = 0x10BB1C
"""An advisory lock, so that receivers which start together make the tables once."""
_READING = "reading"

_POSTGRES_SETUP = (
    # Only ever made safer: remote_apply and its kin stay.
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') = 'off'",
    # A receiver that hangs, or whose machine is gone, must not hold a stream for ever.
    "SELECT set_config('lock_timeout', '30s', false)",
    "SELECT set_config('idle_in_transaction_session_timeout', '60s', false)",
)
_POSTGRES_CONNECT: dict[str, object] = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}


class Database:
    """An engine and its two kinds of transaction. Raises BadInputError for an unusable URL."""

    def __init__(self, url: str) -> None:
        """Prepare; nothing is opened yet."""
        self._url = _checked(url)
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        self._insert = sqlite_dialect.insert if self.is_sqlite else postgresql.insert
        try:
            self._engine = _engine(self._url, is_sqlite=self.is_sqlite)
        except ModuleNotFoundError as error:
            raise BadInputError(
                f"--database: the driver {error.name} is not installed; {INSTALL}"
            ) from error

    @property
    def address(self) -> str:
        """The URL as it may be shown, without its password."""
        return self._url.render_as_string(hide_password=True)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a write transaction; it is committed, durably, when the block ends.

        Raises StoreError, and UnstorableError when a value is to blame; then nothing was written.
        """
        with self._explained(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a read transaction: one state of the database, in nobody's way.

        Raises StoreError.
        """
        with self._explained(), self._engine.connect() as opened:
            snapshot = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
            connection = opened.execution_options(**{_READING: True}, **snapshot)
            with connection.begin():
                if not self.is_sqlite:
                    # The reader of a long export may take its time.
                    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
                yield connection

    def insert_new(self, connection: Connection, table: Table, rows: list[dict[str, Any]]) -> int:
        """Insert the rows whose key is not there yet; return how many these were."""
        if not rows:
            return 0
        statement = self._insert(table).on_conflict_do_nothing()
        keep = {"preserve_rowcount": True}  # else the count of an INSERT is thrown away
        return connection.execute(statement, rows, execution_options=keep).rowcount

    def upsert(
        self,
        connection: Connection,
        table: Table,
        rows: list[dict[str, Any]],
        changes: Mapping[str, Any] | None = None,
        *,
        keep: Collection[str] = (),
    ) -> None:
        """Insert the rows; of those whose key is there already change the columns.

        changes: expressions by column; None: every column but those to `keep` gets the new value.
        """
        if not rows:
            return
        statement = self._insert(table)
        if changes is None:
            same = {*keep, *(column.name for column in table.primary_key)}
            changes = {name: statement.excluded[name] for name in rows[0] if name not in same}
        statement = statement.on_conflict_do_update(
            index_elements=list(table.primary_key), set_=dict(changes)
        )
        connection.execute(statement, rows)

    def alone(self, connection: Connection, what: str) -> None:
        """Let nobody else do the same thing until the transaction ends."""
        if not self.is_sqlite:  # where there is one writer at a time
            lock = zlib.crc32(what.encode())
            connection.execute(select(text(f"pg_advisory_xact_lock({lock})")))

    def prepare(self) -> None:
        """Make the tables, or check that they are of this version.

        Raises StoreError, and BadInputError when the database is of something else or newer.
        """
        with self.writing() as connection:
            if not self.is_sqlite:
                connection.execute(select(text(f"pg_advisory_xact_lock({_SCHEMA_LOCK})")))
            schema.bring_up_to_date(connection, self.address)

    def check(self) -> None:
        """Check that there are tables to read. Raises StoreError or BadInputError."""
        if self.is_sqlite and not Path(self._url.database or "").is_file():
            raise BadInputError(f"{self.address}: there is no such file; e.g. {EXAMPLES}")
        with self.reading() as connection:
            found = schema.version(connection, self.address)
        if found is None:
            raise BadInputError(
                f"{self.address}: holds no records; is it the database that"
                " `evaluation receive` writes to?"
            )
        if found != schema.newest():
            raise BadInputError(
                f"{self.address}: has schema {found}, this version needs {schema.newest()};"
                " start `evaluation receive` of this version once, it brings it up to date"
            )

    def close(self) -> None:
        """Close every connection; idempotent."""
        self._engine.dispose()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (exc.DataError, OverflowError, UnicodeEncodeError) as error:
            raise UnstorableError(f"{self.address}: {_reason(error)}") from error
        except (exc.SQLAlchemyError, OSError) as error:
            raise StoreError(f"{self.address}: {_reason(error)}") from error


def _checked(url: str) -> URL:
    try:
        parsed = make_url(url)
    except exc.ArgumentError:
        raise BadInputError(f"--database: is not a database URL; e.g. {EXAMPLES}") from None
    name = parsed.drivername.partition("+")[0]
    if name == "sqlite" and parsed.database not in {None, "", ":memory:"}:
        return parsed.set(drivername="sqlite")
    if name in {"postgresql", "postgres"}:
        return parsed.set(drivername="postgresql+psycopg")
    raise BadInputError(
        f"--database {parsed.render_as_string(hide_password=True)}: must be a SQLite file"
        f" or PostgreSQL; e.g. {EXAMPLES}"
    )


def _engine(url: URL, *, is_sqlite: bool) -> Engine:
    if not is_sqlite:
        engine = create_engine(
            url, connect_args=_POSTGRES_CONNECT, isolation_level="READ COMMITTED",
            pool_pre_ping=True,  # else the first to come after a restart finds a dead connection
        )  # fmt: skip
        event.listen(engine, "connect", _set_up_postgres)
        return engine
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S})
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # or the driver begins transactions of its own
    _change_to_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _change_to_wal(connection: Any) -> None:
    """Wait for others, which SQLite itself does not in this: several may come first together."""
    until = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() >= until:
                raise
            time.sleep(0.02)


def _set_up_postgres(connection: Any, _: ConnectionPoolEntry) -> None:
    for statement in _POSTGRES_SETUP:
        connection.execute(statement)
    connection.commit()


def _begin_sqlite(connection: Connection) -> None:
    # Immediate, or two writers that have both read deadlock and one fails without waiting.
    reading = connection.get_execution_options().get(_READING)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _reason(error: Exception) -> str:
    """Return what the driver said, in one line and without statement or values."""
    said = error.orig if isinstance(error, exc.DBAPIError) else error
    return " ".join(str(said).split())
