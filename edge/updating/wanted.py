"""The payloads of an update that a backend sends: `update/desired` and `update/piece`. Pure.

A piece is JSON like every other payload, its bytes in base64, and packed as `payloads` has it:
that takes away again what base64 adds. See docs/adr/0028-updates-over-mqtt.md.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from edge.config_drawings import daily_windows
from edge.errors import MessageError, SettingError, UpdateError
from edge.messages import VERSION, message
from edge.payloads import ENCODING, packed, unpacked
from edge.sealing import canonical, iso_utc
from edge.updating.versions import version_key
from edge.vocabulary import DailyWindow, Message

LARGEST_DESIRED = 4096
LARGEST_PIECE = 65_536
"""Bytes of a bundle in one message; a slow line is not held up by it for long."""
SMALLEST_PIECE = 1024
LARGEST_BUNDLE = 1 << 30
SPREAD_S = 600
MOST_SPREAD_S = 86_400
PIECE_LIVES_S = 60
EXAMPLE = (
    'e.g. {"v": "1.0", "version": "0.2.0", "bundle": "<SHA-256, 64 hex digits>",'
    ' "bytes": 3500000, "piece_bytes": 16384}'
)

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A bundle that a backend wants the device to install.

    bundle: SHA-256 of the file. size: its bytes. piece_bytes: of it in one message.
    not_before_ms: UTC. windows: times of day, on the device's clock; () is always.
    spread_s: every device begins at its own share of this time.
    """

    version: str
    bundle: str
    size: int
    piece_bytes: int
    not_before_ms: int | None = None
    hours: tuple[str, ...] = ()
    spread_s: int = SPREAD_S

    @property
    def windows(self) -> tuple[DailyWindow, ...]:
        """The hours as they are asked."""
        return daily_windows(self.hours)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a bundle."""

    bundle: str
    offset: int
    data: bytes


def parse_desired(payload: bytes) -> Wanted | None:
    """Read an `update/desired` payload; None for an empty one: nothing is wanted.

    Raises MessageError with one sentence.
    """
    if not payload:
        return None
    value = _object(payload, LARGEST_DESIRED, "update/desired")
    version, bundle = value.get("version"), value.get("bundle")
    try:
        version_key(version if isinstance(version, str) else "")
    except UpdateError:
        raise MessageError(f'"version": must be a version such as "0.2.0"; {EXAMPLE}') from None
    if not is_digest(bundle):
        raise MessageError(f'"bundle": must be the SHA-256 of the file; {EXAMPLE}')
    return Wanted(
        str(version),
        str(bundle),
        _number(value, "bytes", 1, LARGEST_BUNDLE),
        _number(value, "piece_bytes", SMALLEST_PIECE, LARGEST_PIECE),
        _moment(value.get("not_before")),
        _hours(value.get("hours")),
        _number({"spread_s": SPREAD_S, **value}, "spread_s", 0, MOST_SPREAD_S),
    )


def parse_piece(payload: bytes) -> Piece:
    """Read an `update/piece` payload. Raises MessageError with one sentence."""
    value = _object(unpacked(payload), 2 * LARGEST_PIECE, "update/piece")
    bundle, data = value.get("bundle"), value.get("data")
    if not is_digest(bundle) or not isinstance(data, str):
        raise MessageError('the piece has no valid "bundle" and "data"')
    try:
        content = base64.b64decode(data.encode("ascii"), validate=True)
    except (ValueError, binascii.Error):
        raise MessageError('"data" of the piece is not base64') from None
    return Piece(str(bundle), _number(value, "offset", 0, LARGEST_BUNDLE), content)


def desired_message(tenant: str, dev: str, wanted: Wanted | None) -> Message:
    """Return what a backend publishes; None: nothing is wanted any more."""
    text = ""
    if wanted is not None:
        optional: dict[str, object] = {}
        if wanted.not_before_ms is not None:
            optional["not_before"] = iso_utc(wanted.not_before_ms)
        if wanted.hours:
            optional["hours"] = list(wanted.hours)
        text = canonical(
            {
                "v": VERSION,
                "version": wanted.version,
                "bundle": wanted.bundle,
                "bytes": wanted.size,
                "piece_bytes": wanted.piece_bytes,
                "spread_s": wanted.spread_s,
                **optional,
            }
        )
    return message(tenant, dev, "update/desired", text, qos=1, retain=True)


def piece_message(tenant: str, dev: str, piece: Piece) -> Message:
    """Return a piece as it is sent: packed, because base64 alone is a third more."""
    plain = message(tenant, dev, "update/piece", "", qos=1, retain=False, expiry_s=PIECE_LIVES_S)
    properties = (*plain.properties, ENCODING)
    return replace(plain, payload=_packed_piece(piece), properties=properties, packed=True)


@lru_cache(maxsize=256)
def _packed_piece(piece: Piece) -> bytes:
    """Pack it once: the devices of a stage ask for the same pieces at about the same time."""
    data = base64.b64encode(piece.data).decode("ascii")
    fields = {"v": VERSION, "bundle": piece.bundle, "offset": piece.offset, "data": data}
    return packed(canonical(fields).encode())


def is_digest(value: object) -> bool:
    """Whether it is a SHA-256 as hex digits."""
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None


def _object(payload: bytes, most: int, what: str) -> dict[str, Any]:
    if len(payload) > most:
        raise MessageError(f"{what} has more than {most} bytes")
    try:
        value = json.loads(payload.decode("utf-8"))
    except (ValueError, RecursionError):
        raise MessageError(f"{what} is not JSON in UTF-8; {EXAMPLE}") from None
    if not isinstance(value, dict) or not str(value.get("v")).startswith("1."):
        raise MessageError(f"{what} is not of a version this device knows, which are 1.x")
    return value


def _number(value: Mapping[str, Any], name: str, least: int, most: int) -> int:
    number = value.get(name)
    if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= most:
        raise MessageError(f'"{name}": must be a whole number from {least} to {most}; {EXAMPLE}')
    return number


def _moment(text: object) -> int | None:
    try:
        if text is None:
            return None
        if isinstance(text, str) and text.endswith("Z"):
            return round(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError:
        pass
    raise MessageError('"not_before": must be a time in UTC such as "2026-12-01T18:00:00Z"')


def _hours(texts: object) -> tuple[str, ...]:
    if texts is None:
        return ()
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise MessageError('"hours": must be a list of times of day such as ["02:00-05:00"]')
    try:
        daily_windows(texts)
    except SettingError as error:
        raise MessageError(f'"hours": {error.en}') from None
    return tuple(texts)
