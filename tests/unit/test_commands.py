"""The one command: read strictly, answered always."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from edge.commands import Backfill, answer, parse_backfill
from edge.errors import MessageError

GOLDEN = Path("tests/contract/golden")
DAY_MS = 86_400_000
NOVEMBER_MS = 1_793_491_200_000


def schema(name):
    return Draft202012Validator(json.loads(Path(f"config/schemas/{name}.schema.json").read_text()))


def test_the_golden_command_is_read_for_ever():
    golden = (GOLDEN / "cmd-backfill-1.0.json").read_bytes()
    schema("cmd-backfill").validate(json.loads(golden))
    assert parse_backfill(golden) == Backfill("after-restore-7", NOVEMBER_MS, NOVEMBER_MS + DAY_MS)


def test_the_answer_is_the_golden_one():
    golden = (GOLDEN / "rsp-backfill-1.0.json").read_bytes()
    schema("rsp-backfill").validate(json.loads(golden))
    command = (GOLDEN / "cmd-backfill-1.0.json").read_bytes()
    message = answer("t", "lobby-001", NOVEMBER_MS + 2 * DAY_MS + 28_800_000, command, None)
    assert message.payload == golden
    assert message.topic == "pc/v1/t/lobby-001/rsp/backfill"
    assert (message.qos, message.retain, message.expiry_s) == (1, False, 3600)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"v": "2.0"}, "version"),
        ({"id": ""}, '"id"'),
        ({"id": "x" * 65}, '"id"'),
        ({"id": 7}, '"id"'),
        ({"from": "2026-11-01"}, '"from"'),
        ({"from": "2026-11-01T00:00:00+08:00"}, '"from"'),
        ({"to": None}, '"to"'),
        ({"to": "2026-11-01T00:00:00Z"}, "before"),
    ],
)
def test_a_bad_command_is_told(change, said):
    command = json.loads((GOLDEN / "cmd-backfill-1.0.json").read_bytes()) | change
    with pytest.raises(MessageError, match=said):
        parse_backfill(json.dumps(command).encode())


@pytest.mark.parametrize("payload", [b"", b"[]", b"{", b"\xff", b'{"id":7}', b"null"])
def test_what_is_no_command_is_answered_too(payload):
    with pytest.raises(MessageError):
        parse_backfill(payload)
    message = answer("t", "d", 0, payload, "no")
    value = json.loads(message.payload)
    schema("rsp-backfill").validate(value)
    assert (value["id"], value["state"], value["error"]) == (None, "rejected", "no")
