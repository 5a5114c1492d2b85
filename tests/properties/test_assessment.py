"""Invariants of the assessment, for any month Hypothesis can think of."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import bench_estimate
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.assessment.composite import Assessment, assess
from evaluation.assessment.flags import flags
from evaluation.assessment.observed import DoorMonth, ZoneMonth, door_month, later, zone_month
from evaluation.assessment.opening import SLOT_MS, Opening, month_of
from evaluation.assessment.ranking import ranks
from evaluation.assessment.registers import Activity, Cases, Ratings, Registers
from evaluation.assessment.scheme import Goal, Kind
from evaluation.assessment.site import SiteMonth
from evaluation.assessment.slots import (
    DAY_MS,
    LineReading,
    ZoneReading,
    as_json,
    door_day,
    door_of,
    shares,
    zone_days,
    zone_of,
)
from evaluation.assessment.words import Figure, Grade
from evaluation.scheme_file import read_scheme

SCHEME = read_scheme(bench_estimate.ROOT / "config" / "schemes" / "neutral-2026.yaml")
SEEN_KINDS = {Kind.VISIT_RATE, Kind.ACTIVE_HOURS, Kind.SPACE_USE}
ORDER = list(Grade)
MONTH = month_of(2026, 2, UTC)
IS_OPEN = MONTH.open_slots(Opening({0: ((540, 660),), 2: ((540, 600),)}))
OPEN = np.flatnonzero(IS_OPEN)
ZONES = ("Asia/Shanghai", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe",
         "America/St_Johns")  # fmt: skip

covs = st.sampled_from([0.0, 0.3, 0.5, 0.95, 1.0])
counts = st.integers(0, 60)
per_slot = st.lists(counts, min_size=len(OPEN), max_size=len(OPEN))
coverages = st.one_of(
    st.lists(covs, min_size=len(OPEN), max_size=len(OPEN)),
    st.lists(st.sampled_from([0.0, 1.0, 1.0, 1.0, 1.0]), min_size=len(OPEN), max_size=len(OPEN)),
)


def laid(values, dtype=np.int64):
    array = np.zeros(MONTH.slots, dtype)
    array[OPEN] = values
    return array


def door(truth, cov):
    entered = np.floor(laid(truth) * laid(cov, float)).astype(np.int64)
    return DoorMonth(entered, entered, entered // 9, entered, entered + 1, laid(cov, float), {})


def zone(kind, truth, cov):
    presence_ms = np.floor(laid(truth) * 60_000 * laid(cov, float)).astype(np.int64)
    waits = np.where(laid(truth) > 30, laid(truth) * 30_000, -1)
    used_ms = np.minimum(presence_ms, np.floor(SLOT_MS * laid(cov, float))).astype(np.int64)
    return ZoneMonth(kind, presence_ms, used_ms, laid(truth), laid(truth), waits,
                     laid(cov, float), {})  # fmt: skip


activities = st.builds(
    Activity,
    st.just("a"), st.just(MONTH.t0_ms), st.just(MONTH.t0_ms + SLOT_MS), st.booleans(),
    st.none() | st.integers(0, 30), st.none() | st.integers(0, 60), st.none() | st.integers(0, 60),
    st.sets(st.sampled_from(SCHEME.audiences)).map(frozenset),
)  # fmt: skip
cases = st.integers(0, 20).flatmap(lambda due: st.builds(Cases, st.just(due), st.integers(0, due)))
registers = st.builds(
    Registers,
    st.none() | st.lists(activities, max_size=5).map(tuple),
    st.none() | st.builds(Ratings, st.tuples(*[st.integers(0, 20)] * 5)),
    st.none() | cases,
)


def site(truth, cov, of=None, residents=1000):
    return SiteMonth(
        "centre", MONTH, IS_OPEN, residents, {"d": door(truth, cov)},
        {("d", kind): zone(kind, truth, cov) for kind in ("plain", "queue", "activity")},
        of or Registers(),
    )  # fmt: skip


sites = st.builds(site, per_slot, coverages, registers, st.none() | st.integers(0, 20_000))


@given(sites)
@settings(max_examples=60, deadline=None)
def test_a_month_is_rated_with_a_range_or_not_rated_at_all(of):
    found = assess(of, SCHEME)
    points = [each.points for each in found.rated] + [*found.sections.values(), found.score]
    for each in [*points, *(each.figure for each in found.rated)]:
        assert (each.value is None) == (each.grade is Grade.NOT_RATED)
        assert (each.reason is None) <= (each.grade is Grade.RELIABLE)
        if each.value is not None:
            assert each.low <= each.value <= each.high
    for each in points:
        assert each.value is None or (each.low >= 0 and each.high <= 100)
    for flag in flags(of, SCHEME):
        assert flag.zh
        assert flag.en


@given(per_slot, coverages)
@settings(max_examples=40, deadline=None)
def test_what_is_seen_has_a_value_exactly_from_the_least_coverage_on(truth, cov):
    share = round(float(np.mean(cov)), 6)
    for each in assess(site(truth, cov), SCHEME).rated:
        if each.indicator.kind in SEEN_KINDS:
            assert (each.figure.value is None) == (share < SCHEME.estimated_from)
            assert (each.figure.grade is Grade.RELIABLE) == (share >= SCHEME.reliable_from)


@given(per_slot, coverages, coverages)
@settings(max_examples=40, deadline=None)
def test_more_coverage_of_the_same_truth_never_worsens_a_grade(truth, cov, more):
    more = np.maximum(cov, more).tolist()
    for less_seen, more_seen in zip(
        assess(site(truth, cov), SCHEME).rated, assess(site(truth, more), SCHEME).rated, strict=True
    ):
        if less_seen.indicator.kind in SEEN_KINDS:
            before, after = less_seen.figure.grade, more_seen.figure.grade
            assert ORDER.index(after) <= ORDER.index(before)


@given(per_slot, cases)
@settings(max_examples=40, deadline=None)
def test_leaving_out_the_register_of_cases_puts_nobody_clearly_ahead(truth, known):
    cov = [1.0] * len(OPEN)
    with_it, without = (
        assess(site(truth, cov, of), SCHEME).rated[-1].figure
        for of in (Registers(cases=known), Registers())
    )
    if with_it.value is not None and without.value is not None and known.due:
        assert without.low <= with_it.value <= without.high
        assert without.grade is Grade.ESTIMATED


@given(st.lists(activities, min_size=1, max_size=5), st.integers(0, 4))
@settings(max_examples=60, deadline=None)
def test_hiding_the_attendance_of_one_activity_puts_nobody_clearly_ahead(held, which):
    held = [replace(each, is_held=True, expected=each.expected or 7) for each in held]
    hidden = list(held)
    hidden[which % len(held)] = replace(held[which % len(held)], attended=None, seen=None)
    told, less = (
        next(
            each.figure
            for each in assess(site([0] * len(OPEN), [1.0] * len(OPEN), Registers(tuple(of))),
                               SCHEME).rated
            if each.indicator.kind is Kind.ATTENDANCE
        )
        for of in (held, hidden)
    )  # fmt: skip
    if told.grade is Grade.RELIABLE and less.value is not None:
        assert less.low - 1e-9 <= told.value <= less.high + 1e-9


@given(st.integers(0, 10_000), st.integers(0, 10 * DAY_MS), st.integers(1, 2 * DAY_MS))
def test_a_count_is_shared_out_to_the_last_person(count, t0_ms, length_ms):
    parts = shares(count, t0_ms, t0_ms + length_ms)
    assert sum(part for _, part in parts) == count
    for begin, part in parts:
        overlap = min(t0_ms + length_ms, begin + SLOT_MS) - max(t0_ms, begin)
        assert overlap > 0
        assert abs(part - count * overlap / length_ms) < 1


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.lists(st.floats(-1e7, 1e7), min_size=2))
def test_points_are_within_0_and_100_and_never_fall(floor, width, values):
    points = [Goal(floor, floor + width).points(value) for value in sorted(values)]
    assert points == sorted(points)
    assert points[0] >= 0
    assert points[-1] <= 100


@given(
    st.lists(
        st.tuples(st.sampled_from("sml"), st.floats(0, 100), st.floats(0, 30), st.floats(0, 1)),
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_a_span_of_places_holds_the_true_one_and_knows_no_order(centres, random):
    truths, made = {}, []
    for number, (size, low, width, at) in enumerate(centres):
        truths[str(number)] = (size, low + at * width)
        figure = Figure(low + at * width, low, max(low + width, low + at * width),
                        Grade.RELIABLE)  # fmt: skip
        made.append(Assessment(str(number), size, (), {}, figure))
    found = ranks(made, 3)
    shuffled = made[:]
    random.shuffle(shuffled)
    assert ranks(shuffled, 3) == found
    sizes = Counter(size for size, _ in truths.values())
    assert found.keys() == {site for site, (size, _) in truths.items() if sizes[size] >= 3}
    for name, rank in found.items():
        size, truth = truths[name]
        better = sum(other > truth for of, other in truths.values() if of == size)
        assert 1 <= rank.best <= 1 + better <= rank.worst <= rank.of == sizes[size]
    for a, b in product(found, repeat=2):
        if truths[a][0] == truths[b][0] and found[a].worst < found[b].best:
            assert truths[a][1] > truths[b][1]


lines = st.builds(
    lambda line, t0, length, entered, of_all, cov, why, tq: LineReading(
        line, t0, t0 + length, entered, entered and entered // 2, entered and 0,
        entered and entered - entered // 3, entered and entered + of_all, cov if entered else 0.0,
        why, tq,
    ),
    st.sampled_from(["door", "side"]), st.integers(-DAY_MS, 2 * DAY_MS),
    st.integers(60_000, 4 * SLOT_MS), st.none() | counts, st.integers(0, 3),
    st.floats(0, 1), st.sampled_from(["dark", "covered", None]),
    st.sampled_from(["ntp", "redated", "unsynced"]),
)  # fmt: skip
zones = st.builds(
    lambda name, kind, t0, length, n, cov: ZoneReading(
        name, kind, t0, t0 + length, n and n * 60_000, n and n * 1000, n, n, n and n * 100, cov,
    ),
    st.sampled_from(["hall", "room"]), st.sampled_from(["plain", "queue"]),
    st.integers(-DAY_MS, 2 * DAY_MS), st.integers(60_000, 4 * SLOT_MS), st.none() | counts,
    st.floats(0, 1),
)  # fmt: skip


@given(st.lists(lines, max_size=8), st.lists(zones, max_size=8), st.randoms())
@settings(max_examples=60, deadline=None)
def test_a_day_knows_no_order_of_records_and_survives_json(of_lines, of_zones, random):
    day, by_zone = door_day(of_lines, 0), zone_days(of_zones, 0)
    assert door_day(random.sample(of_lines, len(of_lines)), 0) == day
    assert zone_days(random.sample(of_zones, len(of_zones)), 0) == by_zone
    assert door_of(json.loads(json.dumps(as_json(day)))) == day
    for each in by_zone.values():
        assert zone_of(json.loads(json.dumps(as_json(each)))) == each
    assert all(0 <= cov <= 1 for cov in day.cov)


@pytest.mark.parametrize("name", ZONES)
@pytest.mark.parametrize(("year", "number"), [(2026, 3), (2026, 10), (2026, 4)])
def test_a_month_of_utc_days_is_that_of_its_records_in_any_time_zone(name, year, number):
    """The records are laid onto local time by the standard library alone."""
    tz = ZoneInfo(name)
    month = month_of(year, number, tz)
    first = month.t0_ms // DAY_MS * DAY_MS
    begins = range(first - DAY_MS, month.t1_ms + DAY_MS, SLOT_MS)
    readings = [
        LineReading("door", at, at + SLOT_MS, at // SLOT_MS % 7, 1, 0, None, None, 1.0)
        for at in begins
    ]
    local = Counter()
    for each in readings:
        moment = datetime.fromtimestamp(each.t0_ms / 1000, UTC).astimezone(tz)
        if (moment.year, moment.month) == (year, number):
            local[moment.day - 1, moment.hour * 60 + moment.minute] += each.entered
    starts = range(first - DAY_MS, month.t1_ms + DAY_MS, DAY_MS)
    by_day = {at: [r for r in readings if at <= r.t0_ms < at + DAY_MS] for at in starts}
    made = door_month({at: door_day(of, at) for at, of in by_day.items()}, month)
    found = Counter()
    for day, minute, entered in zip(month.day, month.minute, made.entered, strict=True):
        found[int(day), int(minute)] += int(entered)
    assert found == local
    assert made.cov.tolist() == [1.0] * month.slots
    days = (datetime(year, number, 1) + timedelta(days=32)).replace(day=1) - datetime(
        year, number, 1
    )
    assert month.days == days.days


def test_a_month_of_a_zone_is_that_of_its_days():
    month = month_of(2026, 2, ZoneInfo("Asia/Kolkata"))
    begin = month.t0_ms + 6 * SLOT_MS
    reading = ZoneReading("hall", "queue", begin, begin + 2 * SLOT_MS, 7, 4, 3, 2, 60_000, 1.0)
    starts = range(month.t0_ms // DAY_MS * DAY_MS, month.t1_ms, DAY_MS)
    days = {at: zone_days([reading], at).get("hall") for at in starts}
    made = zone_month({at: day for at, day in days.items() if day}, month)
    assert (made.kind, made.presence_ms.sum(), made.arrivals.sum()) == ("queue", 7, 3)
    assert np.flatnonzero(made.wait_ms >= 0).tolist() == [6, 7]
    assert np.flatnonzero(made.cov).tolist() == [6, 7]


def days_of(month, first, last):
    """A door that counts one in every slot of some days of the month, and is there then."""
    there = (month.day >= first) & (month.day <= last)
    starts = range(month.t0_ms, month.t1_ms, DAY_MS)
    readings = {
        at: [LineReading("door", at + n * SLOT_MS, at + (n + 1) * SLOT_MS, 1, 1, 0, 1, 1, 1.0)
             for n in range(96)]
        for at in starts
    }  # fmt: skip
    return door_month({at: door_day(of, at) for at, of in readings.items()}, month, there)


def visits(*doors):
    named = {str(number): door for number, door in enumerate(doors)}
    return assess(SiteMonth("s", MONTH, IS_OPEN, 1000, named), SCHEME).rated[0].figure


def test_a_board_that_follows_another_lacks_nothing_but_what_lies_between():
    one, next_day, later_on = (days_of(MONTH, *days) for days in ((0, 9), (10, 27), (20, 27)))
    whole = visits(later(one, next_day))
    assert (whole.grade, whole.low) == (Grade.RELIABLE, whole.value)
    assert whole.parts["seen"] == len(OPEN)
    gap = visits(later(one, later_on))
    assert gap.grade is Grade.NOT_RATED
    assert gap.parts["coverage"] == round(float((MONTH.day[OPEN] // 10 != 1).mean()), 6)


def test_a_second_door_lacks_nothing_before_it_was_there():
    both = visits(days_of(MONTH, 0, 27), days_of(MONTH, 14, 27))
    assert both.grade is Grade.RELIABLE
    assert both.parts["seen"] == len(OPEN) + (MONTH.day[OPEN] >= 14).sum()
    assert visits(days_of(MONTH, 14, 27)).grade is Grade.NOT_RATED


BACK_TESTS = [
    ("single slots", 0.15, 0.9),
    ("hours at a time", 0.15, 0.85),
    ("whole days", 0.15, 0.85),
    ("whole days", 0.30, 0.85),
    ("Monday (and more) mornings", 0.05, 0.85),
]


@pytest.mark.parametrize(("kind", "share", "least"), BACK_TESTS)
def test_the_truth_of_an_outage_by_chance_is_in_the_range(kind, share, least):
    found = bench_estimate.back_test(kind, share, months=80, seed=7)
    assert found.held >= least
    assert abs(found.bias) < 0.03


def test_days_that_are_left_out_because_they_are_quiet_gain_and_are_flagged():
    """What the range cannot hold is known, has a limit, and is asked about."""
    found = bench_estimate.back_test("quietest days, chosen", 0.30, months=30, seed=7)
    assert 0.05 < found.bias < 0.25
    assert found.flagged == 1
    hours = bench_estimate.back_test("quietest hours, chosen", 0.15, months=30, seed=7)
    assert hours.flagged == 1
