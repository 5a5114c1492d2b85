"""Intervals that wait, as rows of the outbox: one text each that says everything about it."""

import json
from collections.abc import Iterable
from typing import Any

from edge.adapters.outbox_errors import DamagedError
from edge.adapters.outbox_schema import Database, crc_of
from edge.bucket_text import bucket_text, read_bucket
from edge.errors import MessageError
from edge.sealing import canonical
from edge.vocabulary import Waiting

BEGINS = b'{"boot":'
"""How every such text begins."""


def text_of(waiting: Waiting, mark: int) -> str:
    """Write one down. mark: of the commit it belongs to, so that an older text is known as such."""
    bucket = json.loads(bucket_text(waiting.bucket))
    return canonical(
        {
            "boot": waiting.boot,
            "bucket": bucket,
            "guess_ms": waiting.guess_ms,
            "id": waiting.id,
            "mark": mark,
        }
    )


def read(text: str) -> tuple[Waiting, int]:
    """Return an interval that waits and its mark. Raises MessageError."""
    try:
        fields: dict[str, Any] = json.loads(text)
        bucket = read_bucket(canonical(fields["bucket"]))
        waiting = Waiting(fields["id"], bucket, fields["boot"], fields["guess_ms"])
        return waiting, fields["mark"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise MessageError(f"a waiting interval cannot be read ({error})") from None


def insert(db: Database, waiting: Waiting, mark: int) -> None:
    """Add one; within a transaction."""
    text = text_of(waiting, mark)
    db.execute("INSERT INTO waiting VALUES (?, ?, ?)", (waiting.id, text, crc_of(text)))


def forget(db: Database, ids: Iterable[int]) -> None:
    """Delete some, as far as they are there; within a transaction."""
    db.executemany("DELETE FROM waiting WHERE id = ?", [(number,) for number in ids])


def ids_of(db: Database) -> list[int]:
    """Return the ids of all that waits, in order."""
    return [number for (number,) in db.execute("SELECT id FROM waiting ORDER BY id").fetchall()]


def waiting_of(db: Database) -> list[Waiting]:
    """Return all that waits, oldest first. Raises DamagedError for the first that is not right."""
    found = []
    for number, text, crc in db.execute("SELECT id, body, crc FROM waiting ORDER BY id").fetchall():
        try:
            waiting, _ = read(text)
        except MessageError as error:
            raise DamagedError(f"waiting interval {number}: {error}") from None
        if crc_of(text) != crc or waiting.id != number:
            raise DamagedError(f"waiting interval {number}: its checksum is wrong")
        found.append(waiting)
    return found
