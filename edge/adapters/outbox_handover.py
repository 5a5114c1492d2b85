"""An outbox handed to another board: all streams go on as earlier ones, a new stream begins.

The same as after damage (`outbox_salvage`): what was not delivered is delivered under its old
keys, which a backend knows again, and no new record ever has the number of an old one.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from edge.adapters import outbox_replace as files
from edge.adapters import outbox_schema as schema
from edge.adapters.outbox_errors import DamagedError
from edge.adapters.outbox_file import connect
from edge.adapters.outbox_salvage import Salvage
from edge.errors import OutboxError


class Row(NamedTuple):
    """One record as it is in the outbox. retired_ms: when it was delivered, None before."""

    stream: str
    seq: int
    retired_ms: int | None
    body: str


class Handover(NamedTuple):
    """What goes along: records, intervals that wait by id, and where the old file stood."""

    rows: Sequence[Row]
    waiting: dict[int, str]
    mark: int
    numbered: int

    def text(self) -> bytes:
        """Return it as lines of JSON."""
        head = {"mark": self.mark, "numbered": self.numbered, "waiting": self.waiting}
        return "".join(f"{json.dumps(each)}\n" for each in (head, *self.rows)).encode()


def read_handover(path: Path, dev: str) -> Handover:
    """Read an outbox that nobody uses now; none is an empty one. Raises OutboxError."""
    if files.is_missing(path):
        return Handover([], {}, 0, 0)
    try:
        with closing(connect(path)) as db:
            if schema.version_of(db) != schema.SCHEMA_VERSION:
                raise DamagedError("it is of another version; start this lobbycount once")
            schema.check_whole(db)
            head = schema.head_of(db)
            if head.dev != dev:
                raise DamagedError(f"it is of device {head.dev!r}")
            rows = db.execute(
                "SELECT stream, seq, retired_ms, body FROM earlier UNION ALL"
                " SELECT ?, seq, retired_ms, body FROM records",
                (head.stream,),
            ).fetchall()
            waiting = dict(db.execute("SELECT id, body FROM waiting").fetchall())
    except (sqlite3.Error, DamagedError) as error:
        raise OutboxError(
            f"{path}: cannot be handed over ({error}); start the service once, it repairs what can"
            " be, stop it and try again"
        ) from error
    return Handover([Row(*row) for row in rows], waiting, head.mark, head.numbered)


def parsed(text: bytes) -> Handover:
    """Read the lines of JSON again. Raises ValueError."""
    head, *rows = map(json.loads, text.decode("utf-8").splitlines())
    waiting = {int(number): body for number, body in head["waiting"].items()}
    return Handover([Row(*row) for row in rows], waiting, head["mark"], head["numbered"])


def stream_of(path: Path) -> str:
    """Return the present stream of an outbox that nobody uses now. Raises OutboxError."""
    try:
        with closing(connect(path)) as db:
            return schema.head_of(db).stream
    except (sqlite3.Error, DamagedError) as error:
        raise OutboxError(f"{path}: cannot be read ({error}); import again") from error


def begin_with(
    path: Path, dev: str, handed: Handover, utc: Callable[[], float] = time.time
) -> None:
    """Make the outbox of a board that goes on. Raises OutboxError; then there is none.

    There must be none before: of two histories neither could be told from the other.
    """
    if not files.is_missing(path) and not files.is_decided(path):
        raise OutboxError(
            f"{path}: this board has records of its own; if they may go, move the folder away:"
            f" sudo mv {path.parent} {path.parent}.old 本机已有记录"
        )
    bodies = {(row.stream, row.seq): row.body for row in handed.rows}
    retired = {
        (row.stream, row.seq): row.retired_ms for row in handed.rows if row.retired_ms is not None
    }
    numbered = max([handed.numbered, *handed.waiting])
    head = schema.new_head(dev, handed.mark + 1, numbered)
    try:
        files.prepare(path, connect, head, Salvage(None, bodies, retired, handed.waiting))
        files.put_in_place(path, utc())
    except (sqlite3.Error, OSError) as error:
        raise OutboxError(f"{path}: cannot be made ({error}); is the disk full?") from error
