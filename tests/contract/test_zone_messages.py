"""Records of zones: their shape, their nulls, and old payloads stay readable for ever."""

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
from edge.messages import counts_message, info_message
from edge.readings import Subject, Totals, mean_stay_s, subject_of
from edge.records import CountRecord, ZoneRecord, parse_counts, verify_chain
from edge.sealing import canonical, chain_of, genesis, link, seal
from edge.tables import RECORD_HEADER, record_row
from edge.vocabulary import (
    Bucket,
    CountBucket,
    CoverageReason,
    DailyWindow,
    Line,
    Outcome,
    Provenance,
    StoredRecord,
    TimeQuality,
    Zone,
    ZoneBucket,
    ZoneKind,
    ZoneSums,
)

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
TENANT, DEV, STREAM = "pudong-01", "lobby-0a1b", "00112233445566aa"
T0 = 1_767_225_600_000
INTERVAL_MS = 900_000
PROVENANCE = Provenance(cfg="c1f0aa22", model="9e3b51d0", cal=None)
AREA = ((0.1, 0.1), (0.3, 0.1), (0.3, 0.4))
MANY = ZoneSums(
    presence_ms=2_401_500,
    used_ms=899_900,
    arrivals=13,
    departures=12,
    peak=6,
    window_ms=300_000,
    window_presence_ms=810_000,
)
FEW = ZoneSums(presence_ms=61_234, used_ms=61_000, arrivals=4, departures=9, peak=2)


def bucket(zone: str, kind: ZoneKind, index: int = 0, **changes: Any) -> ZoneBucket:
    values: dict[str, Any] = {
        "zone": zone,
        "kind": kind,
        "t0_ms": T0 + index * INTERVAL_MS,
        "t1_ms": T0 + (index + 1) * INTERVAL_MS,
        "sums": MANY,
        "coverage": 1.0,
        "reason": None,
        "time_quality": TimeQuality.NTP,
        "provenance": PROVENANCE,
    }
    return ZoneBucket(**{**values, **changes})


def sealed(buckets: list[Bucket]) -> list[StoredRecord]:
    records: list[StoredRecord] = []
    totals: dict[Subject, Totals] = {}
    chain = genesis(DEV, STREAM)
    for seq, each in enumerate(buckets, start=1):
        subject = subject_of(each)
        totals[subject] = totals.get(subject, Totals()).plus(each)
        body = seal(each, DEV, STREAM, seq, totals=totals[subject], previous_chain=chain)
        chain = chain_of(body)
        records.append(StoredRecord(STREAM, seq, body))
    return records


DARK: dict[str, Any] = {"sums": None, "coverage": 0.0, "reason": CoverageReason.DARK}
PLAIN, QUEUE, ACTIVITY = ZoneKind.PLAIN, ZoneKind.QUEUE, ZoneKind.ACTIVITY
BUCKETS: list[Bucket] = [
    CountBucket(
        "door", T0, T0 + INTERVAL_MS, {Outcome.IN: 3}, 1.0, None, TimeQuality.NTP, PROVENANCE
    ),
    bucket("hall", PLAIN),
    bucket("desk", QUEUE),
    bucket("stage", ACTIVITY),
    bucket("hall", PLAIN, 1, sums=ZoneSums()),
    bucket("desk", QUEUE, 1, sums=FEW, coverage=0.87654321, reason=CoverageReason.COVERED),
    bucket("stage", ACTIVITY, 1, **DARK),
    bucket("hall", PLAIN, 2, **DARK),
    bucket("desk", QUEUE, 2, **DARK),
    bucket("stage", ACTIVITY, 2, sums=FEW),
]
RECORDS = sealed(BUCKETS)
COUNTS = counts_message(TENANT, DEV, STREAM, RECORDS)
INFO = info_message(
    TENANT,
    DEV,
    T0,
    software="0.1.0",
    stream=STREAM,
    provenance=PROVENANCE,
    lines=[Line("door", ((0.1, 0.5), (0.9, 0.5)), 1, "正门")],
    interval_s=900,
    zones=[
        Zone("hall", AREA),
        Zone("desk", AREA, QUEUE, name="等候区"),
        Zone("stage", AREA, ACTIVITY, (DailyWindow(540, 690),), "活动室"),
    ],
)
MESSAGES = {"counts": COUNTS, "info": INFO}


def validator(leaf: str) -> Draft202012Validator:
    schema = json.loads((ROOT / "config/schemas" / f"{leaf}.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def raw_records() -> list[dict[str, Any]]:
    return json.loads(COUNTS.payload)["records"]


def zone_records(payload: bytes = COUNTS.payload) -> list[ZoneRecord]:
    return [record for record in parse_counts(payload) if isinstance(record, ZoneRecord)]


@pytest.mark.parametrize("leaf", MESSAGES)
def test_message_with_zones_obeys_its_schema(leaf: str) -> None:
    validator(leaf).validate(json.loads(MESSAGES[leaf].payload))


@pytest.mark.parametrize("leaf", MESSAGES)
def test_message_with_zones_is_byte_equal_to_its_golden_payload(leaf: str) -> None:
    assert MESSAGES[leaf].payload == (GOLDEN / f"{leaf}-zones-1.1.json").read_bytes()


def test_places_and_times_of_zones_stay_at_home() -> None:
    assert json.loads(INFO.payload)["zones"] == [
        {"id": "hall", "kind": "plain", "name": "hall"},
        {"id": "desk", "kind": "queue", "name": "等候区"},
        {"id": "stage", "kind": "activity", "name": "活动室"},
    ]


def test_the_fields_of_each_kind() -> None:
    common = {
        *("dev", "stream", "seq", "zone", "kind", "t0", "t1"),
        *("presence_s", "used_s", "arrivals", "departures", "peak"),
        *("tot_presence_s", "tot_arrivals", "cov", "tq", "cfg", "model", "cal", "chain"),
    }
    _, hall, desk, stage, *_ = raw_records()
    assert set(hall) == common | {"dwell_s"}
    assert set(desk) == common | {"wait_s"}
    assert set(stage) == common | {"dwell_s", "window_s", "in_window_s"}


def test_zone_records_say_what_happened() -> None:
    hall, desk, stage, *_ = zone_records()
    for record in (hall, desk, stage):
        assert (record.presence_s, record.used_s) == (2401.5, 899.9)
        assert (record.arrivals, record.departures, record.peak) == (13, 12, 6)
    assert (hall.dwell_s, hall.wait_s) == (184.7, None)
    assert (desk.dwell_s, desk.wait_s) == (None, 184.7)
    assert (hall.window_s, hall.in_window_s) == (None, None)
    assert (stage.window_s, stage.in_window_s) == (300, 810)


def test_nobody_looking_is_null_and_nobody_there_is_zero() -> None:
    records = zone_records()
    empty, dark = records[3], records[5:8]
    assert (empty.presence_s, empty.arrivals, empty.peak, empty.dwell_s) == (0, 0, 0, None)
    for record in dark:
        assert (record.presence_s, record.used_s, record.arrivals, record.peak) == (None,) * 4
        assert (record.dwell_s, record.wait_s, record.in_window_s) == (None,) * 3
        assert (record.cov, record.cov_reason) == (0, "dark")


def test_totals_of_zones_and_lines_run_apart() -> None:
    totals = [(r.zone, r.tot_presence_s, r.tot_arrivals) for r in zone_records()]
    assert totals == [
        ("hall", 2401.5, 13),
        ("desk", 2401.5, 13),
        ("stage", 2401.5, 13),
        ("hall", 2401.5, 13),
        ("desk", 2462.734, 17),
        ("stage", 2401.5, 13),
        ("hall", 2401.5, 13),
        ("desk", 2462.734, 17),
        ("stage", 2462.734, 17),
    ]
    (line,) = [r for r in parse_counts(COUNTS.payload) if isinstance(r, CountRecord)]
    assert (line.tot_in, line.tot_out) == (3, 0)


def test_a_mean_longer_than_its_interval_is_not_told() -> None:
    """A hall of ten seated people and five who pass by: 9000 person-s, but nobody came for long."""
    seated = ZoneSums(presence_ms=10 * INTERVAL_MS, arrivals=5, departures=5, peak=10)
    buckets = [
        bucket("hall", PLAIN, sums=seated),
        bucket("desk", QUEUE, sums=seated),
        bucket("hall", PLAIN, 1, sums=replace(seated, presence_ms=5 * INTERVAL_MS)),
    ]
    payload = counts_message(TENANT, DEV, STREAM, sealed(buckets)).payload
    validator("counts").validate(json.loads(payload))
    assert [(r.dwell_s, r.wait_s) for r in zone_records(payload)] == [
        (None, None), (None, None), (900, None),
    ]  # fmt: skip


def test_a_range_or_a_zone_makes_it_version_1_1() -> None:
    for records in (sealed(BUCKETS[:1]), sealed(BUCKETS[:2]), RECORDS[1:]):
        message = counts_message(TENANT, DEV, STREAM, records)
        payload = json.loads(message.payload)
        assert payload["v"] == "1.1"
        assert message.properties[0] == ("schema", "counts/1.1")
        validator("counts").validate(payload)
        with pytest.raises(ValidationError):
            validator("counts").validate(payload | {"v": "1.0"})


def test_the_birth_of_a_device_with_zones_is_of_version_1_1() -> None:
    payload = json.loads(INFO.payload)
    assert payload["v"] == "1.1"
    assert INFO.properties[0] == ("schema", "info/1.1")
    lines_only = {key: value for key, value in payload.items() if key != "zones"}
    validator("info").validate(lines_only | {"v": "1.0"})
    for wrong in (payload | {"v": "1.0"}, lines_only, payload | {"zones": []}):
        with pytest.raises(ValidationError):
            validator("info").validate(wrong)


@pytest.mark.parametrize(
    ("arrivals", "departures", "expected"),
    [(5, 5, 20.0), (4, 5, None), (5, 4, None), (0, 0, None), (0, 9, None), (6, 5, 16.7)],
)
def test_a_mean_over_fewer_than_five_is_not_told(arrivals, departures, expected) -> None:
    sums = ZoneSums(presence_ms=100_000, arrivals=arrivals, departures=departures)
    assert mean_stay_s(sums) == expected


def test_littles_law_gives_the_mean_of_known_visits() -> None:
    visits_ms = [30_000, 45_000, 60_000, 90_000, 5_000, 250_000]
    sums = ZoneSums(presence_ms=sum(visits_ms), arrivals=len(visits_ms), departures=len(visits_ms))
    assert mean_stay_s(sums) == sum(visits_ms) / len(visits_ms) / 1000


def test_whole_seconds_are_written_as_whole_numbers() -> None:
    text = COUNTS.payload.decode()
    assert '"in_window_s":810,' in text
    assert '"presence_s":2401.5,' in text
    assert ".0," not in text


def test_a_bucket_without_its_reason_is_not_sealed() -> None:
    hopeless = bucket("hall", PLAIN, coverage=0.5)
    with pytest.raises(ValueError, match=r"zone 'hall' has coverage 0\.5 and no reason"):
        seal(hopeless, DEV, STREAM, 1, totals=Totals(), previous_chain=genesis(DEV, STREAM))


def test_golden_zone_records_read_back_in_one_chain_with_the_lines() -> None:
    records = parse_counts((GOLDEN / "counts-zones-1.1.json").read_bytes())
    assert [record.seq for record in records] == list(range(1, 11))
    assert [(r.t0_ms, r.t1_ms) for r in records] == [(b.t0_ms, b.t1_ms) for b in BUCKETS]
    assert verify_chain(records) == records[-1].chain
    with pytest.raises(MessageError, match="record 3 "):
        verify_chain([records[0], records[2]])


FORBIDDEN: list[tuple[int, dict[str, Any]]] = [
    (1, {"track": 7}),
    (1, {"line": "door"}),
    (1, {"kind": "crowd"}),
    (1, {"wait_s": 3}),
    (1, {"window_s": 3}),
    (1, {"presence_s": -1}),
    (1, {"presence_s": None}),
    (1, {"peak": 1.5}),
    (1, {"cov": 0.5}),
    (1, {"cov_reason": "dark"}),
    (2, {"dwell_s": 3}),
    (5, {"wait_s": 15.3}),  # 4 arrivals
    (9, {"dwell_s": 15.3}),
    (6, {"presence_s": 0}),
    (6, {"window_s": 0}),
    (7, {"dwell_s": 1}),
]


@pytest.mark.parametrize(("index", "change"), FORBIDDEN)
def test_schema_forbids_zone_records_that_break_the_contract(
    index: int, change: dict[str, Any]
) -> None:
    payload = json.loads(COUNTS.payload)
    payload["records"][index] |= change
    with pytest.raises(ValidationError):
        validator("counts").validate(payload)


@pytest.mark.parametrize("index", [1, 2, 3])
def test_schema_asks_for_every_field_of_a_zone_record(index: int) -> None:
    for field in raw_records()[index]:
        payload = json.loads(COUNTS.payload)
        del payload["records"][index][field]
        with pytest.raises(ValidationError):
            validator("counts").validate(payload)


def read_with(index: int, change: dict[str, Any], *without: str) -> ZoneRecord:
    payload = json.loads(COUNTS.payload)
    payload["records"] = [payload["records"][index] | change]
    for field in without:
        del payload["records"][0][field]
    (record,) = zone_records(json.dumps(payload).encode())
    return record


@pytest.mark.parametrize(
    ("index", "change", "sentence"),
    [
        (1, {"zone": ""}, "no valid 'zone'"),
        (1, {"kind": None}, "no valid 'kind'"),
        (1, {"presence_s": True}, "no valid 'presence_s'"),
        (1, {"presence_s": -0.5}, "no valid 'presence_s'"),
        (1, {"arrivals": 1.0}, "no valid 'arrivals'"),
        (1, {"arrivals": None}, "some counts null"),
        (1, {"tot_presence_s": None}, "no valid 'tot_presence_s'"),
        (1, {"dwell_s": "long"}, "no valid 'dwell_s'"),
        (2, {"wait_s": -1}, "no valid 'wait_s'"),
        (3, {"in_window_s": "x"}, "no valid 'in_window_s'"),
        (3, {"window_s": None}, "some counts null"),
    ],
)
def test_what_is_not_a_zone_record_is_explained(index, change, sentence) -> None:
    with pytest.raises(MessageError, match=sentence):
        read_with(index, change)


@pytest.mark.parametrize(("index", "field"), [(1, "dwell_s"), (2, "wait_s"), (3, "window_s")])
def test_a_missing_field_of_a_zone_is_not_a_null(index, field) -> None:
    with pytest.raises(MessageError, match=f"no valid '{field}'"):
        read_with(index, {}, field)


def test_a_field_of_another_kind_is_an_unknown_field() -> None:
    record = read_with(1, {"wait_s": "x", "window_s": 5})
    assert (record.wait_s, record.window_s, record.dwell_s) == (None, None, 184.7)


def test_a_time_that_is_no_number_is_refused_and_a_huge_one_is_read() -> None:
    text = COUNTS.payload.decode().replace('"presence_s":2401.5', '"presence_s":1e999', 1)
    with pytest.raises(MessageError, match="no valid 'presence_s'"):
        parse_counts(text.encode())
    assert read_with(1, {"presence_s": 10**400}).presence_s == 10**400


def test_reader_ignores_unknown_fields_and_takes_a_new_kind_as_a_plain_zone() -> None:
    raw = raw_records()[1] | {"kind": "stairs", "seq": 1, "later": [1]}
    raw["chain"] = link(genesis(DEV, STREAM), raw)
    payload = {"v": "1.9", "dev": DEV, "stream": STREAM, "records": [raw]}
    [record] = zone_records(canonical(payload).encode())
    assert (record.kind, record.dwell_s) == ("stairs", 184.7)
    verify_chain([record])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.integers(1, 3), st.sampled_from([*sorted(raw_records()[3]), "wait_s"]), JSON)
def test_hostile_zone_records_never_raise_anything_else(index: int, field: str, value: Any) -> None:
    payload = json.loads(COUNTS.payload)
    payload["records"][index][field] = value
    with contextlib.suppress(MessageError):
        verify_chain(parse_counts(json.dumps(payload).encode()))


def test_a_row_of_the_listener_says_wait_or_stay_and_a_dash_for_nothing() -> None:
    rows = [record_row(record) for record in parse_counts(COUNTS.payload)]
    assert len(rows[0]) == len(RECORD_HEADER)
    starts = RECORD_HEADER.index("line, zone")
    assert [row[starts:].split()[0] for row in rows[:4]] == ["door", "hall", "desk", "stage"]
    assert rows[1].endswith("peak 6, 2401.5 person-s, stay 184.7 s")
    assert rows[2].endswith("peak 6, 2401.5 person-s, wait 184.7 s")
    assert rows[5].endswith("peak 2, 61.234 person-s, wait - s")
    assert rows[6].endswith("peak -, - person-s, stay - s")
    assert rows[1][: len(RECORD_HEADER)].split()[-5:] == ["13", "12", "-", "1.00", "2"]
