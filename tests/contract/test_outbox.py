"""One suite for every Outbox: the memory one and the one on disk."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.messages import counts_message
from edge.ports import Outbox
from edge.records import Record, parse_counts, verify_chain
from edge.sealing import genesis
from edge.testing import MemoryOutbox
from edge.vocabulary import (
    CountBucket,
    CoverageReason,
    Outcome,
    Provenance,
    TimeQuality,
    Tip,
    ZoneBucket,
    ZoneKind,
    ZoneSums,
)

DEV = "lobby-1"


def bucket(index: int, line: str = "door", entered: int | None = 1, left: int = 2) -> CountBucket:
    return CountBucket(
        line=line,
        t0_ms=index * 900_000,
        t1_ms=(index + 1) * 900_000,
        counts=None if entered is None else {Outcome.IN: entered, Outcome.OUT: left},
        coverage=0.0 if entered is None else 1.0,
        reason=CoverageReason.FROZEN if entered is None else None,
        time_quality=TimeQuality.RTC,
        provenance=Provenance("cfg", "model"),
    )


def zone_bucket(index: int, zone: str, sums: ZoneSums | None) -> ZoneBucket:
    return ZoneBucket(
        zone=zone,
        kind=ZoneKind.QUEUE,
        t0_ms=index * 900_000,
        t1_ms=(index + 1) * 900_000,
        sums=sums,
        coverage=1.0 if sums else 0.0,
        reason=None if sums else CoverageReason.FROZEN,
        time_quality=TimeQuality.RTC,
        provenance=Provenance("cfg", "model"),
    )


@pytest.fixture(params=["memory", "sqlite"])
def outbox(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Outbox]:
    made: dict[str, Callable[[], Outbox]] = {
        "memory": lambda: MemoryOutbox(DEV),
        "sqlite": lambda: SqliteOutbox(tmp_path / "outbox.db", DEV),
    }
    box = made[request.param]()
    yield box
    box.close()


def read(outbox: Outbox, limit: int = 1000) -> list[Record]:
    pending = outbox.pending(limit)
    return parse_counts(counts_message("t", DEV, outbox.stream, pending).payload)


def test_stream_is_sixteen_hex_digits(outbox: Outbox) -> None:
    assert len(outbox.stream) == 16
    int(outbox.stream, 16)


def test_new_outbox_is_empty(outbox: Outbox) -> None:
    assert outbox.pending(10) == []
    assert outbox.depth() == 0


def test_records_come_back_in_order_numbered_from_one_and_chained(outbox: Outbox) -> None:
    outbox.append([bucket(0), bucket(0, "side")])
    outbox.append([])
    outbox.append([bucket(1)])
    pending = outbox.pending(10)
    assert [record.seq for record in pending] == [1, 2, 3]
    assert {record.stream for record in pending} == {outbox.stream}
    records = read(outbox)
    assert [record.line for record in records] == ["door", "side", "door"]
    verify_chain(records)


def test_totals_run_per_line_and_nobody_looking_adds_nothing(outbox: Outbox) -> None:
    outbox.append([bucket(0, entered=3, left=1), bucket(0, "side", entered=10, left=0)])
    outbox.append([bucket(1, entered=None), bucket(2, entered=4, left=4)])
    totals = [(record.line, record.tot_in, record.tot_out) for record in read(outbox)]
    assert totals == [("door", 3, 1), ("side", 10, 0), ("door", 3, 1), ("door", 7, 5)]


def test_zones_stand_in_the_same_stream_with_totals_of_their_own(outbox: Outbox) -> None:
    some = ZoneSums(presence_ms=2_500, arrivals=3)
    outbox.append([bucket(0, "desk", entered=7, left=0), zone_bucket(0, "desk", some)])
    outbox.append([zone_bucket(1, "desk", None), zone_bucket(2, "desk", some)])
    outbox.append([zone_bucket(2, "hall", some), bucket(2, "desk", entered=1, left=0)])
    line, *zones, hall, later_line = records = read(outbox)
    assert [record.seq for record in records] == [1, 2, 3, 4, 5, 6]
    assert (line.tot_in, later_line.tot_in) == (7, 8)
    assert [(r.tot_presence_s, r.tot_arrivals) for r in zones] == [(2.5, 3), (2.5, 3), (5, 6)]
    assert (hall.tot_presence_s, hall.tot_arrivals) == (2.5, 3)
    verify_chain(records)


def test_pending_returns_the_oldest_first_up_to_the_limit(outbox: Outbox) -> None:
    outbox.append([bucket(index) for index in range(5)])
    assert [record.seq for record in outbox.pending(2)] == [1, 2]
    assert outbox.depth() == 5


def test_retired_records_are_not_pending_and_their_numbers_are_not_used_again(
    outbox: Outbox,
) -> None:
    outbox.append([bucket(0), bucket(1), bucket(2)])
    outbox.retire(outbox.stream, 2)
    assert [record.seq for record in outbox.pending(10)] == [3]
    outbox.retire(outbox.stream, 1)
    assert outbox.depth() == 1
    outbox.retire(outbox.stream, 999)
    outbox.append([bucket(3)])
    assert [record.seq for record in outbox.pending(10)] == [4]


def numbers(outbox: Outbox, after: int = 0) -> list[int]:
    return [record.seq for record in outbox.pending(99, after)]


def test_commit_retires_exactly_what_a_backend_has(outbox: Outbox) -> None:
    outbox.append([bucket(index) for index in range(8)])
    outbox.retire(outbox.stream, 6)  # on pubacks
    outbox.commit(outbox.stream, 2, [(4, 4), (7, 7)])
    assert numbers(outbox) == [3, 5, 6, 8]
    assert outbox.depth() == 4
    outbox.commit(outbox.stream, 5)
    assert numbers(outbox) == [6, 7, 8]
    outbox.commit("f" * 16, 8)
    assert outbox.depth() == 3
    outbox.commit(outbox.stream, 99)
    outbox.append([bucket(8)])
    assert numbers(outbox) == [9]


def test_pending_can_begin_after_a_number(outbox: Outbox) -> None:
    outbox.append([bucket(index) for index in range(5)])
    outbox.commit(outbox.stream, 1)
    assert [numbers(outbox, after) for after in (0, 3, 9)] == [[2, 3, 4, 5], [4, 5], []]


def test_the_tip_is_the_last_record_retired_or_not(outbox: Outbox) -> None:
    assert outbox.tip() == Tip(outbox.stream, 0, genesis(DEV, outbox.stream), 0)
    outbox.append([bucket(0), bucket(0, "side")])
    outbox.append([bucket(1)])
    last = read(outbox)[-1]
    assert outbox.tip() == Tip(outbox.stream, 3, last.chain, 2 * 900_000)
    outbox.retire(outbox.stream, 3)
    assert outbox.tip() == Tip(outbox.stream, 3, last.chain, 2 * 900_000)
    outbox.append([])
    outbox.append([bucket(0, "late")])
    assert outbox.tip().until_ms == outbox.dated_until_ms == 2 * 900_000


def test_retiring_another_stream_does_nothing(outbox: Outbox) -> None:
    outbox.append([bucket(0)])
    outbox.retire("ffffffffffffffff", 1)
    assert outbox.depth() == 1


def test_append_stores_all_or_nothing(outbox: Outbox) -> None:
    outbox.append([bucket(0)])
    unsealable = CountBucket(
        "door", 0, 1, {}, 0.5, None, TimeQuality.NTP, Provenance("cfg", "model")
    )
    with pytest.raises(ValueError, match="no reason"):
        outbox.append([bucket(1), unsealable])
    assert outbox.depth() == 1
    outbox.append([bucket(2)])
    records = read(outbox)
    assert [(record.seq, record.tot_in) for record in records] == [(1, 1), (2, 2)]
    verify_chain(records)


def test_two_threads_append_and_retire_without_a_gap(outbox: Outbox) -> None:
    seen: list[int] = []
    done = threading.Event()

    def deliver() -> None:
        while not (done.is_set() and outbox.depth() == 0):
            records = outbox.pending(3)
            seen.extend(record.seq for record in records)
            if records:
                outbox.retire(outbox.stream, records[-1].seq)

    thread = threading.Thread(target=deliver)
    thread.start()
    for index in range(150):
        outbox.append([bucket(index), bucket(index, "side")])
    done.set()
    thread.join(20)
    assert not thread.is_alive()
    assert seen == list(range(1, 301))


def test_body_is_the_sealed_text_itself(outbox: Outbox) -> None:
    outbox.append([bucket(0)])
    [record] = outbox.pending(1)
    assert json.loads(record.body)["seq"] == record.seq
    assert record.body.encode() in counts_message("t", DEV, outbox.stream, [record]).payload


def test_close_is_idempotent(outbox: Outbox) -> None:
    outbox.close()
    outbox.close()
