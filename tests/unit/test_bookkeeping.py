"""Closed intervals on their way into the outbox: kept, tried again, dated, never twice."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest

from edge import bookkeeping
from edge.bookkeeping import DRAFT_S, RETRY_S, Bookkeeper
from edge.errors import OutboxError
from edge.testing import ManualClock
from edge.timeline import Timeline
from edge.vocabulary import CountBucket, Outcome, Provenance, TimeQuality, ZoneBucket, ZoneKind
from tests.properties.restartable import RestartableOutbox

NOON = 1_767_268_800.0  # 2026-01-01 12:00 UTC
NOON_MS = int(NOON * 1000)
QUARTER = 900_000
HOUR = 3_600_000
NTP, RTC, REDATED, UNSYNCED = (TimeQuality(q) for q in ("ntp", "rtc", "redated", "unsynced"))


class FlakyOutbox(RestartableOutbox):
    """Refuses what it is told to refuse."""

    refuses = frozenset()

    def append(self, buckets, settled=()):
        self._maybe("append")
        super().append(buckets, settled)

    def wait(self, buckets, **more):
        self._maybe("draft" if more.get("draft") else "wait")
        super().wait(buckets, **more)

    def waiting(self):
        self._maybe("waiting")
        return super().waiting()

    def keep_draft(self):
        self._maybe("keep_draft")
        super().keep_draft()

    def begin_stream(self):
        self._maybe("begin_stream")
        super().begin_stream()

    def _maybe(self, what):
        if what in self.refuses or "all" in self.refuses:
            raise OutboxError("the disk is full")


def bucket(index, line="door", entered=1, quality=NTP, length=QUARTER):
    start = NOON_MS + index * QUARTER
    return CountBucket(
        line, start, start + length, {Outcome.IN: entered}, 1.0, None, quality, Provenance("c", "m")
    )


def undated(t0_s, t1_s, entered=1):
    """An interval in seconds of the monotonic clock, as it waits."""
    return replace(
        bucket(0, entered=entered, quality=UNSYNCED), t0_ms=t0_s * 1000, t1_ms=t1_s * 1000
    )


def records(outbox):
    return [
        json.loads(record.body)
        for stream in outbox.streams(retired=True)
        for record in outbox.pending(10_000, stream=stream)
    ]


def dates(outbox):
    return [(r["t0"][5:19], r["t1"][5:19], r["tq"]) for r in records(outbox)]


def counted(outbox):
    return [r["in"] for r in records(outbox)]


@pytest.fixture
def outbox():
    return FlakyOutbox("dev")


@pytest.fixture
def clock():
    return ManualClock(NOON, 1000.0)


@pytest.fixture
def books(outbox, clock):
    return Bookkeeper(outbox, Timeline(clock, boot="this"))


def test_what_is_closed_is_stored_at_once_and_told(books, outbox):
    told = []
    books.on_saved = told.extend
    books.keep([], 0.0)
    books.keep([bucket(0), bucket(0, "side")], 1.0)
    assert counted(outbox) == [1, 1]
    assert told == [bucket(0), bucket(0, "side")]
    assert (books.unsaved, books.waits_for_time) == (0, False)


def test_a_refusing_outbox_is_tried_again_after_a_while_and_nothing_changes_places(books, outbox):
    outbox.refuses = {"append"}
    books.keep([bucket(0, entered=1)], 10.0)
    assert books.unsaved == 1
    outbox.refuses = {}
    books.keep([bucket(1, entered=2)], 10.0 + RETRY_S - 0.1)
    assert (books.unsaved, counted(outbox)) == (2, [])
    books.keep([], 10.0 + RETRY_S)
    assert (books.unsaved, counted(outbox)) == (0, [1, 2])
    outbox.refuses = {"append"}
    books.keep([bucket(2, entered=3)], 20.0)
    outbox.refuses = {}
    books.keep([bucket(3, entered=4)], 20.1, insist=True)
    assert counted(outbox) == [1, 2, 3, 4]
    books.keep([bucket(4, entered=5)], 20.2)
    assert counted(outbox) == [1, 2, 3, 4, 5]


def test_after_every_refusal_it_waits_anew(books, outbox):
    outbox.refuses = {"append"}
    tries = []
    books.keep([bucket(0)], 0.0)
    outbox.append = lambda *_, **__: tries.append(at) or outbox._maybe("append")
    for tenth in range(200):
        at = tenth / 10
        books.keep([], at)
    assert tries == [5.0, 10.0, 15.0]


def test_a_listener_that_fails_costs_nothing_and_doubles_nothing(books, outbox):
    def fail(_):
        raise RuntimeError("nobody thought of this")

    books.on_saved = fail
    for number in range(2):
        with pytest.raises(RuntimeError):
            books.keep([bucket(number, entered=number)], float(number))
    books.on_saved = lambda _: None
    books.keep([bucket(2, entered=2)], 9.0)
    assert (counted(outbox), books.unsaved) == ([0, 1, 2], 0)


def test_too_many_in_memory_are_joined_and_every_sum_stays(books, outbox, monkeypatch):
    monkeypatch.setattr(bookkeeping, "MOST_IN_MEMORY", 10)
    outbox.refuses = {"all"}
    for number in range(60):
        books.keep([bucket(number), bucket(number, "side", 2)], number * RETRY_S)
        assert books.unsaved <= 12
    assert books.unsaved > 5
    outbox.refuses = {}
    books.keep([], 1e6)
    found = records(outbox)
    assert sum(r["in"] for r in found if r["line"] == "door") == 60
    assert sum(r["in"] for r in found if r["line"] == "side") == 120
    for line in ("door", "side"):
        spans = [(r["t0"], r["t1"]) for r in found if r["line"] == line]
        assert all(a[1] == b[0] for a, b in pairwise(spans))
    assert len(outbox.streams()) == 1


def test_undated_ones_in_memory_are_joined_too(outbox, monkeypatch):
    monkeypatch.setattr(bookkeeping, "MOST_IN_MEMORY", 10)
    clock = ManualClock(NOON, 0.0, UNSYNCED)
    books = Bookkeeper(outbox, Timeline(clock, boot="this"))
    outbox.refuses = {"all"}
    for number in range(40):
        books.keep([bucket(number, quality=UNSYNCED)], number * RETRY_S)
        assert books.unsaved <= 11
    outbox.refuses = {}
    books.keep([], 1e6)
    assert sum(w.bucket.counts[Outcome.IN] for w in outbox.waiting()) == 40


def test_drafts_are_due_every_minute_and_after_every_append(books):
    assert [at for at in range(0, 200, 10) if books.wants_draft(at)] == [60, 120, 180]
    books.keep([bucket(0)], 185.0)
    assert books.wants_draft(185.0)
    assert not books.wants_draft(185.0 + DRAFT_S - 1)
    assert books.wants_draft(185.0 + DRAFT_S)


def test_nothing_newer_is_drafted_than_what_is_not_stored_yet(books, outbox):
    outbox.refuses = {"append"}
    books.keep([bucket(0)], 0.0)
    assert not any(books.wants_draft(float(at)) for at in range(300))


def test_a_draft_is_what_the_next_start_stores(books, outbox, clock):
    books.draft([bucket(0, entered=1)])
    books.draft([bucket(0, entered=2), bucket(0, "side", 5)])
    books.keep([], 0.0)
    assert (records(outbox), outbox.waiting()) == ([], [])
    outbox.restart()
    Bookkeeper(outbox, Timeline(clock)).keep([], 0.0)
    assert counted(outbox) == [2, 5]


def test_a_draft_never_stands_beside_its_closed_interval(books, outbox, clock):
    books.draft([bucket(0, entered=1)])
    books.keep([bucket(0, entered=2)], 0.0)
    outbox.restart()
    Bookkeeper(outbox, Timeline(clock)).keep([], 0.0)
    assert counted(outbox) == [2]


def test_a_draft_that_is_all_there_will_be_becomes_a_record(books, outbox):
    books.keep([], 0.0)
    books.draft([bucket(0, entered=3)])
    books.keep_draft()
    outbox.refuses = {"all"}
    books.keep([], 1.0)
    assert not books.wants_draft(1000.0), "it would take the place of the one that is kept"
    outbox.refuses = frozenset()
    books.keep([bucket(1, entered=4)], 2000.0)
    assert counted(outbox) == [3, 4]


def test_no_draft_is_kept_beside_intervals_that_are_closed(books, outbox):
    books.draft([bucket(0, entered=3)])
    outbox.refuses = {"all"}
    books.keep([bucket(0, entered=4)], 0.0)
    books.keep_draft()
    outbox.refuses = frozenset()
    books.keep([], 2000.0)
    assert counted(outbox) == [4]


def test_a_draft_that_cannot_be_written_is_no_trouble(books, outbox):
    books.draft([bucket(0, entered=1)])
    outbox.refuses = {"draft"}
    books.draft([bucket(0, entered=2)])
    outbox.restart()
    assert [w.bucket.counts[Outcome.IN] for w in outbox.waiting()] == [1]


def test_without_a_trusted_clock_intervals_wait_in_monotonic_time(outbox):
    clock = ManualClock(930_000_000.0, 50.0, UNSYNCED)
    timeline = Timeline(clock, boot="this")
    books = Bookkeeper(outbox, timeline)
    shown = replace(bucket(0, quality=UNSYNCED), t0_ms=930_000_000_000, t1_ms=930_000_100_000)
    books.keep([shown], 100.0)
    (waiting,) = outbox.waiting()
    assert (waiting.boot, waiting.guess_ms) == ("this", 929_999_950_000)
    assert (waiting.bucket.t0_ms, waiting.bucket.t1_ms) == (50_000, 150_000)
    assert books.waits_for_time
    books.draft([replace(shown, t0_ms=930_000_100_000, t1_ms=930_000_200_000)])
    outbox.restart()
    assert [(w.boot, w.bucket.t0_ms) for w in outbox.waiting()] == [
        ("this", 50_000), ("this", 150_000),
    ]  # fmt: skip


def test_of_this_boot_the_dates_are_exact(outbox, clock):
    outbox.wait([undated(100, 200), undated(200, 300)], boot="this", guess_ms=7)
    Bookkeeper(outbox, Timeline(clock, boot="this")).keep([], 0.0)
    assert dates(outbox) == [
        ("01-01T11:45:00", "01-01T11:46:40", "redated"),
        ("01-01T11:46:40", "01-01T11:48:20", "redated"),
    ]
    assert outbox.waiting() == []


def test_while_the_clock_is_not_trusted_only_what_is_dated_is_settled(outbox):
    clock = ManualClock(NOON, 1000.0, UNSYNCED)
    timeline = Timeline(clock, boot="this")
    books = Bookkeeper(outbox, timeline)
    outbox.wait([undated(100, 200)], boot="this")
    outbox.wait([bucket(-20)])
    books.keep([], 0.0)
    assert dates(outbox) == [("01-01T07:00:00", "01-01T07:15:00", "ntp")]
    clock.jump(60, RTC)
    timeline.adopt(timeline.change())
    books.keep([], 1.0)
    assert len(outbox.waiting()) == 1
    books.look_again()
    books.keep([], 2.0)
    assert dates(outbox)[1] == ("01-01T11:46:00", "01-01T11:47:40", "redated")


def test_of_earlier_boots_a_plausible_guess_holds(outbox, clock):
    """Noon minus 1000 s is when this boot began."""
    outbox.wait([undated(100, 200)], boot="first", guess_ms=NOON_MS - 5 * HOUR)
    outbox.wait([undated(100, 200)], boot="second", guess_ms=NOON_MS - 2 * HOUR)
    Bookkeeper(outbox, Timeline(clock, boot="this")).keep([], 0.0)
    assert dates(outbox) == [
        ("01-01T07:01:40", "01-01T07:03:20", "unsynced"),
        ("01-01T10:01:40", "01-01T10:03:20", "unsynced"),
    ]


@pytest.mark.parametrize(
    "guess_ms",
    [
        0,  # 1970
        NOON_MS,  # after this boot began
        NOON_MS - 1_100_000,  # ends just after it
        1_767_225_500_000 - 200_000,  # before 2026
        NOON_MS * 3,
        -NOON_MS,
    ],
)
def test_of_earlier_boots_without_one_the_latest_possible_place_is_taken(outbox, clock, guess_ms):
    outbox.wait([undated(100, 150), undated(150, 200)], boot="earlier", guess_ms=guess_ms)
    Bookkeeper(outbox, Timeline(clock, boot="this")).keep([], 0.0)
    assert dates(outbox) == [
        ("01-01T11:41:40", "01-01T11:42:30", "unsynced"),
        ("01-01T11:42:30", "01-01T11:43:20", "unsynced"),
    ]


def test_a_guess_within_what_is_dated_already_does_not_hold(outbox, clock):
    outbox.append([bucket(-3)])  # until 11:30
    outbox.wait([undated(100, 200)], boot="earlier", guess_ms=NOON_MS - 40 * 60_000)
    Bookkeeper(outbox, Timeline(clock, boot="this")).keep([], 0.0)
    assert dates(outbox)[1] == ("01-01T11:41:40", "01-01T11:43:20", "unsynced")
    assert len(outbox.streams()) == 1


def test_boots_without_a_guess_lie_one_before_the_other(outbox, clock):
    for boot in ("first", "second", "third"):
        outbox.wait([undated(10, 110)], boot=boot)
    outbox.wait([undated(0, 10)], boot="this")
    Bookkeeper(outbox, Timeline(clock, boot="this")).keep([], 0.0)
    assert [d[0][6:] for d in dates(outbox)] == ["11:38:20", "11:40:00", "11:41:40", "11:43:20"]
    assert [d[2] for d in dates(outbox)] == ["unsynced"] * 3 + ["redated"]


def test_what_waits_before_something_dated_lies_before_it(outbox, clock):
    """The first of two runs never learned the time, and the second could not be settled."""
    outbox.wait([undated(100, 200)], boot="earlier")
    outbox.wait([bucket(-4)])  # 11:00 to 11:15
    Bookkeeper(outbox, Timeline(clock, boot="this")).keep([], 0.0)
    assert dates(outbox) == [
        ("01-01T10:58:20", "01-01T11:00:00", "unsynced"),
        ("01-01T11:00:00", "01-01T11:15:00", "ntp"),
    ]
    assert len(outbox.streams()) == 1


def test_what_cannot_lie_behind_the_stream_begins_a_new_one(outbox, clock):
    """The dates so far were wrong: they go on after what is known now to be later."""
    outbox.append([bucket(4)])  # until 13:15, and it is noon
    outbox.wait([undated(100, 200)], boot="earlier")
    outbox.wait([undated(0, 500)], boot="this")
    Bookkeeper(outbox, Timeline(clock, boot="this")).keep([], 0.0)
    first, second = outbox.streams()
    assert [r.seq for r in outbox.pending(9, stream=first)] == [1]
    assert [r.seq for r in outbox.pending(9, stream=second)] == [1, 2]


def test_what_waits_twice_for_one_time_becomes_two_streams(outbox, clock):
    """Two runs, and between them a clock that was set back far."""
    outbox.wait([bucket(-9, entered=1), bucket(-8, entered=2)])
    outbox.wait([bucket(-9, entered=3), bucket(-8, entered=4)])
    Bookkeeper(outbox, Timeline(clock, boot="this")).keep([], 0.0)
    assert outbox.waiting() == []
    assert [
        [json.loads(r.body)["in"] for r in outbox.pending(9, stream=stream)]
        for stream in outbox.streams()
    ] == [[1, 2], [3, 4]]


def test_zones_are_dated_by_the_rule_that_was_given(outbox, clock):
    asked = []

    def redate(each, by_ms, quality):
        asked.append((by_ms, quality))
        return replace(each, t0_ms=NOON_MS - QUARTER, t1_ms=NOON_MS - 1, time_quality=quality)

    zone = ZoneBucket("hall", ZoneKind.PLAIN, 0, 5, None, 1.0, None, UNSYNCED, Provenance("c", "m"))
    outbox.wait([zone], boot="this")
    Bookkeeper(outbox, Timeline(clock, boot="this"), redate).keep([], 0.0)
    assert asked == [(NOON_MS - 1_000_000, REDATED)]
    assert dates(outbox) == [("01-01T11:45:00", "01-01T11:59:59", "redated")]


def test_an_interval_begins_now_or_where_the_last_one_ended(books, outbox):
    books.keep([bucket(0)], 0.0)
    end = NOON_MS + QUARTER
    assert books.begin_at(end, QUARTER) == end
    assert books.begin_at(end + 5, QUARTER) == end + 5
    assert books.begin_at(end + HOUR, QUARTER) == end + HOUR
    assert books.begin_at(end - 1, QUARTER) == end
    assert books.begin_at(end - QUARTER, QUARTER) == end
    assert books.begin_at(end - QUARTER - 1, QUARTER) == end - QUARTER - 1


def test_what_is_in_memory_only_is_not_dated_twice_either(books, outbox):
    outbox.refuses = {"append"}
    books.keep([bucket(0)], 0.0)
    assert books.begin_at(NOON_MS + QUARTER - 7, QUARTER) == NOON_MS + QUARTER


def test_undated_intervals_begin_anywhere(outbox):
    outbox.append([bucket(0)])
    books = Bookkeeper(outbox, Timeline(ManualClock(930_000_000.0), boot="this"))
    assert books.begin_at(5, QUARTER) == 5


def test_after_a_clock_was_set_back_far_a_new_stream_begins(books, outbox):
    books.keep([bucket(0), bucket(0, "side")], 0.0)
    begin = books.begin_at(NOON_MS - HOUR, QUARTER)
    assert begin == NOON_MS - HOUR
    books.keep([bucket(-4, entered=7), bucket(-4, "side", 8)], 9.0)
    books.keep([bucket(-3, entered=9)], 10.0)
    first, second = outbox.streams()
    assert [r.seq for r in outbox.pending(9, stream=first)] == [1, 2]
    assert [r.seq for r in outbox.pending(9, stream=second)] == [1, 2, 3]
    assert [json.loads(r.body)["tot_in"] for r in outbox.pending(9)] == [7, 8, 16]


@pytest.mark.parametrize("refused", ["append", "begin_stream", "all"])
def test_clocks_set_back_while_nothing_can_be_stored_make_a_stream_each(books, outbox, refused):
    books.keep([bucket(8)], 0.0)
    outbox.refuses = {refused}
    begins = []
    for number, index in enumerate((4, 0, -4)):
        begins.append(books.begin_at(NOON_MS + index * QUARTER, QUARTER))
        made = [bucket(index, entered=10 * number + 1), bucket(index + 1, entered=10 * number + 2)]
        books.keep(made, 10.0 * number, insist=True)
    assert begins == [NOON_MS + index * QUARTER for index in (4, 0, -4)]
    assert books.begin_at(NOON_MS - 2 * QUARTER - 5, QUARTER) == NOON_MS - 2 * QUARTER
    outbox.refuses = {}
    books.keep([], 1e6)
    assert [
        [json.loads(r.body)["in"] for r in outbox.pending(9, stream=stream)]
        for stream in outbox.streams()
    ] == [[1], [1, 2], [11, 12], [21, 22]]


def test_a_boundary_holds_when_the_outbox_fails_between_its_steps(books, outbox):
    """First the old stream's rest is stored, then begin_stream fails, then more is closed."""
    outbox.refuses = {"append"}
    books.keep([bucket(4, entered=1)], 0.0)
    books.keep([bucket(0, entered=2)], 0.1)
    outbox.refuses = {"begin_stream"}
    books.keep([], 100.0)
    assert counted(outbox) == [1]
    books.keep([bucket(1, entered=3)], 101.0)
    outbox.refuses = {}
    books.keep([], 200.0)
    assert [
        [json.loads(r.body)["in"] for r in outbox.pending(9, stream=stream)]
        for stream in outbox.streams()
    ] == [[1], [2, 3]]


@pytest.mark.parametrize("refused", ["waiting", "append", "wait"])
def test_what_waits_is_settled_once_however_often_it_fails(outbox, clock, refused):
    outbox.wait([undated(100, 200, 5)], boot="this")
    outbox.refuses = {refused}
    books = Bookkeeper(outbox, Timeline(clock, boot="this"))
    for number in range(3):
        books.keep([bucket(number, entered=6 + number)], 10.0 * number)
    outbox.refuses = {}
    books.keep([], 1000.0)
    books.keep([], 2000.0)
    assert counted(outbox) == [5, 6, 7, 8]
