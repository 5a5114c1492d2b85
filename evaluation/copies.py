"""A database that others send to (docs/growth.md): it is read, and changed where it comes from.

A row that was written here too would be in the way of the one that comes, and PostgreSQL then
stops taking anything.
"""

from sqlalchemy import Connection, text

from edge.errors import BadInputError

_SENDERS = text(
    "SELECT subname FROM pg_subscription JOIN pg_database ON pg_database.oid = subdbid"
    " WHERE datname = current_database() ORDER BY subname"
)


def senders(connection: Connection) -> list[str]:
    """Return the subscriptions that this database is fed by; none with SQLite."""
    if connection.dialect.name == "sqlite":
        return []
    return list(connection.execute(_SENDERS).scalars())


def refuse_change(connection: Connection) -> None:
    """Raise BadInputError when this database is a copy."""
    _refuse(connection, "change it there", "请在原处修改")


def refuse_records(connection: Connection) -> None:
    """Raise BadInputError when this database is a copy: of its days the records did not come."""
    _refuse(connection, "the records stay there", "原始记录保存在原处")


def _refuse(connection: Connection, en: str, zh: str) -> None:
    found = senders(connection)
    if found:
        raise BadInputError(
            f"this database is a copy that {', '.join(found)} sends to; {en}"
            f" 本库是 {'、'.join(found)} 上报的副本，{zh}"
        )
