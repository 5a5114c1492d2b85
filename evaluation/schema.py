"""Which tables there are: made and brought up to date by Alembic, in one transaction.

Alembic, because it is what SQLAlchemy's authors keep for this, on both databases.
"""

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from edge.errors import BadInputError
from evaluation.fleet_tables import ALERTS
from evaluation.month_tables import DIRTY_DAYS
from evaluation.page_tables import PAGE_USERS
from evaluation.site_tables import SITES
from evaluation.tables import RECORDS

OURS = frozenset(
    name
    for table in (RECORDS, SITES, DIRTY_DAYS, PAGE_USERS, ALERTS)
    for name in table.metadata.tables
)
_FOLDER = Path(__file__).parent / "migrations"
_ALEMBIC = "alembic_version"
_BEFORE_ALEMBIC = "schema_version"
"""The table of databases that were made before there was a second version."""


def newest() -> str:
    """Return the version that this program reads and writes."""
    return ScriptDirectory(str(_FOLDER)).get_current_head() or ""


def version(connection: Connection, address: str) -> str | None:
    """Return the version of a database; None for an empty one.

    Raises BadInputError when it is of something else or newer.
    """
    names = set(inspect(connection).get_table_names())
    if _ALEMBIC not in names and _BEFORE_ALEMBIC in names:
        return _old_version(connection, address)
    known = {each.revision for each in ScriptDirectory(str(_FOLDER)).walk_revisions()}
    found = MigrationContext.configure(connection).get_current_revision()
    if found is None and (foreign := sorted(names & OURS)):
        raise BadInputError(
            f"{address}: has a table {foreign[0]!r} of something else;"
            " give the records a database of their own"
        )
    if found is not None and found not in known:
        raise BadInputError(
            f"{address}: has schema {found}, this version reads {newest()};"
            " install the version that wrote it"
        )
    return found


def bring_up_to_date(connection: Connection, address: str) -> None:
    """Make or change the tables, in the connection's transaction. Raises BadInputError."""
    found = version(connection, address)
    if found == newest():
        return
    # Its report of each step would be taken for the service's own log.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    if _BEFORE_ALEMBIC in inspect(connection).get_table_names():
        command.stamp(config, "0001")
        connection.execute(text(f"DROP TABLE {_BEFORE_ALEMBIC}"))
    command.upgrade(config, "head")


def _old_version(connection: Connection, address: str) -> str:
    found = connection.execute(text(f"SELECT version FROM {_BEFORE_ALEMBIC}")).scalar()  # noqa: S608
    if found != 1:
        raise BadInputError(
            f"{address}: has schema {found}, this version reads {newest()};"
            " install the version that wrote it"
        )
    return "0001"
