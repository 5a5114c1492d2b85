"""How often a password may be tried: counted in the database, by account and by address.

Five wrong ones of an account from one address, or `FREE_ALONE` of an account or from an address
whatever the other is, and the next must wait a minute; with every further one the wait doubles,
up to an hour. Whoever tries many accounts, and who tries one from many addresses, waits too.
"""

from collections.abc import Callable, Mapping
from math import ceil

from sqlalchemy import delete, func, select

from edge.setup_page.limits import LONGEST_WAIT_S, group, wait_s
from evaluation.database import Database
from evaluation.page_tables import PAGE_TRIES

FREE_TOGETHER = 5
FREE_ALONE = 20
_KEPT_MS = 24 * round(LONGEST_WAIT_S * 1000)


Keys = Callable[[str, str], Mapping[str, int]]
"""From address and name: what a try is counted by, and how many wrong ones of each cost nothing."""


class Tries:
    """The tries of a database. keys: those of log-ins, unless they are of something else."""

    def __init__(
        self, database: Database, now_ms: Callable[[], int], keys: Keys | None = None
    ) -> None:
        self._db, self._now_ms, self._keys = database, now_ms, keys or _keys

    def retry_after_s(self, address: str, name: str) -> int:
        """Return how long to wait; 0 when it may be tried now."""
        c = PAGE_TRIES.c
        query = select(func.max(c.free_ms)).where(c.key.in_(list(self._keys(address, name))))
        with self._db.reading() as connection:
            free_ms = connection.execute(query).scalar()
        return max(0, ceil(((free_ms or 0) - self._now_ms()) / 1000))

    def failed(self, address: str, name: str) -> None:
        """Note a wrong password; done before it is compared, so that nobody tries two at once."""
        c, now_ms, keys = PAGE_TRIES.c, self._now_ms(), self._keys(address, name)
        with self._db.writing() as connection:
            connection.execute(delete(PAGE_TRIES).where(c.free_ms < now_ms - _KEPT_MS))
            # Written first: so two at once count as two, on either database.
            rows = [{"key": key, "wrong": 1, "free_ms": now_ms} for key in sorted(keys)]
            self._db.upsert(connection, PAGE_TRIES, rows, {"wrong": c.wrong + 1})
            found = connection.execute(select(c.key, c.wrong).where(c.key.in_(list(keys))))
            waits = [
                {"key": key, "wrong": wrong}
                | {"free_ms": now_ms + round(1000 * wait_s(wrong, keys[key]))}
                for key, wrong in found
            ]
            self._db.upsert(connection, PAGE_TRIES, waits)

    def succeeded(self, address: str, name: str) -> None:
        """Take back what `failed` counted: somebody knows the password of this account."""
        *own, alone = self._keys(address, name)
        c = PAGE_TRIES.c
        with self._db.writing() as connection:
            connection.execute(delete(PAGE_TRIES).where(c.key.in_(own)))
            # Not the address's own: else one account opens the door to guess at all others.
            less = PAGE_TRIES.update().where(c.key == alone, c.wrong > 0)
            connection.execute(less.values(wrong=c.wrong - 1, free_ms=self._now_ms()))


def _keys(address: str, name: str) -> Mapping[str, int]:
    """Return the keys of a try, and how many wrong ones of each cost nothing."""
    of, name = group(address), name[:64]
    return {
        f"both {of} {name}": FREE_TOGETHER,
        f"account {name}": FREE_ALONE,
        f"address {of}": FREE_ALONE,
    }


def token_keys(address: str, _: str) -> Mapping[str, int]:
    """Return the keys of a wrong token: apart from log-ins, which it must not keep out.

    Not by the token's name: else whoever knows it could keep its system out from anywhere.
    """
    return {f"token {group(address)}": FREE_TOGETHER}
