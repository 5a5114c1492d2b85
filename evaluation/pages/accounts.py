"""Who may log in, and with which role where. A change that takes something away ends sessions."""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from edge.errors import BadInputError
from edge.messages import checked_name
from evaluation.database import Database
from evaluation.page_tables import PAGE_ROLES, PAGE_SESSIONS, PAGE_USERS
from evaluation.pages.passwords import checked_password, hashed, is_password
from evaluation.pages.roles import EVERY_TENANT, Role

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,31}")


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who has a password. roles: by tenant, or EVERY_TENANT."""

    name: str
    made_ms: int
    disabled_ms: int | None
    roles: Mapping[str, Role] = field(default_factory=dict)


class Accounts:
    """The accounts of a database; any number of processes may have one."""

    def __init__(self, database: Database, now_ms: Callable[[], int]) -> None:
        self._db, self._now_ms = database, now_ms

    def add(self, name: str, password: str, tenant: str, role: Role) -> None:
        """Make an account. Raises BadInputError."""
        kept = hashed(checked_password(password, checked_user(name)))
        _check_tenant(tenant)
        now_ms = self._now_ms()
        row = {"name": name, "password": kept, "made_ms": now_ms, "changed_ms": now_ms}
        with self._db.writing() as connection:
            if not self._db.insert_new(connection, PAGE_USERS, [row | {"disabled_ms": None}]):
                raise BadInputError(f"there is a user {name} already 用户 {name} 已存在")
            connection.execute(insert(PAGE_ROLES).values(name=name, tenant=tenant, role=role))

    def all(self) -> list[Account]:
        """Return every account by name."""
        with self._db.reading() as connection:
            return _accounts(connection)

    def find(self, name: str) -> Account | None:
        """Return an account."""
        with self._db.reading() as connection:
            return next(iter(_accounts(connection, name)), None)

    def log_in(self, name: str, password: str) -> Account | None:
        """Return the account whose password this is; takes as long where there is none."""
        c = PAGE_USERS.c
        with self._db.reading() as connection:
            kept = connection.execute(
                select(c.password).where(c.name == name, c.disabled_ms.is_(None))
            ).scalar()
        return self.find(name) if is_password(password, kept) else None

    def set_password(self, name: str, password: str) -> None:
        """Set a password; whoever is logged in with the old one is out. Raises BadInputError."""
        kept = hashed(checked_password(password, name))
        self._change(name, {"password": kept})

    def disable(self, name: str, *, is_disabled: bool = True) -> None:
        """Let somebody not log in any more, or again. Raises BadInputError."""
        self._change(name, {"disabled_ms": self._now_ms() if is_disabled else None})

    def set_role(self, name: str, tenant: str, role: Role | None) -> None:
        """Give a role in a tenant, or take it away. Raises BadInputError."""
        _check_tenant(tenant)
        with self._db.writing() as connection:
            _end_sessions(connection, name, {"changed_ms": self._now_ms()})
            if role is None:
                c = PAGE_ROLES.c
                connection.execute(delete(PAGE_ROLES).where(c.name == name, c.tenant == tenant))
                return
            row = {"name": name, "tenant": tenant, "role": role.value}
            self._db.upsert(connection, PAGE_ROLES, [row])

    def _change(self, name: str, values: dict[str, Any]) -> None:
        with self._db.writing() as connection:
            _end_sessions(connection, name, values | {"changed_ms": self._now_ms()})


def checked_user(name: str) -> str:
    """Return a name that a user may have. Raises BadInputError."""
    if not _NAME.fullmatch(name):
        raise BadInputError(
            f"{name[:40]!r} is no user name: 2 to 32 of a-z, 0-9 and . _ -, e.g. zhang.wei"
            " 用户名为 2 到 32 个小写字母、数字或 . _ -，例如 zhang.wei"
        )
    return name


def _check_tenant(tenant: str) -> None:
    if tenant == EVERY_TENANT:
        return
    try:
        checked_name(tenant, "tenant")
    except ValueError as error:
        raise BadInputError(f"{error}; e.g. heping-street, or '*' for all 租户名有误") from None


def _end_sessions(connection: Connection, name: str, values: dict[str, Any]) -> None:
    done = connection.execute(update(PAGE_USERS).where(PAGE_USERS.c.name == name).values(values))
    if not done.rowcount:
        raise BadInputError(f"there is no user {name[:40]} 没有用户 {name[:40]}")
    connection.execute(delete(PAGE_SESSIONS).where(PAGE_SESSIONS.c.name == name))


def _accounts(connection: Connection, name: str | None = None) -> list[Account]:
    u = PAGE_USERS.c
    query = select(*u["name", "made_ms", "disabled_ms"]).order_by(u.name)
    roles: dict[str, dict[str, Role]] = defaultdict(dict)
    held = select(*PAGE_ROLES.c["name", "tenant", "role"]).order_by(*PAGE_ROLES.primary_key)
    if name is not None:
        query, held = query.where(u.name == name), held.where(PAGE_ROLES.c.name == name)
    for who, tenant, role in connection.execute(held):
        roles[who][tenant] = Role(role)
    return [
        Account(row.name, row.made_ms, row.disabled_ms, roles[row.name])
        for row in connection.execute(query)
    ]
