"""A new outbox file in the place of none, or of a damaged one, so that no cut in between loses any.

A new file is made under another name and gets its own only when it is complete and on the disk.
From the moment it is called `….new` it is decided: whoever opens the outbox next puts the old one
aside and the new one in its place, if that has not been done.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from edge.adapters import outbox_schema as schema
from edge.adapters.outbox_errors import DamagedError
from edge.adapters.outbox_salvage import Salvage
from edge.adapters.outbox_schema import Database, crc_of

KEPT_FILES = 2
"""Damaged files kept for a closer look; they hold nothing but counts."""
TAILS = ("-wal", "-shm", "-journal")
_ASIDE = ".damaged-"

Connect = Callable[[Path], Database]


def beside(path: Path, tail: str) -> Path:
    """Return the file with the same name and something behind it."""
    return path.with_name(path.name + tail)


def is_missing(path: Path) -> bool:
    """Whether there is no outbox yet; one that lost its file but not its log is damaged."""
    return _size(path) == 0 and _size(beside(path, "-wal")) == 0


def refuse_without_file(path: Path) -> None:
    """Raise DamagedError for an empty file with a log: SQLite would do away with the log."""
    if _size(path) == 0:
        raise DamagedError("the file is empty and its log is not")


def is_decided(path: Path) -> bool:
    """Whether a new file waits to be put in its place."""
    return beside(path, ".new").exists()


def prepare(path: Path, connect: Connect, head: schema.Head, found: Salvage | None = None) -> None:
    """Make a complete new file with what was found. Raises sqlite3.Error and OSError."""
    made = beside(path, ".making")
    _remove(made)
    db = connect(made)
    try:
        # In WAL from the beginning: with the change to it a journal may come back by a power
        # cut, and with it the empty file it was made of.
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA secure_delete = ON")
        schema.in_transaction(db, lambda _: _fill(db, head, found))
        (busy, *_) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        db.close()
    if busy or _size(beside(made, "-wal")):
        raise OSError(f"{made.name} could not be completed")
    made.replace(beside(path, ".new"))
    _sync_folder(path)


def put_in_place(path: Path, utc_s: float) -> Path | None:
    """Put the old file aside and the new one in its place; return where the old one is now.

    Raises OSError; then it can be done again.
    """
    aside = put_aside(path, utc_s)
    _sync_folder(path)
    beside(path, ".new").replace(path)
    _sync_folder(path)
    return aside


def put_aside(path: Path, utc_s: float) -> Path | None:
    """Rename a file and what belongs to it; None where nothing is in it. Forgets the oldest."""
    stamp = datetime.fromtimestamp(utc_s, UTC).strftime("%Y%m%dT%H%M%S")
    number, aside = 1, beside(path, f"{_ASIDE}{stamp}")
    while any(beside(aside, tail).exists() for tail in ("", *TAILS)):
        number += 1
        aside = beside(path, f"{_ASIDE}{stamp}-{number}")
    parts = [tail for tail in ("-wal", "-journal", "") if _size(beside(path, tail))]
    for tail in parts:
        beside(path, tail).replace(beside(aside, tail))
    _remove(path)  # what was empty, and the shared memory
    forget_aside(path, KEPT_FILES)
    return aside if parts else None


def forget_aside(path: Path, kept: int) -> bool:
    """Delete the oldest of the files put aside; return whether there was one."""
    names: dict[str, int] = {}
    for each in path.parent.glob(f"{path.name}{_ASIDE}*"):
        base = next((each.name.removesuffix(t) for t in TAILS if each.name.endswith(t)), each.name)
        names[base] = max(names.get(base, 0), each.stat().st_ctime_ns)
    old = sorted(names, key=lambda name: (names[name], name))[: max(0, len(names) - kept)]
    for name in old:
        _remove(path.with_name(name))
    return bool(old)


def _fill(db: Database, head: schema.Head, found: Salvage | None) -> None:
    schema.create(db, head)
    if found is None:
        return
    for (stream, seq), body in sorted(found.bodies.items()):
        row = (stream, seq, body, crc_of(seq, body), found.retired_ms.get((stream, seq)))
        db.execute("INSERT INTO earlier VALUES (?, ?, ?, ?, ?)", row)
    for number, text in found.waiting.items():
        db.execute("INSERT INTO waiting VALUES (?, ?, ?)", (number, text, crc_of(text)))


def _remove(path: Path) -> None:
    for tail in ("", *TAILS):
        beside(path, tail).unlink(missing_ok=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
