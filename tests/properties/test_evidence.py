"""From any export, any change is found and named; untouched it is intact."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edge.adapters.device_key import DeviceKey
from edge.evidence import Finding, Place, Report
from edge.evidence_lines import Line, runs_of
from edge.export import Signing, export_lines, of_month
from edge.heads import head_text
from edge.months import month_of
from edge.sealing import canonical, genesis, link
from edge.testing import MemoryOutbox
from edge.verify import verify_stream
from edge.vocabulary import (
    Bucket,
    CountBucket,
    CoverageReason,
    Doubts,
    Outcome,
    Provenance,
    StoredRecord,
    TimeQuality,
    Tip,
    ZoneBucket,
    ZoneKind,
    ZoneSums,
)

MONTH = month_of("2026-11")
INTERVAL_MS = 900_000
NOW_MS = MONTH.t1_ms + 3_600_000
BY = Provenance("c1f0aa22", "9e3b51d0")


def device_key(number: int) -> DeviceKey:
    return DeviceKey(Ed25519PrivateKey.from_private_bytes(bytes([number] * 32)))


def judge(lines: Sequence[bytes], keys: Sequence[str] = ()) -> Report:
    """Verify one file of these lines."""
    groups: dict[Any, list[Line]] = {}
    for run in runs_of(lines):
        numbers = range(run.number, run.number + run.count)
        own = [Line(Place("f", number), lines[number - 1]) for number in numbers]
        groups.setdefault(run.key, []).extend(own)
    reports = [verify_stream(key, groups[key], MONTH, keys) for key in sorted(groups)]
    return Report(MONTH.name, tuple(reports))


numbers = st.integers(0, 12)


@st.composite
def line_buckets(draw: Any, name: str, t0_ms: int) -> CountBucket:
    seen = draw(st.integers(0, 5)) > 0
    counts = {Outcome.IN: draw(numbers), Outcome.OUT: draw(numbers)} if seen else None
    return CountBucket(
        name,
        t0_ms,
        t0_ms + INTERVAL_MS,
        counts,
        1.0 if seen else 0.0,
        None if seen else CoverageReason.DARK,
        draw(st.sampled_from(TimeQuality)),
        BY,
        Doubts(uncounted_in=draw(numbers)),
    )


@st.composite
def zone_buckets(draw: Any, name: str, t0_ms: int) -> ZoneBucket:
    seen = draw(st.integers(0, 5)) > 0
    sums = ZoneSums(presence_ms=draw(st.integers(0, 10**7)), arrivals=draw(numbers))
    return ZoneBucket(
        name,
        draw(st.sampled_from(ZoneKind)),
        t0_ms,
        t0_ms + INTERVAL_MS,
        sums if seen else None,
        1.0 if seen else 0.0,
        None if seen else CoverageReason.COVERED,
        draw(st.sampled_from(TimeQuality)),
        BY,
    )


@dataclass(frozen=True)
class Stream:
    """What one device has of a stream, and its key."""

    dev: str
    key: DeviceKey
    records: list[StoredRecord]
    until_ms: list[int]


@st.composite
def streams(draw: Any, number: int) -> Stream:
    dev = f"lobby-{draw(st.integers(1, 2))}"
    outbox = MemoryOutbox(dev, f"{number:016x}")
    lines = [f"door-{i}" for i in range(draw(st.integers(1, 3)))]
    zones = [f"hall-{i}" for i in range(draw(st.integers(0, 2)))]
    # Some begin before the month, so that there is a record before its first one.
    start_ms = MONTH.t0_ms + draw(st.integers(-2, 6)) * INTERVAL_MS
    until_ms = []
    for index in range(draw(st.integers(3, 6))):
        t0_ms = start_ms + index * INTERVAL_MS
        buckets: list[Bucket] = [draw(line_buckets(line, t0_ms)) for line in lines]
        buckets += [draw(zone_buckets(zone, t0_ms)) for zone in zones]
        outbox.append(buckets)
        until_ms += [bucket.t1_ms for bucket in buckets]
    records = outbox.pending(10_000)
    gone = draw(st.integers(0, min(4, len(records) - 1))) if draw(st.booleans()) else 0
    return Stream(dev, device_key(int(dev[-1])), records[gone:], until_ms[gone:])


@st.composite
def device_exports(draw: Any) -> list[bytes]:
    """Exports of devices, one after the other in one file."""
    lines: list[str] = []
    for number in range(1, draw(st.integers(1, 3)) + 1):
        stream = draw(streams(number))
        signing = Signing(stream.key, NOW_MS, TimeQuality.NTP)
        lines += export_lines(stream.dev, [of_month(stream.records, MONTH)], signing)
    assume(lines)
    return [line.encode() for line in lines]


@st.composite
def fleet_exports(draw: Any) -> list[bytes]:
    """An export of a backend: all records, then the heads that it received."""
    records: list[str] = []
    heads: list[str] = []
    for number in range(1, draw(st.integers(1, 3)) + 1):
        stream = draw(streams(number))
        kept = of_month(stream.records, MONTH)
        assume(len(kept) > 2)
        records += [record.body for record in kept]
        signed = draw(st.sets(st.sampled_from(kept[1:]), max_size=2)) | {kept[-1]}
        for record in sorted(signed, key=lambda each: each.seq):
            until_ms = stream.until_ms[stream.records.index(record)]
            chain = json.loads(record.body)["chain"]
            tip = Tip(record.stream, record.seq, chain, until_ms)
            heads.append(
                head_text(stream.dev, until_ms, tip, quality=TimeQuality.NTP, signer=stream.key)
            )
    return [line.encode() for line in (*records, *heads)]


exports = device_exports() | fleet_exports()


def raw(line: bytes) -> dict[str, Any]:
    value = json.loads(line)
    assert isinstance(value, dict)
    return value


def records_of(lines: Sequence[bytes]) -> list[int]:
    return [index for index, line in enumerate(lines) if b'"sig"' not in line]


def vouched(lines: Sequence[bytes]) -> list[int]:
    """Return the records that something vouches for: all but a fleet's first ones."""
    known = set()
    for head in map(raw, lines):
        if "first" in head:
            known.add((head["stream"], head["first"]))
    here = {(raw(lines[i])["stream"], raw(lines[i])["seq"]) for i in records_of(lines)}
    found = []
    for index in records_of(lines):
        stream, seq = raw(lines[index])["stream"], raw(lines[index])["seq"]
        if seq == 1 or (stream, seq) in known or (stream, seq - 1) in here:
            found.append(index)
    return found


def is_missed(lines: Sequence[bytes], index: int) -> bool:
    """Whether the absence of a record can be seen: not that of a fleet's first ones."""
    value = raw(lines[index])
    named = any(
        (head["stream"], head.get("first")) == (value["stream"], value["seq"])
        for head in map(raw, lines)
    )
    return named or any(
        raw(lines[i])["stream"] == value["stream"] and raw(lines[i])["seq"] < value["seq"]
        for i in records_of(lines)
    )


def names(finding: Finding | None, line: bytes) -> bool:
    """Whether a fault is that of the record that was in this line."""
    if finding is None:
        return False
    value = raw(line)
    own = (finding.dev, finding.stream) == (value["dev"], value["stream"])
    first = finding.seq if finding.seq is not None else -1
    return own and first <= value["seq"] <= finding.details.get("upto", first)


def pick(data: st.DataObject, indexes: Sequence[int]) -> int:
    assume(indexes)
    return data.draw(st.sampled_from(indexes))


@settings(max_examples=50, deadline=None)
@given(exports)
def test_untouched_is_intact_and_sums_are_those_of_the_month(lines: list[bytes]) -> None:
    report = judge(lines, [device_key(1).public_key, device_key(2).public_key])
    assert report.intact, report.first
    total = sum(
        value.get("in") or 0
        for value in (raw(lines[i]) for i in records_of(lines))
        if value["t0"].startswith("2026-11")
    )
    summed = sum(
        sums.first
        for stream in report.streams
        for subject, sums in stream.sums.items()
        if subject.field == "line"
    )
    assert summed == total
    assert all(stream.signed == stream.last and not stream.unsigned for stream in report.streams)


def meaning(line: bytes) -> str | None:
    """Return what a line means to a reader that takes no name twice; None for no JSON."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError
        return dict(pairs)

    try:
        return canonical(json.loads(line.decode(), object_pairs_hook=once))
    except ValueError:
        return None


@settings(max_examples=150, deadline=None)
@given(exports, st.data())
def test_any_byte_of_a_record_that_is_changed_names_it(
    lines: list[bytes], data: st.DataObject
) -> None:
    index = pick(data, vouched(lines))
    old = lines[index]
    at = data.draw(st.integers(0, len(old) - 1))
    byte = data.draw(st.integers(0, 255) | st.sampled_from(b"0123456789abcdef,:{}\"'-. "))
    new = old[:at] + bytes([byte]) + old[at + 1 :]
    report = judge([*lines[:index], *new.split(b"\n"), *lines[index + 1 :]])
    if meaning(new) == meaning(old):
        assert report.intact
        return
    first = report.first
    assert first is not None
    assert names(first, old) or first.place == Place("f", index + 1), first
    if is_missed(lines, index):
        assert any(names(found, old) for stream in report.streams for found in stream.findings)


CHANGES: dict[str, Callable[[Any], Any]] = {
    "in": lambda value: 1 if value is None else value + 1,
    "presence_s": lambda value: 1 if value is None else value + 1,
    "t1": lambda value: value.replace("T", "T").replace(":00Z", ":01Z"),
    "tq": lambda value: "rtc" if value != "rtc" else "ntp",
    "cfg": lambda value: value + "0",
    "tot_in": lambda value: value + 1,
    "tot_arrivals": lambda value: value + 1,
    "chain": lambda value: value[::-1],
    "seq": lambda value: value + 1,
    "note": lambda _: "a field that nobody sealed",
}


@settings(max_examples=100, deadline=None)
@given(exports, st.sampled_from(sorted(CHANGES)), st.data())
def test_any_field_of_a_record_that_is_changed_names_it(
    lines: list[bytes], field: str, data: st.DataObject
) -> None:
    index = pick(data, vouched(lines))
    value = raw(lines[index])
    assume(field in value or field == "note")
    changed = value | {field: CHANGES[field](value.get(field))}
    assume(changed != value)
    report = judge([*lines[:index], canonical(changed).encode(), *lines[index + 1 :]])
    assert names(report.first, lines[index]), report.first


@settings(max_examples=50, deadline=None)
@given(exports, st.data())
def test_any_byte_of_a_head_that_is_changed_is_found(
    lines: list[bytes], data: st.DataObject
) -> None:
    index = pick(data, [i for i, line in enumerate(lines) if b'"sig"' in line])
    old = lines[index]
    at = data.draw(st.integers(0, len(old) - 1))
    new = old[:at] + bytes([data.draw(st.integers(0, 255))]) + old[at + 1 :]
    report = judge([*lines[:index], *new.split(b"\n"), *lines[index + 1 :]])
    if meaning(new) == meaning(old):
        assert report.intact
    else:
        assert report.first is not None
        assert report.first.place is not None
        halves = new.count(b"\n") + 1
        assert index + 1 <= report.first.place.line <= index + halves


@settings(max_examples=50, deadline=None)
@given(exports, st.data())
def test_a_deleted_record_is_named(lines: list[bytes], data: st.DataObject) -> None:
    index = pick(data, vouched(lines))
    assume(is_missed(lines, index))
    report = judge([*lines[:index], *lines[index + 1 :]])
    assert names(report.first, lines[index]), report.first


def mates(lines: Sequence[bytes], index: int) -> list[int]:
    stream = raw(lines[index])["stream"]
    return [i for i in records_of(lines) if raw(lines[i])["stream"] == stream]


@settings(max_examples=50, deadline=None)
@given(exports, st.data())
def test_records_in_another_order_are_named(lines: list[bytes], data: st.DataObject) -> None:
    index = pick(data, records_of(lines))
    other = pick(data, [i for i in mates(lines, index) if i != index])
    swapped = list(lines)
    swapped[index], swapped[other] = lines[other], lines[index]
    report = judge(swapped)
    assert names(report.first, lines[min(index, other)]), report.first


@settings(max_examples=50, deadline=None)
@given(exports, st.data())
def test_contents_that_change_places_are_named(lines: list[bytes], data: st.DataObject) -> None:
    index = pick(data, vouched(lines))
    other = pick(data, [i for i in mates(lines, index) if i > index])
    first, second = raw(lines[index]), raw(lines[other])
    swapped = list(lines)
    kept = ("seq", "chain")
    swapped[index] = canonical(second | {name: first[name] for name in kept}).encode()
    swapped[other] = canonical(first | {name: second[name] for name in kept}).encode()
    assert names(judge(swapped).first, lines[index])


@settings(max_examples=50, deadline=None)
@given(exports, st.data())
def test_a_record_twice_is_fine_and_a_changed_second_one_is_named(
    lines: list[bytes], data: st.DataObject
) -> None:
    index = pick(data, vouched(lines))
    at = pick(data, [*mates(lines, index), len(lines)])
    # Before its own place the copy stands for it, and then it stands out of order.
    assert judge([*lines[:at], lines[index], *lines[at:]]).intact or at < index
    assert judge([*lines, lines[index]]).intact
    changed = canonical(raw(lines[index]) | {"cfg": "forged"}).encode()
    report = judge([*lines[:at], changed, *lines[at:]])
    assert names(report.first, lines[index]), report.first


@settings(max_examples=50, deadline=None)
@given(exports, st.data())
def test_records_cut_off_before_a_head_are_named(lines: list[bytes], data: st.DataObject) -> None:
    index = pick(data, records_of(lines))
    gone = [i for i in mates(lines, index) if i >= index]
    report = judge([line for i, line in enumerate(lines) if i not in gone])
    named = [lines[index]] if len(gone) < len(mates(lines, index)) else [lines[i] for i in gone]
    assert any(names(report.first, line) for line in named), report.first


@settings(max_examples=50, deadline=None)
@given(exports, st.data())
def test_a_chain_made_anew_does_not_fit_the_head(lines: list[bytes], data: st.DataObject) -> None:
    """Whoever has not the key can change a record and chain all that follow."""
    index = pick(data, vouched(lines))
    after = [i for i in mates(lines, index) if i >= index]
    forged = list(lines)
    value = raw(lines[index]) | {"cfg": "forged"}
    before = [i for i in mates(lines, index) if raw(lines[i])["seq"] == value["seq"] - 1]
    chain = raw(lines[before[0]])["chain"] if before else genesis(value["dev"], value["stream"])
    for i in after:
        value = value if i == index else raw(lines[i])
        value["chain"] = chain = link(chain, value)
        forged[i] = canonical(value).encode()
    first = judge(forged).first
    assert first is not None
    assert (first.dev, first.stream) == (value["dev"], value["stream"])
    assert first.seq is not None
    assert first.details.get("since", 0) <= raw(lines[index])["seq"] <= first.seq


@settings(max_examples=20, deadline=None)
@given(exports)
def test_heads_of_a_key_that_is_not_the_expected_one_do_not_count(lines: list[bytes]) -> None:
    report = judge(lines, [device_key(9).public_key])
    assert all(not stream.intact and stream.signed is None for stream in report.streams)


def calls_for(count: int) -> int:
    outbox = MemoryOutbox("d", "00112233445566aa")
    t0_ms = MONTH.t0_ms
    for index in range(count):
        begin_ms = t0_ms + index * 1000
        outbox.append(
            [CountBucket("door", begin_ms, begin_ms + 1000, {}, 1.0, None, TimeQuality.NTP, BY)]
        )
    signing = Signing(device_key(1), NOW_MS, TimeQuality.NTP)
    lines = [line.encode() for line in export_lines("d", [outbox.pending(count)], signing)]
    calls = 0

    def count_call(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count_call)
    try:
        report = judge(lines)
    finally:
        sys.setprofile(None)
    assert report.intact
    return calls


def test_twice_the_records_are_twice_the_work() -> None:
    once, twice = calls_for(300), calls_for(600)
    assert twice == pytest.approx(2 * once, rel=0.05)
