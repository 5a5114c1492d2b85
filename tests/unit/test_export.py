"""Which records are of a month, and what is written of them."""

import json
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.adapters.device_key import DeviceKey
from edge.errors import BadInputError
from edge.export import Signing, export_lines, of_month
from edge.heads import hash_of, verify_head
from edge.months import month_of
from edge.sealing import iso_utc
from edge.testing import MemoryOutbox
from edge.vocabulary import CountBucket, Outcome, Provenance, StoredRecord, TimeQuality

NOVEMBER = month_of("2026-11")
HOUR_MS = 3_600_000
KEY = DeviceKey(Ed25519PrivateKey.from_private_bytes(bytes(32)))
SIGNING = Signing(KEY, NOVEMBER.t1_ms + 5_000, TimeQuality.NTP)


def stored(*begins_ms: int, stream: str = "00112233445566aa") -> list[StoredRecord]:
    outbox = MemoryOutbox("d", stream)
    for t0_ms in begins_ms:
        bucket = CountBucket(
            "door", t0_ms, t0_ms + HOUR_MS, {Outcome.IN: 1}, 1.0, None, TimeQuality.NTP,
            Provenance("c", "m"),
        )  # fmt: skip
        outbox.append([bucket])
    return outbox.pending(1000)


def seqs(records: list[StoredRecord]) -> list[int]:
    return [record.seq for record in records]


def test_a_month_is_half_open_and_in_utc_unless_a_zone_is_named() -> None:
    assert iso_utc(NOVEMBER.t0_ms) == "2026-11-01T00:00:00Z"
    assert iso_utc(NOVEMBER.t1_ms) == "2026-12-01T00:00:00Z"
    assert NOVEMBER.holds(NOVEMBER.t0_ms)
    assert not NOVEMBER.holds(NOVEMBER.t1_ms)
    local = month_of("2026-12", ZoneInfo("Asia/Shanghai"))
    assert iso_utc(local.t0_ms) == "2026-11-30T16:00:00Z"
    assert iso_utc(local.t1_ms) == "2026-12-31T16:00:00Z"


@pytest.mark.parametrize("text", ["2026-13", "2026-00", "2026-1", "26-11", "2026-11-01", "٢٠٢٦-11"])
def test_what_is_no_month_is_explained(text: str) -> None:
    with pytest.raises(BadInputError, match=r"e\.g\. 2026-11"):
        month_of(text)


def test_a_month_has_the_records_that_begin_in_it_and_the_one_before() -> None:
    t0, t1 = NOVEMBER.t0_ms, NOVEMBER.t1_ms
    records = stored(t0 - 2 * HOUR_MS, t0 - HOUR_MS, t0, t0 + HOUR_MS, t1 - HOUR_MS, t1)
    assert seqs(of_month(records, NOVEMBER)) == [2, 3, 4, 5]
    assert seqs(of_month(records[2:], NOVEMBER)) == [3, 4, 5]
    assert of_month(records[:2], NOVEMBER) == []
    assert of_month([], NOVEMBER) == []


def test_a_record_that_was_deleted_is_not_replaced_by_an_older_one() -> None:
    t0 = NOVEMBER.t0_ms
    records = stored(t0 - 2 * HOUR_MS, t0 - HOUR_MS, t0)
    assert seqs(of_month([records[0], records[2]], NOVEMBER)) == [3]


def test_what_stands_between_records_of_the_month_is_exported_too() -> None:
    t0 = NOVEMBER.t0_ms
    records = stored(t0, 0, t0 + HOUR_MS)
    broken = [records[0], StoredRecord(records[1].stream, 2, "{"), records[2]]
    assert seqs(of_month(records, NOVEMBER)) == [1, 2, 3]
    assert seqs(of_month(broken, NOVEMBER)) == [1, 2, 3]


def test_the_head_signs_the_last_record_and_names_the_first() -> None:
    t0, t1 = NOVEMBER.t0_ms, NOVEMBER.t1_ms
    records = of_month(stored(t0 - HOUR_MS, t0, t1 - HOUR_MS, t1), NOVEMBER)
    *lines, last = export_lines("d", [records], SIGNING)
    assert lines == [record.body for record in records]
    head = verify_head(last.encode(), KEY.public_key)
    assert (head.seq, head.day) == (3, "2026-11-30")
    assert head.chain == json.loads(lines[-1])["chain"]
    assert head.begin is not None
    assert (head.begin.seq, head.begin.hash) == (1, hash_of(json.loads(lines[0])))


def test_streams_stand_in_order_with_their_heads_behind_all_records() -> None:
    t0 = NOVEMBER.t0_ms
    later = stored(t0, stream="b" * 16)
    earlier = stored(t0, t0 + HOUR_MS, stream="a" * 16)
    lines = [json.loads(line) for line in export_lines("d", [later, [], earlier], SIGNING)]
    assert [(each["stream"][0], each["seq"], "sig" in each) for each in lines] == [
        ("a", 1, False), ("a", 2, False), ("b", 1, False), ("a", 2, True), ("b", 1, True),
    ]  # fmt: skip


def test_without_a_key_or_a_readable_last_record_there_is_no_head() -> None:
    records = stored(NOVEMBER.t0_ms)
    assert export_lines("d", [records], None) == [records[0].body]
    damaged = [*records, StoredRecord(records[0].stream, 2, '{"seq":2}')]
    assert export_lines("d", [damaged], SIGNING) == [records[0].body, '{"seq":2}']
