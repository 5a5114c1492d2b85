"""From what a broker delivers to what can be stored: records, heads, and what is neither.

Pure. Whatever comes is kept: what does not pass the checks becomes a `Reject` with its raw
text and the reason. The topic is what a broker's access list binds to an identity, so it
says who sent something, and a payload that says otherwise is not believed.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from edge.errors import MessageError
from edge.messages import checked_name
from edge.records import CountRecord, Record, ZoneRecord, parse_record
from evaluation.payload_text import Cut, take_apart

MOST_TEXT = 200
"""Characters that a text field of a record may have; ids, hashes and reasons are shorter."""
MOST_NUMBER = 2**53 - 1
"""The largest integer that every JSON reader reads as such (RFC 8259, section 6)."""

_OF_RECORDS = {field.name for kind in (CountRecord, ZoneRecord) for field in fields(kind)}
_STORED = frozenset({"in", "out", *_OF_RECORDS})
"""The fields that are read into columns; others are only in the text."""
_PACKAGE = re.compile(r"[0-9a-f]{16}")
_STREAM = re.compile(r"[0-9A-Za-z_-]{1,64}")


class Key(NamedTuple):
    """What makes a record the same record."""

    dev: str
    stream: str
    seq: int


@dataclass(frozen=True, slots=True)
class Sealed:
    """A record that passed the checks, and its text as the device sealed it."""

    record: Record
    body: str

    @property
    def key(self) -> Key:
        """What makes it the same record."""
        return Key(self.record.dev, self.record.stream, self.record.seq)


@dataclass(frozen=True, slots=True)
class Head:
    """A signed head of a stream as text; what it says is not judged here.

    continues: the site package that the stream says it goes on from.
    """

    key: Key
    day: str | None
    body: str
    continues: str | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """Something that is kept but not counted.

    key: of a record whose number could be read, so that its device need not repeat it.
    """

    raw: bytes
    reason: str
    key: Key | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What one message was found to hold. `tenant` is None where the topic is not one of ours."""

    topic: str
    payload: bytes
    tenant: str | None
    records: tuple[Sealed, ...] = ()
    heads: tuple[Head, ...] = ()
    rejects: tuple[Reject, ...] = ()


def read(topic: str, payload: bytes) -> Reading:
    """Return what a message holds; never raises."""
    tenant: str | None = None
    try:
        tenant, dev, leaf = _place(topic)
        if leaf == "head":
            return Reading(topic, payload, tenant, heads=(_head(dev, payload),))
        return _counts(topic, tenant, dev, payload)
    except (MessageError, ValueError) as error:
        return rejected(topic, payload, str(error), tenant)
    except Exception as error:
        # One message that nobody thought of would else be delivered again for ever.
        return rejected(topic, payload, f"cannot be read ({type(error).__name__})", tenant)


def rejected(topic: str, payload: bytes, reason: str, tenant: str | None = None) -> Reading:
    """Return the reading of a message that is kept as it came, and nothing more."""
    return Reading(topic, payload, tenant, rejects=(Reject(payload, reason),))


def _place(topic: str) -> tuple[str, str, str]:
    parts = topic.split("/")
    if len(parts) != 5 or parts[:2] != ["pc", "v1"] or parts[4] not in {"counts", "head"}:
        raise MessageError("the topic is not pc/v1/{tenant}/{dev}/counts or …/head")
    return checked_name(parts[2], "tenant"), checked_name(parts[3], "dev"), parts[4]


def _counts(topic: str, tenant: str, dev: str, payload: bytes) -> Reading:
    envelope, cuts = take_apart(payload)
    _check_sender(envelope, dev)
    records: list[Sealed] = []
    rejects: list[Reject] = []
    for index, (text, raw) in enumerate(cuts):
        try:
            records.append(_record(envelope, index, (text, raw)))
        except MessageError as error:
            # A body comes from UTF-8, so it can go back to it.
            rejects.append(Reject(text.encode(), str(error), _key(envelope, raw)))
    return Reading(topic, payload, tenant, tuple(records), rejects=tuple(rejects))


def _check_sender(fields: Mapping[str, Any], dev: str) -> None:
    version, stream = fields.get("v"), fields.get("stream")
    if not isinstance(version, str) or not version.startswith("1."):
        raise MessageError(f"version {version!r} is not one this receiver knows, which are 1.x")
    if fields.get("dev") != dev:
        raise MessageError(f"the payload is of {fields.get('dev')!r}, the topic of {dev!r}")
    if not isinstance(stream, str) or not _STREAM.fullmatch(stream):
        raise MessageError(f"{stream!r} is no stream: 1 to 64 of 0-9, A-Z, a-z, '_' and '-'")


def _record(envelope: Mapping[str, Any], index: int, cut: Cut) -> Sealed:
    text, raw = cut
    record = parse_record(envelope, index, raw)
    for name, value in raw.items():
        if name in _STORED and not _is_storable(value):
            raise MessageError(f"record {index} of the batch: {name!r} cannot be stored")
    return Sealed(record, text)


def _is_storable(value: object) -> bool:
    """Whether both databases take it: no huge number, no endless text, no half a character."""
    if isinstance(value, str):
        return (
            len(value) <= MOST_TEXT
            and (value.isascii() or _is_unicode(value))
            and "\0" not in value
        )
    return not isinstance(value, int | float) or abs(value) <= MOST_NUMBER


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _key(envelope: Mapping[str, Any], raw: object) -> Key | None:
    """Return the key of a bad record, if it is beyond doubt which number is meant.

    A record that names another device or stream than its batch has none: taken for a number
    of this stream, it could stand in for a good record that is yet to come.
    """
    if not isinstance(raw, dict):
        return None
    if raw.get("dev") != envelope["dev"] or raw.get("stream") != envelope["stream"]:
        return None
    return _checked_key(raw)


def _checked_key(fields: Mapping[str, Any], least: int = 1) -> Key | None:
    seq = fields.get("seq")
    if not isinstance(seq, int) or isinstance(seq, bool) or not least <= seq <= MOST_NUMBER:
        return None
    return Key(fields["dev"], fields["stream"], seq)


def _head(dev: str, payload: bytes) -> Head:
    try:
        text = payload.decode("utf-8")
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"the head is not JSON in UTF-8 ({error})") from None
    if not isinstance(value, dict):
        raise MessageError("the head is not a JSON object")
    _check_sender({"v": "1.0", **value}, dev)
    key = _checked_key(value, least=0)  # 0 is the head of a stream without records
    if key is None or "chain" not in value or "sig" not in value:
        raise MessageError("the head has no valid 'seq', no 'chain' or no 'sig'")
    day = value.get("day")
    package = value.get("continues")
    return Head(
        key,
        day if isinstance(day, str) and _is_storable(day) else None,
        text,
        package if isinstance(package, str) and _PACKAGE.fullmatch(package) else None,
    )
