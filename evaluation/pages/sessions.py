"""Who is logged in: a random token whose hash alone is kept, until it idles or its day is over.

They are in the database, so that a restart ends none and every process knows each.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import delete, insert, select, update

from evaluation.database import Database
from evaluation.page_tables import PAGE_SESSIONS, PAGE_USERS

IDLE_MS = 30 * 60_000
LASTS_MS = 10 * 3_600_000
TOUCH_MS = 60_000
"""A session that is used is written that often, not at every request."""
_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class Session:
    """One login."""

    name: str
    csrf: str = field(repr=False)

    def accepts(self, csrf: str) -> bool:
        """Whether a form carries this session's token."""
        return hmac.compare_digest(csrf.encode("utf-8", "replace"), self.csrf.encode())


class Sessions:
    """The sessions of a database."""

    def __init__(self, database: Database, now_ms: Callable[[], int]) -> None:
        self._db, self._now_ms = database, now_ms

    def begin(self, name: str) -> str:
        """Begin a session; return its token, which is kept nowhere."""
        token, now_ms = secrets.token_urlsafe(_TOKEN_BYTES), self._now_ms()
        c = PAGE_SESSIONS.c
        with self._db.writing() as connection:
            over = (c.used_ms <= now_ms - IDLE_MS) | (c.begun_ms <= now_ms - LASTS_MS)
            connection.execute(delete(PAGE_SESSIONS).where(over))
            row = {"token": _hash(token), "name": name, "begun_ms": now_ms, "used_ms": now_ms}
            connection.execute(insert(PAGE_SESSIONS).values(row))
        return token

    def find(self, token: str | None) -> Session | None:
        """Return the session of a token that has not ended."""
        if not token:
            return None
        c, u, now_ms = PAGE_SESSIONS.c, PAGE_USERS.c, self._now_ms()
        query = select(c.name, c.used_ms).join(PAGE_USERS, u.name == c.name)
        query = query.where(
            c.token == _hash(token),
            c.used_ms > now_ms - IDLE_MS,
            c.begun_ms > now_ms - LASTS_MS,
            u.disabled_ms.is_(None),
        )
        with self._db.reading() as connection:
            found = connection.execute(query).first()
        if found is None:
            return None
        if now_ms - found.used_ms > TOUCH_MS:
            with self._db.writing() as connection:
                touch = update(PAGE_SESSIONS).where(c.token == _hash(token))
                connection.execute(touch.values(used_ms=now_ms))
        return Session(found.name, _csrf(token))

    def end(self, token: str | None) -> None:
        """Log out."""
        if token:
            with self._db.writing() as connection:
                where = PAGE_SESSIONS.c.token == _hash(token)
                connection.execute(delete(PAGE_SESSIONS).where(where))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _csrf(token: str) -> str:
    """Return the token of the forms: it tells nothing of the session's, and need not be kept."""
    return hmac.new(token.encode("utf-8", "replace"), b"form", hashlib.sha256).hexdigest()
