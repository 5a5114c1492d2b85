"""What version 1.2 of counts and info, and 1.1 of the config messages, added."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, ValidationError

from edge.aggregation import Aggregator
from edge.config import Config
from edge.config_remote import merged, remote_part
from edge.file_state import FileState, Problem
from edge.messages import counts_message, info_message
from edge.readings import Totals
from edge.records import parse_counts, verify_chain
from edge.sealing import chain_of, genesis, seal
from edge.shadow import Desired, Report
from edge.shadow_messages import desired_message, parse_desired, reported_message
from edge.vocabulary import Crossing, Outcome, Provenance, StoredRecord, TimeQuality

ROOT = Path(__file__).parent.parent.parent
GOLDEN = Path(__file__).parent / "golden"
T0 = 1_767_225_600_000
STREAM = "0123456789abcdef"
CONFIG = Config.model_validate(
    {
        "device": {"tenant": "pudong-01", "id": "lobby-0a1b"},
        "camera": {"source": "/dev/video0"},
        "lines": [
            {"id": "door", "points": [[0.2, 0.6], [0.8, 0.6]], "in": "down"},
            {
                "id": "back",
                "name": "后门",
                "points": [[0.1, 0.2], [0.3, 0.2]],
                "in": "up",
                "audience": "staff",
            },
        ],
        "hours": {
            "weekly": {"mon": ["09:00-12:00", "13:30-17:00"], "sat": []},
            "closed": ["2026-10-01"],
            "special": {"2026-10-10": ["09:00-17:00"]},
        },
        "mqtt": {"host": "broker.example.org", "insecure_lab": True},
    }
)
LINES = [section.line() for section in CONFIG.lines]


def counts():
    aggregator = Aggregator(["door", "back"], 900_000, T0, staff=["back"])
    for second in range(901):
        aggregator.watch(T0 + 1000 * second)
    aggregator.add([(T0 + 5000, Crossing("back", Outcome.IN, 5.0))])
    buckets = aggregator.close(T0 + 900_000, TimeQuality.NTP, Provenance("c1f0aa22", "9e3b51d0"))
    records, previous = [], genesis("lobby-0a1b", STREAM)
    for seq, bucket in enumerate(buckets, 1):
        body = seal(
            bucket,
            "lobby-0a1b",
            STREAM,
            seq,
            totals=Totals().plus(bucket),
            previous_chain=previous,
        )
        previous = chain_of(body)
        records.append(StoredRecord(STREAM, seq, body))
    return counts_message("pudong-01", "lobby-0a1b", STREAM, records)


def info(**fields):
    return info_message(
        "pudong-01",
        "lobby-0a1b",
        T0,
        software="0.1.0",
        stream=STREAM,
        provenance=Provenance("c1f0aa22", "9e3b51d0"),
        interval_s=900,
        **{"lines": LINES, "hours": CONFIG.published_hours(), **fields},
    )


def reported(file=None, config=CONFIG):
    return reported_message(
        "pudong-01",
        "lobby-0a1b",
        T0,
        report=Report(),
        in_force=None,
        cfg=config.hash(),
        config=remote_part(config),
        file=file,
    )


MESSAGES = {
    "counts-staff-1.2": counts(),
    "info-hours-1.2": info(),
    "config-reported-file-1.1": reported(
        FileState(
            "/etc/lobbycount/lobby.yaml",
            (Problem(31, "lines[0].in", "must be up, down, left or right; e.g. in: down", "…"),),
            ("mqtt.host",),
        )
    ),
    "config-desired-staff-1.1": desired_message(
        "pudong-01", "lobby-0a1b", Desired("1", {"lines": remote_part(CONFIG)["lines"]})
    ),
}


def validator(name):
    leaf = name.rsplit("-", 2)[0]
    schema = json.loads((ROOT / f"config/schemas/{leaf}.schema.json").read_text("utf-8"))
    return Draft202012Validator(schema)


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_obeys_its_schema_says_its_version_and_is_the_golden_one(name):
    message, version = MESSAGES[name], name.rsplit("-", 1)[1]
    payload = json.loads(message.payload)
    validator(name).validate(payload)
    assert payload["v"] == version
    assert message.properties[0][1].endswith(f"/{version}")
    assert message.payload == (GOLDEN / f"{name}.json").read_bytes()
    if "desired" not in name:  # whoever wishes may say less than they know
        with pytest.raises(ValidationError):
            validator(name).validate({**payload, "v": "1.0"})


def test_a_reader_takes_records_of_a_line_for_staff():
    door, back = parse_counts(MESSAGES["counts-staff-1.2"].payload)
    assert verify_chain([door, back]) == back.chain
    assert "audience" not in door.raw
    assert (back.raw["audience"], back.entered) == ("staff", 1)


def test_a_line_for_staff_travels_and_makes_another_hash():
    wanted = parse_desired(MESSAGES["config-desired-staff-1.1"].payload)
    lines = tuple(line.model_copy(update={"audience": "public"}) for line in CONFIG.lines)
    public = CONFIG.model_copy(update={"lines": lines})
    assert merged(public, wanted.config).hash() == CONFIG.hash() != public.hash()
    assert "audience" not in json.dumps(remote_part(public))
    assert json.loads(reported(config=public).payload)["v"] == "1.0"


def test_hours_and_public_lines_do_not_change_the_hash_of_a_file():
    bare = CONFIG.model_copy(update={"hours": None, "lines": CONFIG.lines[:1]})
    said = {"audience": "public"}
    explicit = CONFIG.lines[0].model_copy(update=said)
    assert bare.hash() == CONFIG.model_copy(update={"lines": (explicit,)}).hash()
    assert bare.hash() == "69e1a476fb96"  # before there were hours and audiences
    assert json.loads(info(lines=LINES[:1], hours=None).payload)["v"] == "1.0"
