"""What each device said last on each of its topics: read, kept, and given back."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, delete, or_, select, tuple_
from sqlalchemy.sql.elements import ColumnElement

from edge.errors import MessageError
from edge.messages import checked_name
from edge.payloads import unpacked
from evaluation.database import Database
from evaluation.fleet import Told
from evaluation.fleet_tables import DEVICE_STATES
from evaluation.site_tables import DEVICES

LEAVES = ("status", "info", "health", "config/reported", "update/reported")
MOST_BYTES = 200_000
"""Of a body; a config with fifty lines and zones has a tenth of it."""
KEYS_PER_QUERY = 500


@dataclass(frozen=True, slots=True)
class DeviceState:
    """What a device said. body: None when the broker was told to forget it."""

    dev: str
    leaf: str
    tenant: str
    body: str | None
    received_ms: int
    is_live: bool = True
    until_ms: int | None = None


def read_state(
    topic: str,
    payload: bytes,
    received_ms: int,
    *,
    is_live: bool = True,
    expiry_s: int | None = None,
) -> DeviceState:
    """Read a message of a device. Raises MessageError when it is not one of the contract."""
    parts = topic.split("/", 4)
    if len(parts) != 5 or parts[:2] != ["pc", "v1"] or parts[4] not in LEAVES:
        raise MessageError(f"{topic}: is no topic of a device's state")
    try:
        tenant, dev = checked_name(parts[2], "tenant"), checked_name(parts[3], "dev")
        body = _body(payload, dev) if payload else None
    except (ValueError, RecursionError) as error:
        raise MessageError(f"{topic}: {error}") from None
    until_ms = None if expiry_s is None else received_ms + 1000 * expiry_s
    return DeviceState(dev, parts[4], tenant, body, received_ms, is_live, until_ms)


def keep_states(database: Database, states: Sequence[DeviceState]) -> int:
    """Keep the latest of each device and topic in one transaction; return how many are new.

    What the broker had kept and is here already is older than it looks, and left as it is.
    Raises StoreError; then nothing was kept.
    """
    latest = {(state.dev, state.leaf): state for state in states}
    with database.writing() as connection:
        before = _bodies(connection, sorted(latest))
        new = [s for key, s in sorted(latest.items()) if s.is_live or s.body != before.get(key)]
        rows = [_row(state) for state in new if state.body is not None]
        database.upsert(connection, DEVICE_STATES, rows)
        for state in new:
            if state.body is None:
                c = DEVICE_STATES.c
                where = (c.dev == state.dev, c.leaf == state.leaf)
                connection.execute(delete(DEVICE_STATES).where(*where))
    return len(new)


def told_of(connection: Connection, tenant: str) -> dict[str, dict[str, Told]]:
    """Return what the devices of a tenant said last, by device and topic."""
    found: dict[str, dict[str, Told]] = defaultdict(dict)
    for row in connection.execute(select(DEVICE_STATES).where(of_tenant(DEVICE_STATES.c, tenant))):
        body = json.loads(row.body)
        found[row.dev][row.leaf] = Told(body, row.received_ms, row.is_live, row.until_ms)
    return found


def of_tenant(columns: Any, tenant: str) -> ColumnElement[bool]:
    """Return which rows are of a tenant's devices.

    The registry says whose a device is; what is not in it is taken to be whose its topic says.
    """
    registered = select(DEVICES.c.dev)
    return or_(
        columns.dev.in_(registered.where(DEVICES.c.tenant == tenant)),
        and_(columns.tenant == tenant, columns.dev.not_in(registered)),
    )


def _body(payload: bytes, dev: str) -> str:
    text = unpacked(payload).decode("utf-8")
    if len(text) > MOST_BYTES:
        raise ValueError(f"has more than {MOST_BYTES} characters")
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")
    version = value.get("v")
    if not isinstance(version, str) or not version.startswith("1."):
        raise ValueError(f"version {version!r} is not one this reader knows, which are 1.x")
    if value.get("dev") != dev:
        raise ValueError(f"the payload is of {value.get('dev')!r}")
    return text


def _bodies(connection: Connection, keys: Sequence[tuple[str, str]]) -> dict[Any, str]:
    c = DEVICE_STATES.c
    found: dict[Any, str] = {}
    for at in range(0, len(keys), KEYS_PER_QUERY):
        some = keys[at : at + KEYS_PER_QUERY]
        query = select(c.dev, c.leaf, c.body).where(tuple_(c.dev, c.leaf).in_(some))
        found |= {(dev, leaf): body for dev, leaf, body in connection.execute(query)}
    return found


def _row(state: DeviceState) -> dict[str, Any]:
    return {
        "dev": state.dev, "leaf": state.leaf, "tenant": state.tenant, "body": state.body,
        "received_ms": state.received_ms, "is_live": state.is_live, "until_ms": state.until_ms,
    }  # fmt: skip
