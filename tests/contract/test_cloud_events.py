"""What a device sends are CloudEvents 1.0 in binary mode; ids are the same for repetitions."""

import json

import pytest

from edge.cloud_events import batch_id
from edge.messages import (
    Health,
    ack_message,
    counts_message,
    health_message,
    info_message,
    privacy_message,
    status_message,
)
from edge.readings import Totals
from edge.sealing import seal
from edge.vocabulary import CountBucket, Line, Outcome, Provenance, StoredRecord, TimeQuality

TENANT, DEV, STREAM = "pudong-01", "lobby-0a1b", "00112233445566aa"
T0 = 1_767_225_600_000
PROVENANCE = Provenance("c", "m")
LINES = [Line("door", ((0, 0), (1, 1)), 1)]


def record(seq):
    bucket = CountBucket(
        "door", T0 + (seq - 1) * 900_000, T0 + seq * 900_000, {Outcome.IN: seq}, 1.0, None,
        TimeQuality.NTP, PROVENANCE,
    )  # fmt: skip
    return StoredRecord(
        STREAM, seq, seal(bucket, DEV, STREAM, seq, totals=Totals(), previous_chain="0" * 64)
    )


def counts(*seqs):
    return counts_message(TENANT, DEV, STREAM, [record(seq) for seq in seqs])


def info():
    return info_message(
        TENANT, DEV, T0, software="1", stream=STREAM, provenance=PROVENANCE, lines=LINES,
        interval_s=900,
    )  # fmt: skip


EVENTS = {
    "counts": counts(1, 2),
    "status": status_message(TENANT, DEV, T0, "online"),
    "info": info(),
    "privacy": privacy_message(TENANT, DEV, T0, interval_s=900, insecure_lab=False),
}


@pytest.mark.parametrize("leaf", EVENTS)
def test_an_event_has_every_required_attribute_once_and_in_its_form(leaf):
    named = EVENTS[leaf].properties[1:]
    found = dict(named)
    assert [name for name, _ in named] == ["specversion", "type", "source", "id", "time"]
    assert found["specversion"] == "1.0"
    assert found["type"] == f"pc.v1.{leaf}"
    assert found["source"] == f"/{TENANT}/{DEV}"
    # Names of attributes are lower case letters and digits, values are not empty.
    assert all(name.isascii() and name.isalnum() and name.islower() and value
               for name, value in named)  # fmt: skip


def test_a_batch_that_is_sent_again_has_the_same_id_and_another_has_not():
    ids = [dict(message.properties)["id"] for message in (counts(1, 2), counts(1, 2), counts(2))]
    assert ids == [f"{STREAM}/1-2", f"{STREAM}/1-2", f"{STREAM}/2-2"]
    assert dict(counts(1, 2).properties)["time"] == "2026-01-01T00:30:00Z"


def test_a_batch_with_holes_is_not_the_one_without():
    assert batch_id("s", [1, 2, 3]) == "s/1-3"
    assert batch_id("s", [1, 3]) == "s/1-3/2"


def test_of_other_messages_only_the_same_payload_has_the_same_id():
    first, again = info(), info()
    later = status_message(TENANT, DEV, T0 + 1, "online")
    lost = status_message(TENANT, DEV, T0, "lost")
    ids = [dict(m.properties)["id"] for m in (first, again, EVENTS["status"], later, lost)]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4


def test_the_time_of_an_event_is_the_one_in_its_payload():
    for leaf in ("status", "info", "privacy"):
        message = EVENTS[leaf]
        assert dict(message.properties)["time"] == json.loads(message.payload)["at"]


def test_gauges_and_what_backends_send_are_no_events():
    gauges = health_message(TENANT, DEV, T0, Health(0, 0), interval_s=60)
    ack = ack_message(TENANT, DEV, stream=STREAM, upto=1)
    assert [m.properties for m in (gauges, ack)] == [
        (("schema", "health/1.0"),),
        (("schema", "ack/1.0"),),
    ]
