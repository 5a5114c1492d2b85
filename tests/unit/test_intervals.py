"""Arithmetic of closed intervals: moved, parted, joined, and dated again with daily windows."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.intervals import Redater, joined, moved, parted
from edge.readings import Totals, subject_of
from edge.vocabulary import (
    CountBucket,
    CoverageReason,
    DailyWindow,
    Doubts,
    Outcome,
    Provenance,
    TimeQuality,
    Zone,
    ZoneBucket,
    ZoneKind,
    ZoneSums,
)

QUARTER = 900_000
C, M = Provenance("c", "m"), Provenance("c2", "m")


def line(t0_ms, t1_ms, *, name="door", entered=1, coverage=1.0, reason=None, by=C, tq="ntp"):
    counts = None if entered is None else {Outcome.IN: entered, Outcome.UTURN: 2 * entered}
    doubts = Doubts(*((n + 1) * (entered or 0) for n in range(4)))
    quality = TimeQuality(tq)
    return CountBucket(name, t0_ms, t1_ms, counts, coverage, reason, quality, by, doubts)


def zone(t0_ms, t1_ms, sums, *, coverage=1.0, reason=None, name="hall", kind=ZoneKind.ACTIVITY):
    return ZoneBucket(name, kind, t0_ms, t1_ms, sums, coverage, reason, TimeQuality.NTP, C)


def test_moved_keeps_all_but_the_date():
    before = line(10, 20, coverage=0.5, reason=CoverageReason.DARK)
    assert moved(before, 7) == replace(before, t0_ms=17, t1_ms=27)
    after = moved(before, -7, TimeQuality.REDATED)
    assert after == replace(before, t0_ms=3, t1_ms=13, time_quality=TimeQuality.REDATED)


def spans(parts):
    return [[(each.t0_ms, each.t1_ms) for each in part] for part in parts]


def test_a_part_ends_where_a_line_would_overlap():
    a, b, c = line(0, 10), line(10, 20), line(15, 30)
    assert parted([], 99) == [[]]
    assert parted([a, b], 0) == [[a, b]]
    assert parted([a, b], 1) == [[], [a, b]]
    assert parted([a, b, c], 0) == [[a, b], [c]]
    assert parted([b, c, a], 0) == [[b], [c], [a]]


def test_lines_and_zones_of_one_time_are_one_part():
    many = [
        line(0, 10), line(0, 10, name="side"), zone(0, 10, None, name="door"),
        line(10, 20), line(10, 20, name="side"), zone(10, 20, None, name="door"),
    ]  # fmt: skip
    assert parted(many, 0) == [many]
    assert spans(parted([*many, line(0, 5), line(0, 5, name="side")], 0))[1] == [(0, 5), (0, 5)]


def test_joining_halves_and_keeps_lines_apart():
    many = [line(n * 10, n * 10 + 10, name=name) for n in range(5) for name in ("door", "side")]
    found = joined(many)
    assert [(each.line, each.t0_ms, each.t1_ms) for each in found] == [
        ("door", 0, 20), ("side", 0, 20), ("door", 20, 40), ("side", 20, 40),
        ("door", 40, 50), ("side", 40, 50),
    ]  # fmt: skip
    assert found[0].counts[Outcome.IN] == 2
    assert found[0].counts[Outcome.UTURN] == 4
    assert found[0].doubts == Doubts(2, 4, 6, 8)


@pytest.mark.parametrize(
    "second",
    [line(10, 20, by=M), line(10, 20, tq="rtc"), line(9, 20), line(10, 20, name="side")],
)
def test_strangers_are_not_joined(second):
    assert joined([line(0, 10), second]) == [line(0, 10), second]


def test_a_hole_between_joined_intervals_is_time_without_video():
    (found,) = joined([line(0, 10), line(30, 40)])
    assert (found.coverage, found.reason) == (0.5, CoverageReason.RESTART)
    dark = line(30, 40, coverage=0.5, reason=CoverageReason.DARK)
    (found,) = joined([line(0, 10), dark])
    assert (found.coverage, found.reason) == (15 / 40, CoverageReason.DARK)


def test_nobody_looking_is_not_zero_in_a_joined_interval_either():
    blind = {"entered": None, "coverage": 0.0, "reason": CoverageReason.NO_CAMERA}
    (found,) = joined([line(0, 10, **blind), line(10, 20, **blind)])
    assert (found.counts, found.coverage, found.reason) == (None, 0, CoverageReason.NO_CAMERA)
    (found,) = joined([line(0, 10, **blind), line(10, 20)])
    assert (found.counts[Outcome.IN], found.coverage) == (1, 0.5)
    sums = ZoneSums(1, 2, 3, 4, 5, 6, 7)
    assert joined([zone(0, 10, None), zone(10, 20, None)])[0].sums is None
    assert joined([zone(0, 10, None), zone(10, 20, sums)])[0].sums == sums
    assert joined([zone(0, 10, sums), zone(10, 20, None)])[0].sums == sums


buckets = st.tuples(
    st.sampled_from(("door", "side", "hall")),
    st.integers(0, 3),  # a hole before it
    st.integers(1, 9),  # its length
    st.none() | st.integers(0, 99),
    st.sampled_from((C, C, C, M)),
)


def sequence(script):
    """Make intervals that do not overlap, as an aggregator does."""
    ends, made = {}, []
    for name, hole, length, number, by in script:
        start = ends.get(name, 0) + hole
        ends[name] = start + length
        coverage = 0.0 if number is None else 1.0
        reason = CoverageReason.DARK if number is None else None
        if name == "hall":
            sums = None if number is None else ZoneSums(*(number + n for n in range(7)))
            made.append(
                replace(zone(start, ends[name], sums, coverage=coverage, reason=reason),
                        provenance=by)
            )  # fmt: skip
        else:
            made.append(
                line(start, ends[name], name=name, entered=number, coverage=coverage,
                     reason=reason, by=by)
            )  # fmt: skip
    return made


def sums_of(many):
    """Return all that is additive, by line or zone."""
    found = {}
    for each in many:
        totals, watched_ms, rest = found.get(subject_of(each), (Totals(), 0.0, []))
        watched_ms += each.coverage * (each.t1_ms - each.t0_ms)
        if isinstance(each, CountBucket):
            more = [(each.counts or {}).get(o, 0) for o in Outcome]
            more += [each.doubts.counted_in, each.doubts.counted_out]
            more += [each.doubts.uncounted_in, each.doubts.uncounted_out]
        else:
            s = each.sums or ZoneSums()
            more = [s.presence_ms, s.used_ms, s.arrivals, s.departures, s.window_ms]
            more.append(s.window_presence_ms)
        rest = [a + b for a, b in zip(rest or [0] * len(more), more, strict=True)]
        found[subject_of(each)] = totals.plus(each), watched_ms, rest
    return {
        subject: (totals, pytest.approx(watched_ms), rest)
        for subject, (totals, watched_ms, rest) in found.items()
    }


@settings(deadline=None)
@given(st.lists(buckets, max_size=40))
def test_joining_keeps_every_sum_and_never_overlaps(script):
    many = sequence(script)
    once = joined(many)
    for found in (once, joined(once)):
        assert sums_of(found) == sums_of(many)
        assert parted(found, 0) == [found]
        by_subject = {}
        for each in found:
            assert each.t0_ms >= by_subject.get(subject_of(each), 0)
            by_subject[subject_of(each)] = each.t1_ms
            assert 0 <= each.coverage <= 1
            assert (each.coverage < 1) <= (each.reason is not None)
    if len({each.provenance for each in many}) == 1:
        assert len(once) <= (len(many) + 3) // 2


def utc_ms(*date):
    return round(datetime(*date, tzinfo=UTC).timestamp() * 1000)


ONE = ZoneSums(presence_ms=1000, used_ms=500, arrivals=3, departures=2, peak=4)


def redated(to_ms, *, windows, zone_name="UTC", coverage=1.0, length=QUARTER, sums=ONE):
    """Date an interval of a monotonic clock."""
    hall = Zone("hall", ((0, 0), (1, 0), (1, 1)), ZoneKind.ACTIVITY, windows)
    before = zone(5, 5 + length, sums, coverage=coverage, reason=CoverageReason.DARK)
    after = Redater([hall], ZoneInfo(zone_name))(before, to_ms - 5, TimeQuality.REDATED)
    assert (after.t0_ms, after.t1_ms) == (to_ms, to_ms + length)
    assert after.time_quality is TimeQuality.REDATED
    return after.sums


def test_what_lies_in_a_daily_window_is_taken_in_proportion():
    noon = utc_ms(2026, 3, 1, 12)
    morning = (DailyWindow(0, 12 * 60 + 5),)  # until five past twelve
    sums = redated(noon, windows=morning, coverage=0.5)
    assert (sums.window_ms, sums.window_presence_ms) == (150_000, 333)
    kept = (sums.presence_ms, sums.used_ms, sums.arrivals, sums.departures, sums.peak)
    assert kept == (1000, 500, 3, 2, 4)
    outside = redated(noon, windows=(DailyWindow(60, 120),))
    assert (outside.window_ms, outside.window_presence_ms) == (0, 0)


def test_a_window_that_ends_at_midnight_ends_within_the_interval():
    before_midnight = utc_ms(2026, 3, 1, 23, 55)
    late = (DailyWindow(23 * 60, 24 * 60),)
    assert redated(before_midnight, windows=late).window_ms == 300_000
    early = (DailyWindow(0, 5),)
    assert redated(before_midnight, windows=early).window_ms == 300_000


def test_on_the_day_of_a_clock_change_the_wall_clock_holds():
    """Berlin 2026-03-29: at 01:00 UTC 02:00 becomes 03:00."""
    night = (DailyWindow(60, 4 * 60),)  # 01:00 to 04:00, two hours on that day
    change = utc_ms(2026, 3, 29, 0)
    whole = redated(change, windows=night, zone_name="Europe/Berlin", length=4 * 3_600_000)
    assert whole.window_ms == 2 * 3_600_000
    other_day = redated(
        utc_ms(2026, 3, 28, 0), windows=night, zone_name="Europe/Berlin", length=4 * 3_600_000
    )
    assert other_day.window_ms == 3 * 3_600_000
    # 2026-10-25: at 01:00 UTC 03:00 becomes 02:00, and the window is four hours long.
    back = redated(
        utc_ms(2026, 10, 24, 22), windows=night, zone_name="Europe/Berlin", length=6 * 3_600_000
    )
    assert back.window_ms == 4 * 3_600_000


def test_zones_without_windows_and_lines_are_only_moved():
    plain = zone(0, 10, ONE, kind=ZoneKind.PLAIN)
    dater = Redater([Zone("hall", ((0, 0), (1, 0), (1, 1)))])
    for each in (plain, line(0, 10), zone(0, 10, None), zone(0, 10, ONE, name="unknown")):
        assert dater(each, 5, TimeQuality.UNSYNCED) == moved(each, 5, TimeQuality.UNSYNCED)
