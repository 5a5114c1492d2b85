"""Updates on the wire: schemas, payloads kept for ever, what is refused, what it costs."""

import json
import random
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, ValidationError

from edge.adapters.mqtt_packets import publish_properties, publish_size
from edge.errors import MessageError
from edge.payloads import unpacked
from edge.updating.answers import (
    Reported,
    Want,
    parse_reported,
    parse_want,
    reported_message,
    want_message,
)
from edge.updating.wanted import (
    LARGEST_PIECE,
    Piece,
    Wanted,
    desired_message,
    parse_desired,
    parse_piece,
    piece_message,
)

GOLDEN = Path(__file__).parent / "golden"
T0 = 1_767_225_600_000
BUNDLE = "3f" * 32
WANTED = Wanted("0.2.0", BUNDLE, 3_500_000, 16_384, T0, ("02:00-05:00",), 600)
REPORTED = Reported(
    "0.1.0", "waiting", "0.2.0", BUNDLE, 1_048_576, 3_500_000, "hours",
    "等候允许更新的时段", "waits for the hours in which updates are allowed",
)  # fmt: skip
WANT = Want(BUNDLE, 1_048_576, 4)
PIECE = Piece(BUNDLE, 1_048_576, bytes(range(24)))
OF = ("pudong-01", "lobby-0a1b")
MESSAGES = {
    "desired": desired_message(*OF, WANTED),
    "reported": reported_message(*OF, T0, REPORTED),
    "want": want_message(*OF, WANT),
    "piece": piece_message(*OF, PIECE),
}


def schema_of(which):
    path = Path("config/schemas") / f"update-{which}.schema.json"
    return Draft202012Validator(json.loads(path.read_text("utf-8")))


@pytest.mark.parametrize("which", MESSAGES)
def test_a_message_is_its_golden_payload_and_obeys_its_schema(which):
    plain = unpacked(MESSAGES[which].payload)
    assert plain == (GOLDEN / f"update-{which}-1.0.json").read_bytes()
    payload = json.loads(plain)
    schema_of(which).validate(payload)
    with pytest.raises(ValidationError):
        schema_of(which).validate({**payload, "command": "reboot"})


def test_what_is_sent_reads_back():
    assert parse_desired(MESSAGES["desired"].payload) == WANTED
    assert parse_reported(MESSAGES["reported"].payload) == REPORTED
    assert parse_want(MESSAGES["want"].payload) == WANT
    assert parse_piece(MESSAGES["piece"].payload) == PIECE
    assert parse_piece(unpacked(MESSAGES["piece"].payload)) == PIECE
    assert parse_desired(desired_message(*OF, None).payload) is None


def test_topics_and_their_properties():
    for which, retained, expiry_s in (
        ("desired", True, None),
        ("reported", True, None),
        ("want", False, 60),
        ("piece", False, 60),
    ):
        sent = MESSAGES[which]
        assert sent.topic == f"pc/v1/pudong-01/lobby-0a1b/update/{which}"
        assert (sent.qos, sent.retain, sent.expiry_s) == (1, retained, expiry_s)
        assert sent.properties[0] == ("schema", f"update/{which}/1.0")
    assert MESSAGES["piece"].packed
    assert publish_properties(MESSAGES["want"]).PayloadFormatIndicator == 1
    assert not hasattr(publish_properties(MESSAGES["piece"]), "PayloadFormatIndicator")


def test_packing_takes_away_what_base64_adds():
    noise = random.Random(7).randbytes(16_384)  # as dense as a wheel
    sent = piece_message(*OF, Piece(BUNDLE, 3_000_000, noise))
    size = publish_size(sent, publish_properties(sent))
    assert 1.01 < size / len(noise) < 1.03  # 1.34 unpacked


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"v": "2.0"}, "version this device knows"),
        ({"version": "new"}, '"version"'),
        ({"version": 1}, '"version"'),
        ({"bundle": "3F" * 32}, '"bundle"'),
        ({"bytes": 0}, '"bytes"'),
        ({"bytes": True}, '"bytes"'),
        ({"bytes": 1 << 40}, '"bytes"'),
        ({"piece_bytes": LARGEST_PIECE + 1}, '"piece_bytes"'),
        ({"spread_s": -1}, '"spread_s"'),
        ({"not_before": "tomorrow"}, '"not_before"'),
        ({"not_before": "2026-01-01T00:00:00"}, '"not_before"'),
        ({"hours": ["22:00-02:00"]}, '"hours"'),
        ({"hours": "02:00-05:00"}, '"hours"'),
        ({"version": "0.2.0", "x": "y" * 5000}, "more than"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_in_one_sentence(changes, named):
    payload = json.loads(MESSAGES["desired"].payload) | changes
    with pytest.raises(MessageError, match=r"\w") as caught:
        parse_desired(json.dumps(payload).encode())
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"[]", b"\xff", b"x", b'{"v":"1.0"}', b"\x78\x9cbroken",
        b'{"v":"1.0","bundle":"' + b"3f" * 32 + b'","offset":0,"data":"%%%%"}',
        b'{"v":"1.0","bundle":"' + b"3f" * 32 + b'","offset":-1,"data":"AAAA"}',
        b'{"v":"1.0","bundle":"' + b"3f" * 32 + b'","offset":0,"data":7}',
    ],
)  # fmt: skip
def test_a_piece_that_is_none_is_refused(payload):
    with pytest.raises(MessageError):
        parse_piece(payload)
    with pytest.raises(MessageError):
        parse_want(payload)
    with pytest.raises(MessageError):
        parse_reported(payload)
