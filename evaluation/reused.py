"""Numbers that a device has used twice, each time for something else.

A card image that was put back, or a copy of a card in a second board, goes on from numbers that
were sent already, until an ack tells the device so. What such a record counted is counted
nowhere else, unless it is of a time that is stored already. It is stored under a stream of its
own, with its text as it came; `verify` on an export names both texts of the number.
"""

from sqlalchemy import Connection, and_, select
from sqlalchemy.sql.elements import ColumnElement

from evaluation.batch import Batch, Clash
from evaluation.database import Database
from evaluation.tables import RECORDS, Row

MARK = "~"
"""Stands in no device's stream."""


def keep_reused(database: Database, connection: Connection, batch: Batch) -> list[Clash]:
    """Store what can be of the batch's clashes, put the others aside; return those stored now.

    The second text of a number is a repetition where it is stored already, and put aside where
    another record of the same line or zone overlaps its time.
    """
    kept = []
    for clash in batch.clashes:
        bodies = set(
            connection.execute(select(RECORDS.c.body).where(_overlaps(clash.row))).scalars()
        )
        if clash.row["body"] in bodies:
            continue
        if bodies:
            batch.put_aside(clash)
        else:
            database.insert_new(connection, RECORDS, [clash.row | {"stream": _stream(clash.row)}])
            kept.append(clash)
    return kept


def _stream(row: Row) -> str:
    return f"{row['stream']}{MARK}{row['chain'][:16]}"


def _overlaps(row: Row) -> ColumnElement[bool]:
    c = RECORDS.c
    subject = c.line == row["line"] if row["zone"] is None else c.zone == row["zone"]
    return and_(c.dev == row["dev"], subject, c.t0_ms < row["t1_ms"], c.t1_ms > row["t0_ms"])
