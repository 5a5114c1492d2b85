from datetime import timedelta, timezone

import pytest

from edge.aggregation import Aggregator
from edge.vocabulary import (
    CoverageReason,
    Crossing,
    DailyWindow,
    Doubts,
    Occupancy,
    Outcome,
    Provenance,
    TimeQuality,
    Zone,
    ZoneKind,
    ZoneSums,
)

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
    aggregator.add(
        [
            (15 * MINUTE - 1, Crossing("door", Outcome.IN, 0.0)),
            (15 * MINUTE, Crossing("door", Outcome.OUT, 0.0)),
        ]
    )
    rows = closed(aggregator, 31 * MINUTE)
    assert [row[3] for row in rows] == [tally(**{"in": 1}), tally(out=1)]


def test_doubts_are_kept_by_direction_and_by_whether_they_were_counted():
    aggregator = watched(0, 16 * MINUTE)
    doubts = [
        *[(Outcome.IN, Outcome.IN)] * 1,
        *[(Outcome.OUT, Outcome.OUT)] * 2,
        *[(Outcome.AMBIGUOUS, Outcome.IN)] * 3,
        *[(Outcome.BORN_PAST_LINE, Outcome.OUT)] * 4,
        *[(outcome, None) for outcome in Outcome],
    ]
    aggregator.add((MINUTE, Crossing("door", outcome, 0.0, doubt)) for outcome, doubt in doubts)
    (bucket,) = aggregator.close(16 * MINUTE, NTP, BY)
    assert bucket.doubts == Doubts(counted_in=1, counted_out=2, uncounted_in=3, uncounted_out=4)
    assert (bucket.counts[Outcome.IN], bucket.counts[Outcome.OUT]) == (2, 3)


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
    aggregator.add([(15 * MINUTE - 1000, Crossing("door", Outcome.IN, 0.0))])
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
    aggregator.add([(5 * MINUTE, Crossing("door", Outcome.IN, 0.0))])
    assert closed(aggregator, 31 * MINUTE)[0][3] == tally(**{"in": 1})


def test_every_line_gets_its_row():
    aggregator = watched(0, 16 * MINUTE, Aggregator(["a", "b"], 15 * MINUTE, 0))
    assert [row[0] for row in closed(aggregator, 16 * MINUTE)] == ["a", "b"]


def test_an_interval_must_be_positive():
    with pytest.raises(ValueError, match="positive"):
        Aggregator(["door"], 0, 0)


DESK = Zone("desk", ((0, 0), (1, 0), (1, 1)), ZoneKind.QUEUE)


def occupied(aggregator, until):
    return [(b.zone, b.t0_ms, b.sums) for b in aggregator.close(until, NTP, BY)]


def test_a_quiet_zone_is_sent_as_zeros_and_an_unwatched_one_as_nothing():
    aggregator = watched(0, 15 * MINUTE, Aggregator([], 15 * MINUTE, 0, zones=[DESK]))
    for now in range(15 * MINUTE, 30 * MINUTE + 1, 1000):
        aggregator.watch(now, CoverageReason.DARK)
    assert occupied(aggregator, 30 * MINUTE) == [
        ("desk", 0, ZoneSums(window_ms=15 * MINUTE)),
        ("desk", 15 * MINUTE, None),
    ]


def test_a_headcount_holds_until_the_next_picture_but_not_over_a_hole():
    aggregator = Aggregator([], 15 * MINUTE, 0, zones=[DESK])
    for now, headcount in ((1000, 3), (2500, 1), (9000, 2), (10_000, 0), (11_000, 0)):
        assert aggregator.watch(now) is (now != 9000)
        aggregator.occupy(now, [Occupancy("desk", headcount)])
    (bucket,) = aggregator.finish(11_000, NTP, BY)
    assert bucket.sums == ZoneSums(
        presence_ms=3 * 1500 + 2 * 1000,
        used_ms=2500,
        peak=3,
        window_ms=4500,
        window_presence_ms=6500,
    )
    assert (bucket.coverage, bucket.reason) == (4500 / 11_000, CoverageReason.OVERLOAD)


def test_without_a_picture_nobody_is_present():
    aggregator = Aggregator([], 15 * MINUTE, 0, zones=[DESK])
    assert aggregator.watch(1000)
    aggregator.occupy(1000, [Occupancy("desk", 3)])
    assert not aggregator.watch(2000, CoverageReason.NO_CAMERA)
    (bucket,) = aggregator.finish(2000, NTP, BY)
    assert (bucket.sums.presence_ms, bucket.coverage) == (0, 0.5)


def test_what_a_picture_on_the_boundary_shows_happened_before_it():
    aggregator = watched(0, 15 * MINUTE, Aggregator([], 15 * MINUTE, 0, zones=[DESK]))
    aggregator.occupy(15 * MINUTE, [Occupancy("desk", 1, arrivals=2, departures=1)])
    watched(15 * MINUTE, 15 * MINUTE + 500, aggregator)
    first, second = aggregator.finish(15 * MINUTE + 500, NTP, BY)
    assert (first.sums.arrivals, first.sums.departures, first.sums.peak) == (2, 1, 0)
    assert (second.sums.arrivals, second.sums.presence_ms, second.sums.peak) == (0, 500, 1)


def test_arrivals_are_told_even_where_hardly_anybody_was_looking():
    aggregator = Aggregator([], 15 * MINUTE, 0, zones=[DESK])
    aggregator.watch(1)
    aggregator.watch(15 * MINUTE, CoverageReason.DARK)
    aggregator.occupy(1, [Occupancy("desk", 0, departures=1)])
    assert occupied(aggregator, 15 * MINUTE)[0][2].departures == 1


def test_lines_come_before_zones_and_share_the_coverage():
    aggregator = watched(0, 15 * MINUTE, Aggregator(["door"], 15 * MINUTE, 0, zones=[DESK]))
    line, zone = aggregator.close(15 * MINUTE, NTP, BY)
    assert (line.line, zone.zone, zone.kind) == ("door", "desk", ZoneKind.QUEUE)
    assert (line.coverage, zone.coverage) == (1.0, 1.0)


def test_presence_in_the_daily_windows_is_summed_apart():
    # 09:05 to 09:10 in Shanghai is 01:05 to 01:10 UTC.
    window = DailyWindow(9 * 60 + 5, 9 * 60 + 10)
    hall = Zone("hall", DESK.polygon, ZoneKind.ACTIVITY, (window,))
    start = 60 * MINUTE
    aggregator = Aggregator(
        [], 15 * MINUTE, start, zones=[hall], time_zone=timezone(timedelta(hours=8))
    )
    aggregator.occupy(start, [Occupancy("hall", 2)])
    watched(start, start + 15 * MINUTE, aggregator, step=700)
    aggregator.watch(start + 15 * MINUTE)
    (row,) = occupied(aggregator, start + 15 * MINUTE)
    assert row[2] == ZoneSums(
        presence_ms=30 * MINUTE,
        used_ms=15 * MINUTE,
        peak=2,
        window_ms=5 * MINUTE,
        window_presence_ms=10 * MINUTE,
    )


def test_what_was_booked_into_an_interval_without_length_is_not_lost_with_it():
    """The clock was set, or a line moved, at the very last picture."""
    aggregator = Aggregator(["door"], 900_000, 5_000)
    aggregator.add([(4_000, Crossing("door", Outcome.IN, 4.0))])
    (bucket,) = aggregator.finish(5_000, TimeQuality.NTP, Provenance("c", "m"))
    assert (bucket.t0_ms, bucket.t1_ms) == (5_000, 5_001)
    assert bucket.counts is not None
    assert bucket.counts[Outcome.IN] == 1
    aggregator = Aggregator(["door"], 900_000, 5_000)
    assert aggregator.finish(5_000, TimeQuality.NTP, Provenance("c", "m")) == []
