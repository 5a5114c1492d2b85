"""What a backend may ask of a device, and what the device answers. There is one command.

`cmd/backfill` asks for the records of a time once more, e.g. after a backend has lost some that
it had acked. Nothing that could show a picture, a track or a place can be asked for.
"""

import json
from dataclasses import dataclass
from datetime import datetime

from edge.errors import MessageError
from edge.messages import Answer, response_message
from edge.vocabulary import Message

LONGEST_ID = 64


@dataclass(frozen=True, slots=True)
class Backfill:
    """Send every record again that overlaps [t0_ms, t1_ms); `id` comes back in the answer."""

    id: str
    t0_ms: int
    t1_ms: int


def parse_backfill(payload: bytes) -> Backfill:
    """Read a `cmd/backfill` payload. Raises MessageError with one sentence."""
    try:
        value = json.loads(payload.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise MessageError(f"the command is not JSON in UTF-8 ({error})") from None
    if not isinstance(value, dict) or not str(value.get("v")).startswith("1."):
        raise MessageError("the command is not of a version this device knows, which are 1.x")
    name = value.get("id")
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_ID:
        raise MessageError(f'the command has no "id" of 1 to {LONGEST_ID} characters')
    t0_ms, t1_ms = (_milliseconds(value.get(field), field) for field in ("from", "to"))
    if t0_ms >= t1_ms:
        raise MessageError('"from" of the command must be before "to"')
    return Backfill(name, t0_ms, t1_ms)


def answer(tenant: str, dev: str, at_ms: int, payload: bytes, error: str | None) -> Message:
    """Return what `rsp/backfill` says to a command; `error` None when it is accepted."""
    state: Answer = "accepted" if error is None else "rejected"
    return response_message(tenant, dev, at_ms, command=_id_of(payload), state=state, error=error)


def _id_of(payload: bytes) -> str | None:
    try:
        name = json.loads(payload)["id"]
    except (ValueError, RecursionError, TypeError, KeyError):
        return None
    return name if isinstance(name, str) and len(name) <= LONGEST_ID else None


def _milliseconds(value: object, field: str) -> int:
    try:
        if isinstance(value, str) and value.endswith("Z"):
            return round(datetime.fromisoformat(value).timestamp() * 1000)
    except ValueError:
        pass
    raise MessageError(
        f'"{field}" of the command must be a time in UTC such as "2026-11-01T00:00:00Z"'
    )
