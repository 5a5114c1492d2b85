"""What a message may say is what the schemas say, and neither tracks nor places are in them."""

import json
from pathlib import Path

import pytest

from edge.privacy_fields import FIELDS, RECORD, in_log, in_message

SCHEMAS = Path("config/schemas")
GOLDEN = Path("tests/contract/golden")
LEAVES = {leaf: leaf.replace("/", "-") for leaf in FIELDS}


def names_in(node):
    if isinstance(node, dict):
        yield from node.get("properties", {})
        for value in node.values():
            yield from names_in(value)
    elif isinstance(node, list):
        for value in node:
            yield from names_in(value)


@pytest.mark.parametrize("leaf", FIELDS)
def test_the_fields_are_those_of_the_schema(leaf):
    schema = json.loads((SCHEMAS / f"{LEAVES[leaf]}.schema.json").read_text("utf-8"))
    assert set(names_in(schema)) == FIELDS[leaf]


def test_every_kind_that_a_device_sends_is_known():
    sent = {path.name.removesuffix(".schema.json") for path in SCHEMAS.iterdir()}
    from_backend = {"ack", "cmd-backfill", "config-desired", "update-desired", "update-piece"}
    of_offices = {name for name in sent if name.startswith("register-")} | {"lobby", "scheme"}
    assert sent - from_backend - of_offices == set(LEAVES.values())


def test_no_schema_has_a_field_for_a_track():
    assert not {"track", "track_id", "box", "bbox", "x", "y"} & (
        RECORD | set().union(*FIELDS.values())
    )


@pytest.mark.parametrize("leaf", FIELDS)
def test_golden_payloads_say_nothing_they_may_not(leaf):
    goldens = list(GOLDEN.glob(f"{LEAVES[leaf]}-*.json"))
    assert goldens
    for golden in goldens:
        assert in_message(leaf, golden.read_bytes()) == []


@pytest.mark.parametrize(
    ("line", "promise"),
    [
        ('{"event": "seen", "track": 12}', "tracks-stay"),
        ('<6>{"event": "seen", "tracks": [1, 2]}', "tracks-stay"),
        ("somebody is track 12 now", "tracks-stay"),
        ("track_id=3", "tracks-stay"),
        ('{"event": "seen", "at": {"bbox": [0.1, 0.2]}}', "places-stay"),
        ("box: [0.31, 0.2, 0.4, 0.5]", "places-stay"),
        ('{"event": "seen", "x": 0.3}', "places-stay"),
        ('{"event": "seen", "gender": "f"}', "nobody-recognised"),
    ],
)
def test_a_log_line_that_says_too_much_is_found(line, promise):
    assert {about for about, _ in in_log(line)} == {promise}


@pytest.mark.parametrize(
    "line",
    [
        '{"line": "door", "reason": "no tracks", "event": "calibration.none"}',
        '{"errors": ["config.lines[0].points: a line needs two points, e.g. [[0.2, 0.6]]"]}',
        '{"fps": 5.4, "of_fps": 8.0, "reason": "hot", "temperature_c": 78.4}',
        "clip.cut_short clip=/data/track12.mp4",
        "2026-11-27 17:53:46 connected to the broker address=127.0.0.1:8883",
    ],
)
def test_what_the_product_says_is_not(line):
    assert in_log(line) == []
