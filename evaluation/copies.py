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
    found = senders(connection)
    if found:
        raise BadInputError(
            f"this database is a copy that {', '.join(found)} sends to; change it there"
            f" 本库是 {'、'.join(found)} 上报的副本，请在原处修改"
        )
