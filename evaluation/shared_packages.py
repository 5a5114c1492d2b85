"""Site packages that were imported on two boards, which then count as one device.

Every import begins a stream, and its heads say which package it goes on from. Nothing is
dropped: which of the boards is the wrong one only people can tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, tuple_
from sqlalchemy.sql.elements import ColumnElement

from evaluation.database import Database
from evaluation.tables import CONTINUED, Row

_OF = (CONTINUED.c.dev, CONTINUED.c.package)


@dataclass(frozen=True, slots=True)
class SharedPackage:
    """A package that more than one stream goes on from."""

    dev: str
    package: str
    streams: tuple[str, ...]

    @property
    def told(self) -> str:
        """Say what that means, in English and in Chinese."""
        streams = " and ".join(self.streams)
        return (
            f"{self.dev}: site package {self.package} was imported {len(self.streams)} times, as"
            f" streams {streams}; if two boards run, people are counted twice: stop one of them"
            f" 同一个站点包导入了 {len(self.streams)} 次；若两块板都在运行，会重复计数，请停用一块"
        )


def store_continued(
    database: Database, connection: Connection, rows: Sequence[Row]
) -> tuple[SharedPackage, ...]:
    """Store what streams go on from; return the packages that one more stream has come to."""
    rows = sorted(rows, key=lambda row: (row["dev"], row["package"], row["stream"]))
    if not database.insert_new(connection, CONTINUED, rows):
        return ()
    which = tuple_(*_OF).in_({(row["dev"], row["package"]) for row in rows})
    return shared_packages(connection, which)


def shared_packages(
    connection: Connection, *which: ColumnElement[bool]
) -> tuple[SharedPackage, ...]:
    """Return the packages with more than one stream of those chosen."""
    shared = select(*_OF).where(*which).group_by(*_OF).having(func.count() > 1)
    query = select(*_OF, CONTINUED.c.stream).where(*which, tuple_(*_OF).in_(shared))
    streams: dict[tuple[str, str], list[str]] = {}
    for dev, package, stream in connection.execute(query.order_by(*_OF, CONTINUED.c.stream)):
        streams.setdefault((dev, package), []).append(stream)
    return tuple(SharedPackage(*of, tuple(each)) for of, each in streams.items())
