"""Who looked at what and who changed what: rows that are only ever added.

The same look of the same person within ten minutes is written once; what somebody changes, and
what is refused, each time it happens.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import insert, select

from evaluation.database import Database
from evaluation.page_tables import PAGE_JOURNAL

SAME_MS = 600_000
MOST_SHOWN = 500
_MOST_REMEMBERED = 4096


class Who(NamedTuple):
    """Who does something. name: empty where nobody is logged in; tenant: where of none."""

    name: str
    address: str
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened. what: a word of the program; about: a site, a month, a user."""

    at_ms: int
    name: str
    address: str
    tenant: str
    what: str
    about: str
    result: str


class Journal:
    """The journal of a database."""

    def __init__(self, database: Database, now_ms: Callable[[], int]) -> None:
        self._db, self._now_ms = database, now_ms
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, ...], int] = {}

    def note(self, who: Who, what: str, about: str = "", result: str = "ok") -> None:
        """Write down what happened."""
        row = {"at_ms": self._now_ms(), **who._asdict()} | {
            "what": what,
            "about": _plain(about),
            "result": result,
        }
        with self._db.writing() as connection:
            connection.execute(insert(PAGE_JOURNAL).values(row))

    def note_look(self, who: Who, what: str, about: str) -> None:
        """Write down that somebody looks at something, unless it was in the last minutes."""
        key, now_ms = (*who, what, about), self._now_ms()
        with self._lock:
            before = self._seen.get(key)
            if before is not None and 0 <= now_ms - before < SAME_MS:
                return
            self._seen.pop(key, None)
            self._seen[key] = now_ms  # the latest last
            while len(self._seen) > _MOST_REMEMBERED:
                del self._seen[next(iter(self._seen))]
        self.note(who, what, about)

    def latest(self, tenant: str | None, limit: int = MOST_SHOWN) -> Sequence[Entry]:
        """Return the last entries of a tenant, or of all; the newest first."""
        c = PAGE_JOURNAL.c
        query = select(*c["at_ms", "name", "address", "tenant", "what", "about", "result"])
        if tenant is not None:
            query = query.where(c.tenant == tenant)
        with self._db.reading() as connection:
            return [
                Entry(*row) for row in connection.execute(query.order_by(c.id.desc()).limit(limit))
            ]


def _plain(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text)[:200]
