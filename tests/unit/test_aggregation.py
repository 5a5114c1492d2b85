import pytest

from edge.aggregation import Aggregator
from edge.vocabulary import CoverageReason, Outcome, Provenance, TimeQuality

MINUTE = 60_000
NTP = TimeQuality.NTP
BY = Provenance("cfg", "model")


def closed(aggregator, until):
    return [
        (b.line, b.t0_ms, b.t1_ms, b.counts, round(b.coverage, 3), b.reason)
        for b in aggregator.close(until, NTP, BY)
    ]


def watched(start, end, aggregator=None, step=100):
    aggregator = aggregator or Aggregator(["door"], 15 * MINUTE, start)
    for now in range(start + step, end + 1, step):
        aggregator.watch(now)
    return aggregator


def tally(**counts):
    return {o: counts.get(o.name.lower(), 0) for o in Outcome}


def test_a_quiet_interval_is_sent_as_zeros():
    aggregator = watched(0, 16 * MINUTE)
    assert closed(aggregator, 16 * MINUTE) == [("door", 0, 15 * MINUTE, tally(), 1.0, None)]


def test_an_interval_nobody_watched_has_no_counts_and_a_reason():
    aggregator = Aggregator(["door"], 15 * MINUTE, 0)
    for now in range(1000, 16 * MINUTE, 1000):
        aggregator.watch(now, CoverageReason.NO_CAMERA)
    assert closed(aggregator, 16 * MINUTE) == [
        ("door", 0, 15 * MINUTE, None, 0.0, CoverageReason.NO_CAMERA)
    ]


def test_a_glimpse_too_short_to_be_written_is_not_a_zero():
    aggregator = watched(0, 40, step=40)
    for now in range(1000, 16 * MINUTE, 1000):
        aggregator.watch(now, CoverageReason.NO_CAMERA)
    ((*_, counts, coverage, _reason),) = closed(aggregator, 16 * MINUTE)
    assert (counts, coverage) == (None, 0.0)


def test_a_crossing_on_the_boundary_belongs_to_the_later_interval():
    aggregator = watched(0, 31 * MINUTE)
    aggregator.add([(15 * MINUTE - 1, "door", Outcome.IN), (15 * MINUTE, "door", Outcome.OUT)])
    rows = closed(aggregator, 31 * MINUTE)
    assert [row[3] for row in rows] == [tally(**{"in": 1}), tally(out=1)]


def test_intervals_meet_and_are_aligned_whatever_the_start():
    start = 7 * MINUTE + 123
    aggregator = watched(start, 50 * MINUTE + 123)
    rows = closed(aggregator, 50 * MINUTE)
    rows += [(b.line, b.t0_ms, b.t1_ms) for b in aggregator.finish(50 * MINUTE + 123, NTP, BY)]
    edges = [(row[1], row[2]) for row in rows]
    assert edges == [
        (start, 15 * MINUTE),
        (15 * MINUTE, 30 * MINUTE),
        (30 * MINUTE, 45 * MINUTE),
        (45 * MINUTE, 50 * MINUTE + 123),
    ]


def test_a_bucket_stays_open_until_its_crossings_are_settled():
    aggregator = watched(0, 15 * MINUTE + 3000)
    assert closed(aggregator, 15 * MINUTE - 2000) == []
    aggregator.add([(15 * MINUTE - 1000, "door", Outcome.IN)])
    assert closed(aggregator, 15 * MINUTE)[0][3] == tally(**{"in": 1})


def test_pictures_far_apart_leave_a_hole_called_overload():
    aggregator = watched(0, 5 * MINUTE)
    aggregator.watch(8 * MINUTE)
    watched(8 * MINUTE, 16 * MINUTE, aggregator)
    ((*_, coverage, reason),) = closed(aggregator, 16 * MINUTE)
    assert coverage == pytest.approx(0.8)
    assert reason is CoverageReason.OVERLOAD


def test_a_late_crossing_is_not_lost_with_its_interval():
    aggregator = watched(0, 31 * MINUTE)
    closed(aggregator, 16 * MINUTE)
    aggregator.add([(5 * MINUTE, "door", Outcome.IN)])
    assert closed(aggregator, 31 * MINUTE)[0][3] == tally(**{"in": 1})


def test_every_line_gets_its_row():
    aggregator = watched(0, 16 * MINUTE, Aggregator(["a", "b"], 15 * MINUTE, 0))
    assert [row[0] for row in closed(aggregator, 16 * MINUTE)] == ["a", "b"]


def test_an_interval_must_be_positive():
    with pytest.raises(ValueError, match="positive"):
        Aggregator(["door"], 0, 0)
