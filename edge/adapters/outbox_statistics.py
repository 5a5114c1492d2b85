"""How the outbox is: counts, sizes, ages, its check. No count of people, no record."""

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from edge.adapters.outbox_file import BUSY_TIMEOUT_S

CHECK_WITHIN_S = 60.0
"""A large file on a slow card is looked at for no longer."""
_STEPS = 100_000
_PRAGMAS = ("user_version", "application_id", "page_size", "page_count", "freelist_count")


def outbox_statistics(
    path: Path, monotonic: Callable[[], float] = time.monotonic
) -> dict[str, object]:
    """Read what can be read of an outbox file beside the running service; changes nothing.

    A figure that cannot be had says why in its place: the file may be damaged, or not there.
    """
    found: dict[str, object] = {"files": _files(path)}
    try:
        address = f"file:{quote(str(path.absolute()))}?mode=ro"
        with closing(sqlite3.connect(address, timeout=BUSY_TIMEOUT_S, uri=True)) as db:
            db.text_factory = lambda text: text.decode("utf-8", "replace")
            until = monotonic() + CHECK_WITHIN_S
            db.set_progress_handler(lambda: int(monotonic() > until), _STEPS)
            for name in _PRAGMAS:
                found[name] = _tried(lambda: db.execute(f"PRAGMA {name}").fetchone()[0])  # noqa: B023
            found["quick_check"] = _tried(lambda: _checked(db))
            found["head"] = _tried(lambda: _head(db))
            for table in ("records", "earlier"):
                found[table] = _tried(lambda: _states(db, table))  # noqa: B023
            found["waiting_for_a_date"] = _tried(
                lambda: db.execute("SELECT count(*) FROM waiting").fetchone()[0]
            )
    except sqlite3.Error as error:
        found["error"] = _told(error)
    return found


def _files(path: Path) -> dict[str, object]:
    """Return the sizes of the file, of its log, and of those that were put aside."""
    try:
        beside = sorted(path.parent.glob(f"{path.name}*"))
        return {each.name: each.stat().st_size for each in beside}
    except OSError as error:
        return {"error": str(error.strerror)}


def _checked(db: sqlite3.Connection) -> list[str]:
    return [" ".join(str(row[0]).split()) for row in db.execute("PRAGMA quick_check(5)")]


def _head(db: sqlite3.Connection) -> dict[str, object]:
    names = ("stream", "seq", "chain", "until_ms", "mark", "numbered")
    row = db.execute(f"SELECT {', '.join(names)} FROM head").fetchone()  # noqa: S608  our names
    return dict(zip(names, row, strict=True)) if row else {"error": "there is no head"}


def _states(db: sqlite3.Connection, table: str) -> dict[str, object]:
    """Return how many rows are pending and delivered, their size, and of when they are."""
    order = "seq" if table == "records" else "stream, seq"
    states: dict[str, object] = {}
    for state, null in (("pending", "IS NULL"), ("delivered", "IS NOT NULL")):
        where = f"FROM {table} WHERE retired_ms {null}"
        rows, size = db.execute(
            f"SELECT count(*), coalesce(sum(length(body)), 0) {where}"
        ).fetchone()
        states[state] = {"rows": rows, "bytes": size}
        if rows:
            ends = [
                db.execute(f"SELECT body {where} ORDER BY {order} {way} LIMIT 1").fetchone()[0]
                for way in ("ASC", "DESC")
            ]
            states[state] = {
                "rows": rows,
                "bytes": size,
                "t0": _date(ends[0]),
                "t1": _date(ends[1]),
            }
    return states


def _date(body: str) -> str:
    try:
        return str(json.loads(body)["t0"])
    except (ValueError, KeyError, TypeError):
        return "its record cannot be read"


def _tried(figure: Callable[[], object]) -> object:
    try:
        return figure()
    except (sqlite3.Error, ValueError, TypeError) as error:
        return {"error": _told(error)}


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
