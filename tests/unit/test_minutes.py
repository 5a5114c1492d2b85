"""What was the device doing? One table of histories, and properties of any history."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.records import CountRecord, ZoneRecord
from edge.vocabulary import CoverageReason
from evaluation.minutes import EXPECTED_MS, REASONS, WORDS, Span, State, minutes

MINUTE = 60_000
QUARTER = 15 * MINUTE
T0 = 1_767_225_600_000
OBSERVING, PARTLY, NOT_COUNTING = State.OBSERVING, State.PARTLY, State.NOT_COUNTING
OFF, MISSING, LATE, OFFLINE = State.OFF, State.MISSING, State.LATE, State.OFFLINE
UNSURE = State.CLOCK_UNSURE


def record(seq, t0, t1, *, cov=1.0, reason=None, stream="a", tq="ntp", line="door"):
    """A record of a line; t0 and t1 in minutes."""
    seen = None if cov == 0 else 0
    return CountRecord(
        dev="lobby",
        stream=stream,
        seq=seq,
        line=line,
        t0_ms=T0 + t0 * MINUTE,
        t1_ms=T0 + t1 * MINUTE,
        **dict.fromkeys(("entered", "left", "uturn", "ambiguous", "born_past_line"), seen),
        **dict.fromkeys(("in_low", "in_high", "out_low", "out_high"), seen),
        tot_in=0,
        tot_out=0,
        cov=cov,
        cov_reason=reason,
        tq=tq,
        cfg="c",
        model="m",
        cal=None,
        chain="0" * 64,
        raw={},
    )


def zone(seq, t0, t1, *, cov=1.0, reason=None, sums=0.0):
    return ZoneRecord(
        dev="lobby", stream="a", seq=seq, zone="hall", kind="plain",
        t0_ms=T0 + t0 * MINUTE, t1_ms=T0 + t1 * MINUTE,
        presence_s=sums, used_s=sums, arrivals=0, departures=0, peak=0,
        dwell_s=None, wait_s=None, window_s=None, in_window_s=None,
        tot_presence_s=0.0, tot_arrivals=0, cov=cov, cov_reason=reason, tq="ntp",
        cfg="c", model="m", cal=None, chain="0" * 64, raw={},
    )  # fmt: skip


def told(records, until=60, now=60, **options):
    spans = minutes(records, T0, T0 + until * MINUTE, T0 + now * MINUTE, **options)
    return [
        ((span.t0_ms - T0) // MINUTE, (span.t1_ms - T0) // MINUTE, span.state, span.reason)
        for span in spans
    ]


FIRST, LAST = record(1, 0, 15), record(4, 45, 60)
HISTORIES = {
    "all seen": (
        [record(k + 1, 15 * k, 15 * k + 15) for k in range(4)],
        [(0, 60, OBSERVING, None)],
    ),
    "little seen": (
        [FIRST, record(2, 15, 30, cov=0.5, reason="dark"), record(3, 30, 45, cov=0.9), LAST],
        [(0, 15, OBSERVING, None), (15, 30, PARTLY, "dark"), (30, 60, OBSERVING, None)],
    ),
    "nothing seen": (
        [
            FIRST,
            record(2, 15, 30, cov=0, reason="no_camera"),
            record(3, 30, 45, cov=0, reason="covered"),
            LAST,
        ],
        [
            (0, 15, OBSERVING, None),
            (15, 30, NOT_COUNTING, "no_camera"),
            (30, 45, NOT_COUNTING, "covered"),
            (45, 60, OBSERVING, None),
        ],
    ),
    "no power": (
        [FIRST, record(2, 15, 20), replace(LAST, seq=3)],
        [(0, 20, OBSERVING, None), (20, 45, OFF, None), (45, 60, OBSERVING, None)],
    ),
    "no power, and a new stream": (
        [FIRST, record(1, 45, 60, stream="b")],
        [(0, 15, OBSERVING, None), (15, 45, OFF, None), (45, 60, OBSERVING, None)],
    ),
    "the beginning of a new stream has not come": (
        [FIRST, record(2, 45, 60, stream="b")],
        [(0, 15, OBSERVING, None), (15, 45, MISSING, None), (45, 60, OBSERVING, None)],
    ),
    "numbers 2 and 3 have not come": (
        [FIRST, LAST],
        [(0, 15, OBSERVING, None), (15, 45, MISSING, None), (45, 60, OBSERVING, None)],
    ),
    "it was not there before": (
        [record(1, 30, 60)],
        [(0, 30, OFF, None), (30, 60, OBSERVING, None)],
    ),
    "what it said before has not come": (
        [record(7, 30, 60)],
        [(0, 30, MISSING, None), (30, 60, OBSERVING, None)],
    ),
    "no date": (
        [FIRST, record(2, 15, 45, tq="unsynced", cov=0.5, reason="dark"), replace(LAST, seq=3)],
        [(0, 15, OBSERVING, None), (15, 45, UNSURE, None), (45, 60, OBSERVING, None)],
    ),
    "nothing seen and no date": (
        [FIRST, record(2, 15, 60, tq="unsynced", cov=0, reason="dark")],
        [(0, 15, OBSERVING, None), (15, 60, NOT_COUNTING, "dark")],
    ),
    "redated is dated": (
        [record(1, 0, 60, tq="redated")],
        [(0, 60, OBSERVING, None)],
    ),
    "two lines and a zone": (
        [
            *(record(3 * k + 1, 20 * k, 20 * k + 20) for k in range(3)),
            *(record(3 * k + 2, 20 * k, 20 * k + 20, line="side") for k in range(3)),
            *(zone(3 * k + 3, 20 * k, 20 * k + 20) for k in range(3)),
        ],
        [(0, 60, OBSERVING, None)],
    ),
    "one line of an interval has not come": (
        [FIRST, record(3, 15, 60), record(4, 15, 60, line="side")],
        [(0, 60, OBSERVING, None)],
    ),
    "two streams overlap because the clock was set": (
        [record(1, 0, 30), record(1, 15, 60, stream="b", cov=0.5, reason="dark")],
        [(0, 15, OBSERVING, None), (15, 60, PARTLY, "dark")],
    ),
    "a zone that nobody saw": (
        [zone(1, 0, 60, cov=0, reason="frozen", sums=None)],
        [(0, 60, NOT_COUNTING, "frozen")],
    ),
    "no sums though it says it saw": (
        [zone(1, 0, 60, sums=None)],
        [(0, 60, NOT_COUNTING, None)],
    ),
    "nothing at all": ([], [(0, 60, OFFLINE, None)]),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_the_rules(name):
    records, expected = HISTORIES[name]
    assert told(records) == expected
    assert told([*reversed(records), *records]) == expected, "order and repetition do not matter"


def test_after_the_last_record_it_is_late_and_then_offline():
    limit = 15 + EXPECTED_MS // MINUTE
    for now, state in ((limit, LATE), (limit + 1, OFFLINE)):
        assert told([FIRST], until=90, now=now) == [
            (0, 15, OBSERVING, None),
            (15, now, state, None),
        ]


def test_who_delivers_a_backlog_is_not_offline():
    now = 24 * 60
    assert told([FIRST], until=now, now=now)[-1][2] is OFFLINE
    heard = {"heard_ms": T0 + (now - 5) * MINUTE}
    assert told([FIRST], until=now, now=now, **heard)[-1][2] is LATE


def test_neighbours_outside_the_time_asked_for_explain_its_edges():
    before, after = record(1, -30, -20), record(2, 100, 115)
    assert told([before, after], now=200) == [(0, 60, OFF, None)]
    assert told([before, replace(after, seq=3)], now=200) == [(0, 60, MISSING, None)]
    assert told([record(1, -30, 200)], now=300) == [(0, 60, OBSERVING, None)]
    mixed = [record(8, -30, -20), record(1, -20, -10, stream="b"), record(9, 100, 115)]
    assert told(mixed, now=200) == [(0, 60, OFF, None)], "the clock was set; numbers 1 to 7 are old"


def test_nothing_is_said_of_the_future():
    assert told([FIRST], until=60, now=10) == [(0, 10, OBSERVING, None)]
    assert told([FIRST], until=60, now=0) == []
    assert told([FIRST], until=60, now=-5) == []


def test_every_state_and_reason_has_words_in_both_languages():
    assert set(WORDS) == set(State)
    assert set(REASONS) == set(map(str, CoverageReason))
    for english, chinese in (*WORDS.values(), *REASONS.values()):
        assert english.isascii()
        assert not chinese.isascii()
    span = Span(0, 90_000, NOT_COUNTING, "no_camera")
    assert span.words() == "switched on, not counting: no camera"
    assert span.words(chinese=True) == "开机但未计数：无摄像头信号"
    assert Span(0, 90_000, OFF).words(chinese=True) == "关机或断电"
    assert Span(0, 1, PARTLY, "from_the_future").words() == "counting with gaps: from_the_future"
    assert span.minutes == 1.5


# --- Any history ---------------------------------------------------------------------------------

COVERAGES = st.sampled_from([(0.0, "dark"), (0.3, "moved"), (0.95, "dark"), (1.0, None)])


@st.composite
def histories(draw):
    """Return what a device recorded, in order: intervals, power cuts, new streams."""
    records, at, seq, stream = [], draw(st.integers(-60, 60)), 0, 0
    for _ in range(draw(st.integers(0, 12))):
        at += draw(st.sampled_from([0, 0, 0, 7, 40]))
        if draw(st.integers(0, 5)) == 0:
            stream, seq = stream + 1, 0
        cov, reason = draw(COVERAGES)
        length, tq = draw(st.integers(1, 15)), draw(st.sampled_from(["ntp", "rtc", "unsynced"]))
        for line in ("door", "side")[: draw(st.integers(1, 2))]:
            seq += 1
            options = {"cov": cov, "reason": reason, "stream": str(stream), "tq": tq, "line": line}
            records.append(record(seq, at, at + length, **options))
        at += length
    return records


@given(history=histories(), data=st.data(), until=st.integers(1, 200), now=st.integers(-10, 250))
def test_spans_cover_the_time_asked_for_once_and_null_is_never_seen(history, data, until, now):
    arrived = [each for each in history if data.draw(st.integers(0, 3))]
    if data.draw(st.booleans()):  # a clock that was set: streams overlap
        arrived = [replace(r, t0_ms=r.t0_ms - 5 * MINUTE) for r in arrived]
    spans = minutes(arrived, T0, T0 + until * MINUTE, T0 + now * MINUTE)
    end = T0 + min(until, now) * MINUTE
    edges = [T0, *(span.t1_ms for span in spans)]
    assert edges == [*(span.t0_ms for span in spans), max(T0, end)]
    assert edges == sorted(set(edges))
    for one, other in pairwise(spans):
        assert (one.state, one.reason) != (other.state, other.reason)
    seen = {each for each in spans if each.state in {OBSERVING, PARTLY, UNSURE}}
    for span in seen:
        for each in arrived:
            overlaps = each.t0_ms < span.t1_ms and span.t0_ms < each.t1_ms
            assert not (overlaps and each.entered is None)
        covered = sorted((r.t0_ms, r.t1_ms) for r in arrived)
        reach = span.t0_ms
        for t0_ms, t1_ms in covered:
            reach = max(reach, t1_ms) if t0_ms <= reach else reach
        assert reach >= span.t1_ms, "seen, and no record says so"


@given(history=histories(), data=st.data())
def test_what_has_not_come_is_never_taken_for_no_power(history, data):
    if not history:
        return
    lost = data.draw(st.sampled_from(history))
    arrived = [each for each in history if (each.t0_ms, each.t1_ms) != (lost.t0_ms, lost.t1_ms)]
    now = max(each.t1_ms for each in history) + MINUTE
    spans = minutes(arrived, lost.t0_ms, lost.t1_ms, now)
    # Of the end of a stream nobody can know.
    if any(each.stream == lost.stream and each.seq > lost.seq for each in arrived):
        assert [span.state for span in spans] == [MISSING]


@given(history=histories())
def test_when_everything_has_come_nothing_is_missing(history):
    now = max((each.t1_ms for each in history), default=T0) + MINUTE
    states = {span.state for span in minutes(history, T0 - 60 * MINUTE, now, now)}
    assert MISSING not in states
