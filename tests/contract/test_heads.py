"""Signed heads: the payload as published for ever, and what a reader may rely on."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from jsonschema import Draft202012Validator, ValidationError

from edge.adapters.device_key import DeviceKey
from edge.errors import MessageError
from edge.heads import Begin, fingerprint, head_message, head_text, verify_head
from edge.messages import info_message
from edge.sealing import canonical, genesis
from edge.vocabulary import Line, Provenance, TimeQuality, Tip

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
TENANT, DEV, STREAM = "pudong-01", "lobby-0a1b", "00112233445566aa"
MIDNIGHT = 1_767_312_000_000  # 2026-01-02
AT = MIDNIGHT + 4_250
KEY = DeviceKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
TIP = Tip(STREAM, 288, "ab" * 32, MIDNIGHT)
HEAD = head_message(TENANT, DEV, AT, TIP, quality=TimeQuality.NTP, signer=KEY)
INFO = info_message(
    TENANT,
    DEV,
    AT,
    software="0.1.0",
    stream=STREAM,
    provenance=Provenance(cfg="c1f0aa22", model="9e3b51d0", cal=None),
    lines=[Line("door", ((0.1, 0.5), (0.9, 0.5)), 1, "正门")],
    interval_s=900,
    key=KEY.public_key,
)


def validator(leaf: str) -> Draft202012Validator:
    schema = json.loads((ROOT / "config/schemas" / f"{leaf}.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def fields() -> dict[str, Any]:
    value: dict[str, Any] = json.loads(HEAD.payload)
    return value


def test_head_is_byte_equal_to_its_golden_payload_and_obeys_its_schema() -> None:
    assert HEAD.payload == (GOLDEN / "head-1.0.json").read_bytes()
    validator("head").validate(fields())


def test_birth_with_a_key_is_byte_equal_to_its_golden_payload_and_obeys_its_schema() -> None:
    assert INFO.payload == (GOLDEN / "info-key-1.1.json").read_bytes()
    assert ("schema", "info/1.1") in INFO.properties
    payload = json.loads(INFO.payload)
    validator("info").validate(payload)
    keyless = {name: value for name, value in payload.items() if name != "key"}
    validator("info").validate(keyless | {"v": "1.0"})
    for wrong in (payload | {"v": "1.0"}, keyless, payload | {"key": "ab"}):
        with pytest.raises(ValidationError):
            validator("info").validate(wrong)


def test_head_of_a_stream_that_goes_on_from_a_package_is_byte_equal_to_its_golden() -> None:
    continued = head_message(
        TENANT, DEV, AT, TIP, quality=TimeQuality.NTP, signer=KEY, continues="9f86d081884c7d65"
    )
    assert continued.payload == (GOLDEN / "head-continues-1.1.json").read_bytes()
    assert ("schema", "head/1.1") in continued.properties
    payload = json.loads(continued.payload)
    validator("head").validate(payload)
    assert verify_head(continued.payload).seq == 288
    with pytest.raises(MessageError, match="signature"):
        verify_head(canonical(payload | {"continues": "0" * 16}).encode())
    for wrong in (payload | {"v": "1.0"}, payload | {"continues": "x"}, fields() | {"v": "1.1"}):
        with pytest.raises(ValidationError):
            validator("head").validate(wrong)


def test_head_is_retained_and_acknowledged() -> None:
    assert (HEAD.topic, HEAD.qos, HEAD.retain) == (f"pc/v1/{TENANT}/{DEV}/head", 1, True)
    assert ("schema", "head/1.0") in HEAD.properties


def test_schema_forbids_unknown_fields_and_asks_for_all_others() -> None:
    with pytest.raises(ValidationError):
        validator("head").validate({**fields(), "face": 1})
    with pytest.raises(ValidationError):
        validator("head").validate({**fields(), "first": 1})
    for name in fields():
        with pytest.raises(ValidationError):
            validator("head").validate({k: v for k, v in fields().items() if k != name})


def test_anybody_can_verify_it_with_a_plain_ed25519_library() -> None:
    """What the schema says of `sig`, without a line of this package."""
    value = fields()
    signature = bytes.fromhex(value.pop("sig"))
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    public_key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(value["key"]))
    public_key.verify(signature, b"pc/v1/head\n" + text.encode())


def test_a_good_head_reads_back() -> None:
    head = verify_head(HEAD.payload)
    assert (head.dev, head.stream, head.seq, head.chain) == (DEV, STREAM, 288, "ab" * 32)
    assert (head.at, head.tq, head.key) == ("2026-01-02T00:00:04.250Z", "ntp", KEY.public_key)
    assert head.begin is None


@pytest.mark.parametrize(
    ("tip", "day"),
    [
        (TIP, "2026-01-01"),
        (Tip(STREAM, 289, "ab" * 32, MIDNIGHT + 1), "2026-01-02"),
        (Tip(STREAM, 0, genesis(DEV, STREAM)), "2026-01-02"),
    ],
)
def test_day_is_that_in_which_the_last_interval_ends(tip: Tip, day: str) -> None:
    text = head_text(DEV, AT, tip, quality=TimeQuality.RTC, signer=KEY)
    validator("head").validate(json.loads(text))
    assert verify_head(text.encode()).day == day


def test_the_head_of_an_export_names_its_first_record() -> None:
    begin = Begin(7, "cd" * 32)
    text = head_text(DEV, AT, TIP, quality=TimeQuality.NTP, signer=KEY, begin=begin)
    validator("head").validate(json.loads(text))
    assert verify_head(text.encode()).begin == begin


def test_the_key_can_be_asked_for_in_full_or_by_its_fingerprint() -> None:
    mark = fingerprint(KEY.public_key)
    assert len(mark) == 16
    for key in (KEY.public_key, mark):
        assert verify_head(HEAD.payload, key).key == KEY.public_key
    with pytest.raises(MessageError, match=f"another key, {mark}"):
        verify_head(HEAD.payload, "00" * 32)


def signed_anew(**changes: Any) -> bytes:
    value = {name: v for name, v in (fields() | changes).items() if v is not ...}
    del value["sig"]
    text = canonical(value)
    return canonical({**value, "sig": KEY.sign(b"pc/v1/head\n" + text.encode()).hex()}).encode()


@pytest.mark.parametrize("name", [name for name in fields() if name not in {"sig", "v", "key"}])
def test_every_field_is_covered_by_the_signature(name: str) -> None:
    other = {
        "seq": 289,
        "day": "2026-01-02",
        "at": "2026-01-02T00:00:05Z",
        "tq": "rtc",
        "dev": "d",
        "stream": "0" * 16,
        "chain": "0" * 64,
    }
    with pytest.raises(MessageError, match="signature"):
        verify_head(canonical(fields() | {name: other[name]}).encode())


def test_fields_of_a_later_version_are_ignored_and_covered() -> None:
    later = signed_anew(v="1.7", later=[1, {"a": None}])
    assert verify_head(later).seq == 288
    with pytest.raises(MessageError, match="signature"):
        verify_head(later.replace(b'"later":[1', b'"later":[2'))


def test_a_signature_made_for_something_else_is_no_head() -> None:
    value = {name: v for name, v in fields().items() if name != "sig"}
    value["sig"] = KEY.sign(canonical(value).encode()).hex()
    with pytest.raises(MessageError, match="signature"):
        verify_head(canonical(value).encode())


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1]", "not a JSON object"),
        (signed_anew(v="2.0"), "version"),
        (signed_anew(seq=-1), "'seq'"),
        (signed_anew(seq=True), "'seq'"),
        (signed_anew(chain="ab"), "'chain'"),
        (signed_anew(dev="Ä"), "'dev'"),
        (signed_anew(day="2026-02-30"), "'day'"),
        (signed_anew(at="2026-01-02T00:00:00+08:00"), "'at'"),
        (signed_anew(first=3), "'first'"),
        (signed_anew(first=289, first_hash="0" * 64), "'first'"),
        (canonical(fields() | {"sig": "00"}).encode(), "'sig'"),
        (canonical(fields() | {"key": "ff" * 32}).encode(), "signature"),
        (HEAD.payload.replace(b'"seq":288', b'"seq":288,"x":1e999'), "signature"),
    ],
)
def test_what_is_not_a_head_is_explained(payload: bytes, sentence: str) -> None:
    with pytest.raises(MessageError, match=sentence):
        verify_head(payload)
