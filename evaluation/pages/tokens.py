"""Tokens of other systems, which hand registers in over HTTP: `NAME.SECRET`, its hash kept.

The secret is 256 random bits, so a plain SHA-256 is as good as a slow hash: nobody tries them
out. A token is of one tenant, perhaps of some sites and kinds of registers only, and ends by
itself. One that was revoked stays in the table, because the journal names it.
"""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update

from edge.errors import BadInputError
from evaluation.database import Database
from evaluation.page_tables import PAGE_TOKENS
from evaluation.register_messages import KINDS
from evaluation.registry import sites_of

LONGEST_DAYS = 3650
DAY_MS = 86_400_000
_SECRET_BYTES = 32
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{1,31}")
_NOBODYS = "-"
"""No hash is this."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a system may hand in. sites, kinds: None for all of its tenant."""

    name: str
    tenant: str
    sites: frozenset[str] | None
    kinds: frozenset[str] | None
    made_ms: int
    until_ms: int
    revoked_ms: int | None

    def ended(self, now_ms: int) -> str:
        """Return the word for why it holds no more; empty while it does."""
        if self.revoked_ms is not None:
            return "revoked"
        return "expired" if now_ms >= self.until_ms else ""

    def is_for(self, tenant: str, site: str, kind: str) -> bool:
        """Whether it is for a register of a site."""
        return (
            tenant == self.tenant
            and (self.sites is None or site in self.sites)
            and (self.kinds is None or kind in self.kinds)
        )


class Tokens:
    """The tokens of a database; any number of processes may have one."""

    def __init__(self, database: Database, now_ms: Callable[[], int]) -> None:
        self._db, self._now_ms = database, now_ms

    def add(
        self, name: str, tenant: str, sites: Collection[str], kinds: Collection[str], days: int
    ) -> str:
        """Make a token that ends after some days; return it, it is kept nowhere.

        sites, kinds: none for all. Raises BadInputError.
        """
        _check(name, kinds, days)
        said, now_ms = f"{name}.{secrets.token_urlsafe(_SECRET_BYTES)}", self._now_ms()
        row = {
            "name": name, "digest": _hash(said), "tenant": tenant, "sites": _listed(sites),
            "kinds": _listed(kinds), "made_ms": now_ms, "until_ms": now_ms + days * DAY_MS,
            "revoked_ms": None,
        }  # fmt: skip
        with self._db.writing() as connection:
            known = {each.site for each in sites_of(connection, tenant)}
            unknown = sorted(set(sites) - known) or ([] if known else ["*"])
            if unknown:
                raise BadInputError(
                    f"there is no site {unknown[0]} of {tenant}; import the table of sites first"
                    f" {tenant} 没有中心 {unknown[0]}，请先导入中心表"
                )
            if not self._db.insert_new(connection, PAGE_TOKENS, [row]):
                raise BadInputError(
                    f"there is or was a token {name}; take another name, e.g. {name}-2"
                    f" 令牌名 {name} 已用过，请换一个，例如 {name}-2"
                )
        return said

    def all(self) -> list[Token]:
        """Return every token by name, also those that hold no more."""
        with self._db.reading() as connection:
            rows = connection.execute(select(PAGE_TOKENS).order_by(PAGE_TOKENS.c.name)).all()
        return [_token(row) for row in rows]

    def find(self, said: str) -> Token | None:
        """Return the token that this is, whether it still holds or not."""
        name = said.rpartition(".")[0]
        if not _NAME.fullmatch(name):
            return None
        query = select(PAGE_TOKENS).where(PAGE_TOKENS.c.name == name)
        with self._db.reading() as connection:
            row = connection.execute(query).first()
        kept = _NOBODYS if row is None else row.digest
        is_it = hmac.compare_digest(_hash(said), kept)
        return _token(row) if is_it and row is not None else None

    def revoke(self, name: str) -> None:
        """Let a token not hold any more. Raises BadInputError."""
        c = PAGE_TOKENS.c
        change = update(PAGE_TOKENS).where(c.name == name, c.revoked_ms.is_(None))
        with self._db.writing() as connection:
            if not connection.execute(change.values(revoked_ms=self._now_ms())).rowcount:
                raise BadInputError(
                    f"there is no token {name[:40]!r} that holds; see evaluation token list"
                    f" 没有有效的令牌 {name[:40]!r}，参见 evaluation token list"
                )


def _check(name: str, kinds: Collection[str], days: int) -> None:
    if not _NAME.fullmatch(name):
        raise BadInputError(
            f"{name[:40]!r} is no name of a token: 2 to 32 of a-z, 0-9 and _ -, e.g. kiosk"
            " 令牌名为 2 到 32 个小写字母、数字或 _ -，例如 kiosk"
        )
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown:
        raise BadInputError(
            f"there is no register {unknown[0][:40]!r}, only {', '.join(KINDS)}"
            f" 没有台账 {unknown[0][:40]!r}，只有 {'、'.join(KINDS)}"
        )
    if not 1 <= days <= LONGEST_DAYS:
        raise BadInputError(
            f"a token holds 1 to {LONGEST_DAYS} days, e.g. --days 365"
            f" 令牌有效期为 1 到 {LONGEST_DAYS} 天，例如 --days 365"
        )


def _listed(names: Collection[str]) -> str | None:
    return json.dumps(sorted(set(names))) if names else None


def _limit(kept: str | None) -> frozenset[str] | None:
    return None if kept is None else frozenset(json.loads(kept))


def _token(row: Any) -> Token:
    return Token(
        row.name, row.tenant, _limit(row.sites), _limit(row.kinds),
        row.made_ms, row.until_ms, row.revoked_ms,
    )  # fmt: skip


def _hash(said: str) -> str:
    return hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()
