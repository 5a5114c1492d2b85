"""Every message that is written obeys its schema, and old payloads stay readable for ever."""

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from edge.errors import MessageError
from edge.messages import (
    Health,
    checked_name,
    counts_message,
    health_message,
    info_message,
    privacy_message,
    status_message,
    topic,
)
from edge.privacy_details import PrivacyDetails
from edge.readings import Totals
from edge.records import CountRecord, parse_counts, verify_chain
from edge.sealing import canonical, chain_of, genesis, iso_utc, link, seal
from edge.vocabulary import (
    CountBucket,
    CoverageReason,
    Doubts,
    Line,
    Message,
    Outcome,
    Pace,
    Provenance,
    Slowdown,
    StoredRecord,
    TimeQuality,
)

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
TENANT, DEV, STREAM = "pudong-01", "lobby-0a1b", "00112233445566aa"
T0 = 1_767_225_600_000
INTERVAL_MS = 900_000
PROVENANCE = Provenance(cfg="c1f0aa22", model="9e3b51d0", cal=None)


def bucket(index: int = 0, **changes: Any) -> CountBucket:
    values: dict[str, Any] = {
        "line": "door",
        "t0_ms": T0 + index * INTERVAL_MS,
        "t1_ms": T0 + (index + 1) * INTERVAL_MS,
        "counts": {Outcome.IN: 12, Outcome.OUT: 9, Outcome.UTURN: 1},
        "coverage": 1.0,
        "reason": None,
        "time_quality": TimeQuality.NTP,
        "provenance": PROVENANCE,
    }
    return CountBucket(**{**values, **changes})


def sealed(buckets: list[CountBucket]) -> list[StoredRecord]:
    records, totals, chain = [], Totals(), genesis(DEV, STREAM)
    for seq, each in enumerate(buckets, start=1):
        totals = totals.plus(each)
        body = seal(each, DEV, STREAM, seq, totals=totals, previous_chain=chain)
        chain = chain_of(body)
        records.append(StoredRecord(STREAM, seq, body))
    return records


BUCKETS = [
    bucket(0, doubts=Doubts(counted_in=1, uncounted_in=2, uncounted_out=3)),
    bucket(1, counts={}),
    bucket(2, counts=None, coverage=0.0, reason=CoverageReason.NO_CAMERA),
    bucket(
        3,
        t0_ms=T0 + 3 * INTERVAL_MS + 250,
        coverage=0.87654321,
        reason=CoverageReason.COVERED,
        time_quality=TimeQuality.REDATED,
        provenance=Provenance("c1f0aa22", "9e3b51d0", "77aa"),
    ),
    bucket(4, coverage=0.99996),
]
MESSAGES = {
    "counts": counts_message(TENANT, DEV, STREAM, sealed(BUCKETS)),
    "status": status_message(TENANT, DEV, T0, "online"),
    "info": info_message(
        TENANT,
        DEV,
        T0,
        software="0.1.0",
        stream=STREAM,
        provenance=PROVENANCE,
        lines=[
            Line("door", ((0.1, 0.5), (0.9, 0.5)), 1, "正门"),
            Line("side", ((0, 0), (1, 1)), -1),
        ],
        interval_s=900,
    ),
    "health": health_message(
        TENANT,
        DEV,
        T0 + 1,
        Health(
            uptime_s=3600,
            queue=3,
            video=CoverageReason.DARK,
            fps=7.5,
            last_accepted_ms=T0,
            last_error="broker.test:8883: connection refused; is a broker listening there?",
        ),
        interval_s=60,
    ),
    "privacy": privacy_message(TENANT, DEV, T0, interval_s=900, insecure_lab=False),
}


ANSWERED_FOR = PrivacyDetails(
    mode="production",
    responsible="浦东街道办事处",
    purpose="统计到访人次，改进服务",
    contact="021-12345678",
    lines=2,
    zones=(("queue", 1), ("activity", 2)),
    setup_page="lan",
    setup_still=False,
    retention_days=35,
    suppressed_under=5,
)


def test_privacy_of_the_second_version_is_byte_equal_to_its_golden_payload() -> None:
    message = privacy_message(
        TENANT, DEV, T0, interval_s=900, insecure_lab=False, details=ANSWERED_FOR
    )
    assert message.payload == (GOLDEN / "privacy-1.1.json").read_bytes()
    assert message.properties[0] == ("schema", "privacy/1.1")
    payload = json.loads(message.payload)
    validator("privacy").validate(payload)
    validator("privacy").validate(payload | {"contact": None})
    for wrong in ({"v": "1.0"}, {"mode": "test"}, {"setup_page": "internet"}, {"face": 1}):
        with pytest.raises(ValidationError):
            validator("privacy").validate(payload | wrong)
    for field in payload:
        with pytest.raises(ValidationError):
            validator("privacy").validate({k: v for k, v in payload.items() if k != field})


def test_privacy_of_the_third_version_says_that_updates_come_over_mqtt() -> None:
    details = replace(ANSWERED_FOR, updates_over_mqtt=True)
    message = privacy_message(TENANT, DEV, T0, interval_s=900, insecure_lab=False, details=details)
    assert message.payload == (GOLDEN / "privacy-updates-1.2.json").read_bytes()
    assert message.properties[0] == ("schema", "privacy/1.2")
    payload = json.loads(message.payload)
    validator("privacy").validate(payload)
    for wrong in ({"v": "1.1"}, {"updates_over_mqtt": False}):
        with pytest.raises(ValidationError):
            validator("privacy").validate(payload | wrong)


FULL_HEALTH = Health(
    uptime_s=3600,
    queue=3,
    fps=7.5,
    detect_ms=17.4,
    temperature_c=51.2,
    memory_mb=188.2,
    disk_free_mb=5120,
    last_accepted_ms=T0,
    last_error="the clock is not set; intervals wait for their dates",
    unsaved=2,
    time=TimeQuality.UNSYNCED,
)


def validator(leaf: str) -> Draft202012Validator:
    schema = json.loads((ROOT / "config/schemas" / f"{leaf}.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("leaf", MESSAGES)
def test_message_obeys_its_schema(leaf: str) -> None:
    validator(leaf).validate(json.loads(MESSAGES[leaf].payload))


@pytest.mark.parametrize("leaf", MESSAGES)
def test_message_is_byte_equal_to_its_golden_payload(leaf: str) -> None:
    version = "1.1" if leaf == "counts" else "1.0"
    assert MESSAGES[leaf].payload == (GOLDEN / f"{leaf}-{version}.json").read_bytes()


@pytest.mark.parametrize("leaf", MESSAGES)
def test_schema_forbids_unknown_fields_and_asks_for_all_others(leaf: str) -> None:
    payload = json.loads(MESSAGES[leaf].payload)
    with pytest.raises(ValidationError):
        validator(leaf).validate({**payload, "face": 1})
    for field in payload:
        with pytest.raises(ValidationError):
            validator(leaf).validate({k: v for k, v in payload.items() if k != field})


def test_health_of_the_second_version_is_byte_equal_to_its_golden_payload() -> None:
    message = health_message(TENANT, DEV, T0 + 1, FULL_HEALTH, interval_s=300)
    assert message.payload == (GOLDEN / "health-1.1.json").read_bytes()
    assert message.properties[0] == ("schema", "health/1.1")
    payload = json.loads(message.payload)
    validator("health").validate(payload)
    for wrong in ({**payload, "v": "1.0"}, {**payload, "time": "redated"}, {**payload, "face": 1}):
        with pytest.raises(ValidationError):
            validator("health").validate(wrong)
    for field in payload:
        with pytest.raises(ValidationError):
            validator("health").validate({k: v for k, v in payload.items() if k != field})


PACED_HEALTH = replace(
    FULL_HEALTH,
    fps=5.3,
    temperature_c=78.4,
    pace=Pace(8.0, 5.4, Slowdown.HOT),
    looked=0.125,
    last_error=None,
)


def test_health_of_the_third_version_is_byte_equal_to_its_golden_payload() -> None:
    message = health_message(TENANT, DEV, T0 + 1, PACED_HEALTH, interval_s=300)
    assert message.payload == (GOLDEN / "health-1.2.json").read_bytes()
    assert message.properties[0] == ("schema", "health/1.2")
    payload = json.loads(message.payload)
    validator("health").validate(payload)
    for wrong in ({"v": "1.0"}, {"v": "1.1"}, {"slowed": "dark"}, {"fps_asked": 0}, {"face": 1}):
        with pytest.raises(ValidationError):
            validator("health").validate(payload | wrong)
    for field in payload:
        with pytest.raises(ValidationError):
            validator("health").validate({k: v for k, v in payload.items() if k != field})


@pytest.mark.parametrize("reason", [None, *Slowdown])
def test_health_says_why_fewer_pictures_are_asked_for(reason: Slowdown | None) -> None:
    health = replace(PACED_HEALTH, pace=Pace(8.0, 3.0 if reason else 8.0, reason))
    payload = json.loads(health_message(TENANT, DEV, T0, health, interval_s=300).payload)
    validator("health").validate(payload)
    assert payload["slowed"] == reason
    assert (payload["fps_target"], payload["fps_asked"]) == (8, 3 if reason else 8)


@pytest.mark.parametrize("field", ["unsaved", "time"])
def test_health_without_a_clock_has_no_pace_either(field: str) -> None:
    health = replace(PACED_HEALTH, **{field: None})
    payload = json.loads(health_message(TENANT, DEV, T0, health, interval_s=300).payload)
    assert payload["v"] == "1.0"
    validator("health").validate(payload)


@pytest.mark.parametrize("field", ["unsaved", "time"])
def test_health_that_lacks_what_is_new_is_of_the_first_version(field: str) -> None:
    message = health_message(TENANT, DEV, T0, replace(FULL_HEALTH, **{field: None}), interval_s=300)
    payload = json.loads(message.payload)
    assert payload["v"] == "1.0"
    validator("health").validate(payload)
    with pytest.raises(ValidationError):
        validator("health").validate({**payload, "v": "1.1"})


@pytest.mark.parametrize(
    "change",
    [
        {"face": 1},
        {"in": None},
        {"in": -1},
        {"cov": 0.5},
        {"cov_reason": "dark"},
        {"t0": "2026-01-01 00:00:00"},
        {"chain": "00"},
        {"seq": 0},
    ],
)
def test_schema_forbids_records_that_break_the_contract(change: dict[str, Any]) -> None:
    payload = json.loads(MESSAGES["counts"].payload)
    payload["records"][0] |= change
    with pytest.raises(ValidationError):
        validator("counts").validate(payload)


@pytest.mark.parametrize("state", ["online", "offline", "lost"])
def test_status_is_retained_and_says_how_records_are_delivered(state: Any) -> None:
    message = status_message(TENANT, DEV, T0, state)
    payload = json.loads(message.payload)
    validator("status").validate(payload)
    assert (message.qos, message.retain) == (1, True)
    assert payload["state"] == state
    assert payload["delivery"] == "puback"


def test_quality_of_service_and_retain_follow_the_table_of_topics() -> None:
    def row(message: Message) -> tuple[str, int, bool, int | None]:
        return message.topic, message.qos, message.retain, message.expiry_s

    base = f"pc/v1/{TENANT}/{DEV}"
    assert row(MESSAGES["counts"]) == (f"{base}/counts", 1, False, None)
    assert row(MESSAGES["info"]) == (f"{base}/info", 1, True, None)
    assert row(MESSAGES["health"]) == (f"{base}/health", 0, True, 180)
    assert row(MESSAGES["privacy"]) == (f"{base}/privacy", 1, True, None)
    assert MESSAGES["counts"].properties[0] == ("schema", "counts/1.1")


def test_names_stay_utf8_and_places_stay_at_home() -> None:
    payload = MESSAGES["info"].payload
    assert "正门".encode() in payload
    assert json.loads(payload)["lines"] == [
        {"id": "door", "name": "正门"},
        {"id": "side", "name": "side"},
    ]


def test_nobody_looking_is_null_and_nobody_there_is_zero() -> None:
    records = parse_counts(MESSAGES["counts"].payload)
    assert (records[1].entered, records[1].born_past_line) == (0, 0)
    assert (records[2].entered, records[2].born_past_line) == (None, None)
    assert [record.tot_in for record in records] == [12, 12, 12, 24, 36]
    assert [record.tot_out for record in records] == [9, 9, 9, 18, 27]


def test_coverage_is_rounded_and_has_a_reason_only_below_one() -> None:
    records = json.loads(MESSAGES["counts"].payload)["records"]
    assert [record["cov"] for record in records] == [1, 1, 0, 0.8765, 1]
    assert [record.get("cov_reason") for record in records] == [
        None, None, "no_camera", "covered", None,
    ]  # fmt: skip
    with pytest.raises(ValueError, match="no reason"):
        seal(
            bucket(coverage=0.5),
            DEV,
            STREAM,
            1,
            totals=Totals(),
            previous_chain=genesis(DEV, STREAM),
        )


def test_the_range_holds_who_was_counted_in_doubt_and_who_was_not_counted() -> None:
    first, _, dark, *_ = parse_counts(MESSAGES["counts"].payload)
    assert isinstance(first, CountRecord)
    assert isinstance(dark, CountRecord)
    assert (first.in_low, first.entered, first.in_high) == (11, 12, 14)
    assert (first.out_low, first.left, first.out_high) == (9, 9, 12)
    assert (dark.in_low, dark.in_high, dark.out_low, dark.out_high) == (None,) * 4


def test_records_of_the_first_version_have_a_range_of_no_width() -> None:
    records = parse_counts((GOLDEN / "counts-1.0.json").read_bytes())
    for record in records:
        assert isinstance(record, CountRecord)
        assert record.in_low == record.entered == record.in_high
        assert record.out_low == record.left == record.out_high


@pytest.mark.parametrize(
    "changes", [{"in_high": None}, {"out_low": -1}, {"out_high": ...}, {"in_low": ...}]
)
def test_half_a_range_is_refused(changes: dict[str, Any]) -> None:
    payload = json.loads(MESSAGES["counts"].payload)
    raw = {**payload["records"][0], **changes}
    payload["records"] = [{name: value for name, value in raw.items() if value is not ...}]
    with pytest.raises(MessageError):
        parse_counts(json.dumps(payload).encode())
    with pytest.raises(ValidationError):
        validator("counts").validate(payload)


def test_a_batch_sealed_by_the_first_version_says_so() -> None:
    golden = json.loads((GOLDEN / "counts-1.0.json").read_bytes())
    stored = [StoredRecord(STREAM, raw["seq"], canonical(raw)) for raw in golden["records"]]
    message = counts_message(TENANT, DEV, STREAM, stored)
    assert message.payload == (GOLDEN / "counts-1.0.json").read_bytes()
    validator("counts").validate(json.loads(message.payload))


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_golden_counts_read_back_exactly(version: str) -> None:
    records = parse_counts((GOLDEN / f"counts-{version}.json").read_bytes())
    assert [(record.t0_ms, record.t1_ms) for record in records] == [
        (each.t0_ms, each.t1_ms) for each in BUCKETS
    ]
    assert [record.seq for record in records] == [1, 2, 3, 4, 5]
    assert verify_chain(records) == records[-1].chain


def test_times_have_a_fraction_only_when_needed() -> None:
    assert iso_utc(T0) == "2026-01-01T00:00:00Z"
    assert iso_utc(T0 + 7) == "2026-01-01T00:00:00.007Z"


def test_canonical_is_sorted_without_spaces_in_utf8() -> None:
    assert canonical({"b": [1, None], "a": "门"}) == '{"a":"门","b":[1,null]}'
    with pytest.raises(ValueError, match="JSON"):
        canonical(float("nan"))


@pytest.mark.parametrize("value", ["", "-a", "A", "a/b", "a+", "a\n", "门", "a" * 64])
def test_names_that_cannot_stand_in_a_topic_are_refused(value: str) -> None:
    with pytest.raises(ValueError, match="a-z"):
        checked_name(value)
    with pytest.raises(ValueError, match="dev"):
        topic(TENANT, value, "counts")


def test_names_of_full_length_are_fine() -> None:
    assert checked_name("0" + "a-" * 31) == "0" + "a-" * 31


def test_chain_shows_every_change_and_every_gap() -> None:
    records = parse_counts(MESSAGES["counts"].payload)
    for field, value in (("in", 13), ("t1", "2026-01-01T00:29:00Z"), ("cfg", "x")):
        raw = dict(records[1].raw) | {field: value}
        payload = json.dumps({"v": "1.0", "dev": DEV, "stream": STREAM, "records": [raw]})
        [forged] = parse_counts(payload.encode())
        with pytest.raises(MessageError, match="record 2 "):
            verify_chain([records[0], forged, *records[2:]])
    with pytest.raises(MessageError, match="record 4 "):
        verify_chain([*records[:2], records[3]])


def test_chain_goes_on_over_batches_and_trusts_only_an_unknown_past() -> None:
    records = parse_counts(MESSAGES["counts"].payload)
    assert verify_chain(records[2:]) == records[-1].chain
    assert verify_chain(records[2:], verify_chain(records[:2])) == records[-1].chain
    with pytest.raises(MessageError):
        verify_chain(records[2:], records[0].chain)


def test_stream_of_another_device_does_not_verify() -> None:
    body = seal(
        bucket(), DEV, STREAM, 1, totals=Totals(12, 9), previous_chain=genesis("other", STREAM)
    )
    payload = counts_message(TENANT, DEV, STREAM, [StoredRecord(STREAM, 1, body)]).payload
    with pytest.raises(MessageError):
        verify_chain(parse_counts(payload))


def test_reader_ignores_unknown_fields_but_the_chain_covers_them() -> None:
    raw = {**json.loads(sealed([bucket()])[0].body), "zone_hint": [1.5]}
    raw["chain"] = link(genesis(DEV, STREAM), raw)
    payload = {"v": "1.9", "dev": DEV, "stream": STREAM, "records": [raw], "later": True}
    [record] = parse_counts(json.dumps(payload).encode())
    assert record.entered == 12
    verify_chain([record])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b'{"v":NaN}', "NaN"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a JSON object"),
        ({"v": "2.0"}, "version '2.0'"),
        ({"records": None}, "list 'records'"),
        ({"records": [1]}, "record 0 .* not a JSON object"),
        ({"stream": "ffff"}, "another device or stream"),
    ],
)
def test_what_is_not_a_counts_payload_is_explained(change: Any, sentence: str) -> None:
    payload = change
    if isinstance(change, dict):
        payload = json.dumps(json.loads(MESSAGES["counts"].payload) | change).encode()
    with pytest.raises(MessageError, match=sentence):
        parse_counts(payload)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"in": True}, "no valid 'in'"),
        ({"in": 1.0}, "no valid 'in'"),
        ({"in": None}, "some counts null"),
        ({"seq": 0}, "no valid 'seq'"),
        ({"t0": "2026-02-30T00:00:00Z"}, "no such time"),
        ({"t0": "2026-01-01T00:00:00+08:00"}, "no valid 't0'"),
        ({"t1": "2026-01-01T00:00:00Z"}, "ends before it begins"),
        ({"chain": "g" * 64}, "no valid 'chain'"),
    ],
)
def test_what_is_not_a_record_is_explained(change: dict[str, Any], sentence: str) -> None:
    payload = json.loads(MESSAGES["counts"].payload)
    payload["records"][0] |= change
    with pytest.raises(MessageError, match=sentence):
        parse_counts(json.dumps(payload).encode())


def test_a_missing_field_is_not_a_null() -> None:
    payload = json.loads(MESSAGES["counts"].payload)
    del payload["records"][0]["cal"]
    with pytest.raises(MessageError, match="no valid 'cal'"):
        parse_counts(json.dumps(payload).encode())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.sampled_from(sorted(json.loads(sealed(BUCKETS)[0].body))), JSON)
def test_hostile_records_never_raise_anything_else(field: str, value: Any) -> None:
    payload = json.loads(MESSAGES["counts"].payload)
    payload["records"][0][field] = value
    with contextlib.suppress(MessageError):
        verify_chain(parse_counts(json.dumps(payload).encode()))
