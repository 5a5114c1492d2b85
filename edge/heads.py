"""Signed heads: how far a stream goes and with which chain, signed with the device's key.

The chain makes a change visible to everybody who has a later chain; a head makes that later
chain the device's own. A chain covers everything before it, so a later head covers what a
lost one covered.

`day` is the UTC date in which the last signed interval ends, and of a stream without
records the date of signing; so a head whose day lies in a month signs a record of that
month. `at` is when the head was signed, by the device's clock, and `tq` how good that is.

The signature (Ed25519, RFC 8032) is over a prefix that nothing else uses and the canonical
JSON of the head without `sig`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge.errors import MessageError
from edge.messages import LATER_VERSION, VERSION, message
from edge.ports import Signer
from edge.sealing import canonical, iso_utc
from edge.vocabulary import Message, TimeQuality, Tip

PREFIX = b"pc/v1/head\n"
"""What is signed begins with it, so that no signature made for something else fits a head."""

_PATTERNS = {
    "dev": re.compile(r"[a-z0-9][a-z0-9-]{0,62}"),
    "stream": re.compile(r"[0-9a-f]{16}"),
    "chain": re.compile(r"[0-9a-f]{64}"),
    "day": re.compile(r"\d{4}-\d\d-\d\d", re.ASCII),
    "at": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", re.ASCII),
    "tq": re.compile(r"[a-z_]+"),
    "key": re.compile(r"[0-9a-f]{64}"),
    "sig": re.compile(r"[0-9a-f]{128}"),
}


@dataclass(frozen=True, slots=True)
class Begin:
    """The first record of an export. No chain before it vouches for it, so its head does.

    hash: SHA-256 of its canonical JSON, 64 hex digits.
    """

    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Head:
    """A head whose signature was verified. begin: of the head that closes an export."""

    dev: str
    stream: str
    seq: int
    chain: str
    day: str
    at: str
    tq: str
    key: str
    begin: Begin | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)


def fingerprint(public_key: str) -> str:
    """Return the first 16 hex digits of the SHA-256 of a raw public key given in hex."""
    return sha256(bytes.fromhex(public_key)).hexdigest()[:16]


def hash_of(record: Mapping[str, object]) -> str:
    """Return the SHA-256 of a record's canonical JSON, 64 hex digits."""
    return sha256(canonical(record).encode("utf-8", "surrogatepass")).hexdigest()


def head_text(
    dev: str,
    at_ms: int,
    tip: Tip,
    *,
    quality: TimeQuality,
    signer: Signer,
    begin: Begin | None = None,
    continues: str | None = None,
) -> str:
    """Return the canonical JSON of a signed head. quality: of the clock that says `at_ms`.

    continues: the site package that the stream goes on from; version 1.1.
    """
    fields: dict[str, object] = {
        "v": VERSION if continues is None else LATER_VERSION,
        "dev": dev,
        "stream": tip.stream,
        "seq": tip.seq,
        "chain": tip.chain,
        "day": iso_utc(tip.until_ms - 1 if tip.seq and tip.until_ms else at_ms)[:10],
        "at": iso_utc(at_ms),
        "tq": str(quality),
        "key": signer.public_key,
    }
    if continues is not None:
        fields["continues"] = continues
    if begin is not None:
        fields |= {"first": begin.seq, "first_hash": begin.hash}
    return canonical({**fields, "sig": signer.sign(_signed(fields)).hex()})


def head_message(
    tenant: str,
    dev: str,
    at_ms: int,
    tip: Tip,
    *,
    quality: TimeQuality,
    signer: Signer,
    continues: str | None = None,
) -> Message:
    """Return the head for `pc/v1/{tenant}/{dev}/head`, retained. continues: see `head_text`."""
    text = head_text(dev, at_ms, tip, quality=quality, signer=signer, continues=continues)
    version = VERSION if continues is None else LATER_VERSION
    time = iso_utc(at_ms)
    return message(tenant, dev, "head", text, qos=1, retain=True, version=version, time=time)


def verify_head(payload: bytes | Mapping[str, Any], key: str | None = None) -> Head:
    """Read a head and verify its signature; fields that are not known are covered too.

    key: whose it must be, the public key in hex or its fingerprint. Without one the head
    says only that its signer had the key which it names.
    Raises MessageError with one sentence.
    """
    raw = _load(payload) if isinstance(payload, bytes) else payload
    _check(raw)
    public_key, signature = bytes.fromhex(raw["key"]), bytes.fromhex(raw["sig"])
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, _signed(raw))
    except (InvalidSignature, ValueError, RecursionError):
        raise MessageError("the signature does not belong to what the head says") from None
    if key is not None and key not in {raw["key"], fingerprint(raw["key"])}:
        raise MessageError(f"it is signed with another key, {fingerprint(raw['key'])}")
    names = ("dev", "stream", "seq", "chain", "day", "at", "tq", "key")
    begin = Begin(raw["first"], raw["first_hash"]) if "first" in raw else None
    return Head(**{name: raw[name] for name in names}, begin=begin, raw=raw)


def _signed(fields: Mapping[str, object]) -> bytes:
    text = canonical({name: value for name, value in fields.items() if name != "sig"})
    return PREFIX + text.encode("utf-8", "surrogatepass")


def _load(payload: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(payload.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise MessageError(f"the head is not JSON in UTF-8 ({error})") from None
    if not isinstance(value, dict):
        raise MessageError("the head is not a JSON object")
    return value


def _check(raw: Mapping[str, Any]) -> None:
    if not str(raw.get("v")).startswith("1."):
        raise MessageError("the head is not of a version this reader knows, which are 1.x")
    for name, pattern in _PATTERNS.items():
        value = raw.get(name)
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            raise MessageError(f"the head has no valid {name!r}")
    try:
        date.fromisoformat(raw["day"])
        datetime.fromisoformat(raw["at"])
    except ValueError:
        raise MessageError("the head has no valid 'day' and 'at'") from None
    if not _is_number(raw.get("seq"), 0):
        raise MessageError("the head has no valid 'seq'")
    if "first" in raw or "first_hash" in raw:
        digest = raw.get("first_hash")
        is_digest = isinstance(digest, str) and _PATTERNS["chain"].fullmatch(digest)
        if not _is_number(raw.get("first"), 1) or not is_digest or raw["first"] > raw["seq"]:
            raise MessageError("the head has no valid 'first' and 'first_hash'")


def _is_number(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
