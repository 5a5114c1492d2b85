"""The payloads of an update that a device sends: `update/want` and `update/reported`. Pure."""

import json
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard, get_args

from edge.errors import MessageError
from edge.messages import VERSION, message
from edge.sealing import canonical, iso_utc
from edge.updating.wanted import LARGEST_BUNDLE, is_digest
from edge.vocabulary import Message

WANT_LIVES_S = 60
"""A device that hears nothing asks again, so an old wish is of no use to anybody."""
MOST_PIECES = 64
LONGEST_WORDS = 400

State = Literal[
    "idle", "waiting", "downloading", "verifying", "installing", "trial",
    "applied", "reverted", "refused",
]  # fmt: skip
ENDS = frozenset[State]({"applied", "reverted", "refused"})
STATES: frozenset[str] = frozenset(get_args(State))


@dataclass(frozen=True, slots=True)
class Want:
    """A device asks for `pieces` pieces of a bundle, from a byte on."""

    bundle: str
    offset: int
    pieces: int


@dataclass(frozen=True, slots=True)
class Reported:
    """What became of an update: the version in use, the one wanted, and how far it is.

    had, size: bytes of the bundle that are on the device, and all of them.
    reason: a code, None where there is nothing to say; zh and en say it in words.
    """

    version: str
    state: State = "idle"
    wanted: str | None = None
    bundle: str | None = None
    had: int = 0
    size: int = 0
    reason: str | None = None
    zh: str = ""
    en: str = ""


def want_message(tenant: str, dev: str, want: Want) -> Message:
    """Return what a device asks with."""
    fields = {
        "v": VERSION,
        "dev": dev,
        "bundle": want.bundle,
        "offset": want.offset,
        "pieces": want.pieces,
    }
    return message(
        tenant, dev, "update/want", canonical(fields), qos=1, retain=False, expiry_s=WANT_LIVES_S
    )


def parse_want(payload: bytes) -> Want:
    """Read an `update/want` payload. Raises MessageError with one sentence."""
    value = _object(payload, "the wish")
    bundle, offset, pieces = (value.get(name) for name in ("bundle", "offset", "pieces"))
    if not is_digest(bundle) or not _is_number(offset, 0) or not _is_number(pieces, 1):
        raise MessageError('the wish has no valid "bundle", "offset" and "pieces"')
    return Want(str(bundle), offset, min(pieces, MOST_PIECES))


def reported_message(tenant: str, dev: str, at_ms: int, said: Reported) -> Message:
    """Return what a device says of updates."""
    fields = {
        "v": VERSION,
        "dev": dev,
        "at": iso_utc(at_ms),
        "version": said.version,
        "state": said.state,
        "wanted": said.wanted,
        "bundle": said.bundle,
        "had": said.had,
        "bytes": said.size,
        "reason": said.reason,
        "zh": said.zh[:LONGEST_WORDS],
        "en": said.en[:LONGEST_WORDS],
    }
    return message(
        tenant,
        dev,
        "update/reported",
        canonical(fields),
        qos=1,
        retain=True,
        time=iso_utc(at_ms),
    )


def parse_reported(payload: bytes) -> Reported:
    """Read an `update/reported` payload. Raises MessageError with one sentence."""
    value = _object(payload, "the report")
    version, state, bundle = (value.get(name) for name in ("version", "state", "bundle"))
    if not isinstance(version, str) or state not in STATES:
        raise MessageError('the report has no valid "version" and "state"')
    if bundle is not None and not is_digest(bundle):
        raise MessageError('the report has no valid "bundle"')
    had, size = value.get("had"), value.get("bytes")
    return Reported(
        version,
        state,
        _text(value.get("wanted")),
        _text(bundle),
        had if _is_number(had, 0) else 0,
        size if _is_number(size, 0) else 0,
        _text(value.get("reason")),
        _text(value.get("zh")) or "",
        _text(value.get("en")) or "",
    )


def _object(payload: bytes, what: str) -> dict[str, Any]:
    try:
        value = json.loads(payload.decode("utf-8"))
    except (ValueError, RecursionError):
        raise MessageError(f"{what} is not JSON in UTF-8") from None
    if not isinstance(value, dict) or not str(value.get("v")).startswith("1."):
        raise MessageError(f"{what} is not of a version that is known, which are 1.x")
    return value


def _is_number(value: Any, least: int) -> TypeGuard[int]:
    return (
        isinstance(value, int) and not isinstance(value, bool) and least <= value <= LARGEST_BUNDLE
    )


def _text(value: object) -> str | None:
    return value[:LONGEST_WORDS] if isinstance(value, str) else None
