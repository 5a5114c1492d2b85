"""One suite for every Outbox: the memory one and the one on disk."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.messages import counts_message
from edge.ports import Outbox
from edge.records import Record, parse_counts, verify_chain
from edge.sealing import genesis
from edge.testing import MemoryOutbox
from edge.vocabulary import (
    Bucket,
    CountBucket,
    CoverageReason,
    Doubts,
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


def waits(outbox: Outbox) -> list[tuple[Bucket, str | None, int]]:
    return [(each.bucket, each.boot, each.guess_ms) for each in outbox.waiting()]


def test_what_waits_comes_back_as_it_was_oldest_first(outbox: Outbox) -> None:
    doubtful = replace(
        bucket(2), doubts=Doubts(1, 0, 2, 3), coverage=1 / 3, reason=CoverageReason.DARK
    )
    some = ZoneSums(presence_ms=7, used_ms=6, arrivals=5, departures=4, peak=3, window_ms=2)
    kept = [bucket(0), bucket(1, entered=None), doubtful, zone_bucket(1, "desk", some)]
    outbox.wait(kept, boot="one", guess_ms=-5)
    outbox.wait([zone_bucket(0, "hall", None)], boot="two", guess_ms=10**15)
    outbox.wait([bucket(9)])
    assert waits(outbox) == [
        *((each, "one", -5) for each in kept),
        (zone_bucket(0, "hall", None), "two", 10**15),
        (bucket(9), None, 0),
    ]
    assert outbox.depth() == 0
    assert outbox.dated_until_ms == 0


def test_a_draft_does_not_wait_while_its_intervals_are_open(outbox: Outbox) -> None:
    outbox.wait([bucket(0)])
    outbox.wait([bucket(1)], draft=True)
    outbox.wait([bucket(1), bucket(2)], draft=True)
    assert waits(outbox) == [(bucket(0), None, 0)]
    outbox.append([bucket(1)])
    outbox.wait([bucket(3)], draft=True)
    outbox.wait([bucket(3)])
    assert waits(outbox) == [(bucket(0), None, 0), (bucket(3), None, 0)]


def test_a_draft_that_is_kept_waits_like_the_rest(outbox: Outbox) -> None:
    outbox.keep_draft()
    outbox.wait([bucket(1), bucket(2)], draft=True)
    outbox.keep_draft()
    outbox.wait([bucket(3)], draft=True)
    outbox.append([bucket(4)])
    assert waits(outbox) == [(bucket(1), None, 0), (bucket(2), None, 0)]
    first, second = outbox.waiting()
    outbox.append([bucket(1)], settled=[first.id])
    assert outbox.waiting() == [second]


def test_what_is_settled_waits_no_longer_and_nothing_else_is(outbox: Outbox) -> None:
    outbox.wait([bucket(n) for n in range(4)], boot="one")
    ids = [each.id for each in outbox.waiting()]
    assert len(set(ids)) == 4
    outbox.append([bucket(5), bucket(6)], settled=[ids[2], ids[0]])
    assert [each.id for each in outbox.waiting()] == [ids[1], ids[3]]
    outbox.append([], settled=[ids[3], 99_999])
    assert [each.id for each in outbox.waiting()] == [ids[1]]
    assert outbox.depth() == 2
    outbox.wait([bucket(7)])
    assert outbox.waiting()[-1].id not in ids


def test_nothing_is_settled_when_nothing_can_be_stored(outbox: Outbox) -> None:
    outbox.wait([bucket(0)])
    (waiting,) = outbox.waiting()
    with pytest.raises(ValueError, match="no reason"):
        outbox.append([replace(bucket(0), coverage=0.5)], settled=[waiting.id])
    assert outbox.waiting() == [waiting]


def test_a_new_stream_has_its_own_numbers_totals_chain_and_dates(outbox: Outbox) -> None:
    first = outbox.stream
    outbox.append([bucket(0, entered=5), bucket(1)])
    outbox.retire(first, 1)
    outbox.wait([bucket(7)], boot="one")
    outbox.begin_stream()
    second = outbox.stream
    assert second != first
    assert outbox.tip() == Tip(second, 0, genesis(DEV, second), 0)
    assert (outbox.dated_until_ms, outbox.pending(9)) == (0, [])
    outbox.append([bucket(0, entered=3)])
    (record,) = read(outbox)
    assert (record.seq, record.tot_in, record.chain) == (1, 3, outbox.tip().chain)
    verify_chain([record])
    assert outbox.dated_until_ms == 900_000
    assert [(r.stream, r.seq) for r in outbox.pending(9, stream=first)] == [(first, 2)]
    assert [(r.stream, r.seq) for r in outbox.pending(9, stream=second)] == [(second, 1)]
    assert outbox.streams() == [first, second]
    assert outbox.depth() == 2
    assert len(outbox.waiting()) == 1


def test_streams_are_named_while_something_of_them_is_kept(outbox: Outbox) -> None:
    assert outbox.streams() == outbox.streams(retired=True) == []
    made = []
    for count in (2, 0, 1):
        made.append(outbox.stream)
        outbox.append([bucket(n) for n in range(count)])
        outbox.begin_stream()
    assert outbox.streams() == [made[0], made[2]]
    outbox.retire(made[0], 2)
    assert outbox.streams() == [made[2]]
    assert outbox.streams(retired=True) == [made[0], made[2]]
    outbox.append([bucket(5)])
    outbox.retire(outbox.stream, 1)
    assert outbox.streams() == [made[2]]
    assert outbox.streams(retired=True) == [made[0], made[2], outbox.stream]


def test_an_earlier_stream_is_retired_and_committed_by_itself(outbox: Outbox) -> None:
    first = outbox.stream
    outbox.append([bucket(n) for n in range(5)])
    outbox.begin_stream()
    outbox.append([bucket(n) for n in range(5)])

    def left(stream: str, after: int = 0, limit: int = 9) -> list[int]:
        return [r.seq for r in outbox.pending(limit, after, stream)]

    outbox.retire(first, 3)
    assert (left(first), left(outbox.stream)) == ([4, 5], [1, 2, 3, 4, 5])
    outbox.commit(first, 1, [(4, 4)])
    assert (left(first), left(outbox.stream)) == ([2, 3, 5], [1, 2, 3, 4, 5])
    assert (left(first, 2), left(first, 0, 1)) == ([3, 5], [2])
    outbox.commit(outbox.stream, 4)
    assert (left(first), left(outbox.stream)) == ([2, 3, 5], [5])
    assert outbox.pending(9, stream="f" * 16) == []
    assert outbox.depth() == 4


def test_between_finds_what_overlaps_in_one_stream_retired_or_not(outbox: Outbox) -> None:
    quarter, first = 900_000, outbox.stream
    outbox.append([bucket(n) for n in range(6)])
    outbox.retire(first, 3)

    def found(t0_ms: int, t1_ms: int, limit: int = 9, **more: Any) -> list[int]:
        return [r.seq for r in outbox.between(t0_ms, t1_ms, limit, **more)]

    assert found(quarter, 3 * quarter) == [2, 3]
    assert found(quarter + 1, 3 * quarter + 1) == [2, 3, 4]
    assert found(quarter - 1, quarter) == [1]
    assert found(2 * quarter, 2 * quarter) == []
    assert found(0, 6 * quarter, 2) == [1, 2]
    assert found(0, 6 * quarter, after=4) == [5, 6]
    outbox.begin_stream()
    outbox.append([bucket(2)])
    assert found(0, 6 * quarter) == [1]
    assert found(0, 6 * quarter, stream=first) == [1, 2, 3, 4, 5, 6]
    assert found(0, 6 * quarter, stream="f" * 16) == []


def test_dates_go_up_to_the_latest_end(outbox: Outbox) -> None:
    outbox.append([bucket(3), bucket(1, "side")])
    assert outbox.dated_until_ms == 4 * 900_000
    outbox.append([bucket(0, "back")])
    assert outbox.dated_until_ms == 4 * 900_000


def test_numbers_beyond_all_records_are_only_large(outbox: Outbox) -> None:
    """Acks are JSON, whose numbers have no end."""
    outbox.append([bucket(0)])
    huge = 10**30
    outbox.commit(outbox.stream, 0, [(2, huge), (huge, huge)])
    assert numbers(outbox) == [1]
    assert numbers(outbox, huge) == []
    outbox.commit("f" * 16, huge)
    outbox.retire(outbox.stream, huge)
    assert outbox.depth() == 0
    assert outbox.trouble is None


def test_close_is_idempotent(outbox: Outbox) -> None:
    outbox.close()
    outbox.close()
