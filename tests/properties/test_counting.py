"""Invariants of counting, for any walk Hypothesis can think of."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.aggregation import Aggregator
from edge.counting import Counter, CountingSettings
from edge.vocabulary import (
    Crossing,
    Line,
    Outcome,
    Provenance,
    TimeQuality,
    Track,
    Tracks,
)

LINE = Line("door", ((-9.0, 0.5), (9.0, 0.5)), 1)
HEIGHT = 0.2
STEP_S = 0.25
heights = st.floats(0.05, 0.95, allow_nan=False)
walks = st.lists(heights, min_size=1, max_size=60)


def track(x, y, number=1, scale=1.0):
    half = 0.03 * scale
    return Track(number, (x - half, y - HEIGHT * scale, x + half, y), 0.9, 0.0, True)


def count(ys, line=LINE, settings=None, transform=lambda x, y: (x, y), scale=1.0):
    """Book one walk; return outcomes in order, and the live ones."""
    counter = Counter([line], settings)
    booked, live, settled = [], [], float("-inf")
    for k, y in enumerate(ys):
        x, moved = transform(0.5, y)
        answer = counter.update(Tracks(k * STEP_S, 1.0, (track(x, moved, scale=scale),)))
        assert all(c.at >= settled for c in answer.booked)
        settled = answer.settled_until
        booked += answer.booked
        live += answer.live
    answer = counter.finish(len(ys) * STEP_S)
    booked += answer.booked
    live += answer.live
    return [c.outcome for c in booked], [c.outcome for c in live]


def net(outcomes):
    return outcomes.count(Outcome.IN) - outcomes.count(Outcome.OUT)


@given(walks)
def test_the_net_of_a_walk_is_last_side_minus_first(ys):
    band = CountingSettings().dead_band_heights * HEIGHT
    clear = [y for y in ys if abs(y - 0.5) >= band]
    booked, live = count(ys, settings=CountingSettings(hold_s=0.0))
    ends_in_band = abs(ys[-1] - 0.5) < band
    if not clear:
        assert net(booked) == 0
    elif not ends_in_band:
        assert net(booked) == net(live) == (clear[-1] > 0.5) - (ys[0] >= 0.5)


@given(walks)
def test_booked_and_live_agree_on_everybody(ys):
    booked, live = count(ys)
    uturns = booked.count(Outcome.UTURN)
    for way in (Outcome.IN, Outcome.OUT):
        assert booked.count(way) + uturns == live.count(way)


@given(walks)
def test_turning_the_line_round_swaps_in_and_out(ys):
    swapped = {Outcome.IN: Outcome.OUT, Outcome.OUT: Outcome.IN}
    turned = Line(LINE.id, LINE.points, -1)
    assert count(ys, turned)[0] == [swapped.get(o, o) for o in count(ys)[0]]


@given(walks, st.floats(0.25, 4.0), st.floats(-2.0, 2.0))
def test_size_and_place_of_the_scene_change_nothing(ys, scale, shift):
    # Away from the thresholds, where rounding may decide.
    band = CountingSettings().dead_band_heights * HEIGHT
    ys = [y for y in ys if min(abs(abs(y - 0.5) - band), abs(y - 0.5)) > 1e-3] or [0.1]
    near = CountingSettings().near_heights * HEIGHT
    ys = [y for y in ys if abs(abs(y - 0.5) - near) > 1e-3] or [0.1]

    def moved(x, y):
        return x * scale + shift, y * scale + shift

    line = Line(LINE.id, tuple(moved(x, y) for x, y in LINE.points), 1)
    expected = [o for o in count(ys)[0] if o is not Outcome.BORN_PAST_LINE]
    got = [o for o in count(ys, line, None, moved, scale)[0] if o is not Outcome.BORN_PAST_LINE]
    assert got == expected


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 4_000_000),
            st.sampled_from(list(Outcome)),
            st.sampled_from([None, Outcome.IN, Outcome.OUT]),
        ),
        max_size=40,
    ),
    st.integers(0, 900_000),
    st.lists(st.integers(1, 400_000), min_size=1, max_size=40),
)
def test_buckets_sum_to_the_crossings_and_tile_the_time(crossings, start, steps):
    aggregator = Aggregator(["door"], 300_000, start)
    by = Provenance("cfg", "model")
    now, buckets = start, []
    waiting = sorted(
        ((start + at, o, doubt) for at, o, doubt in crossings), key=lambda each: each[0]
    )
    for step in steps:
        now += step
        aggregator.watch(now)
        due = [(at, Crossing("door", o, 0.0, doubt)) for at, o, doubt in waiting if at < now]
        waiting = [each for each in waiting if each[0] >= now]
        aggregator.add(due)
        buckets += aggregator.close(now, TimeQuality.NTP, by)
    aggregator.add((now - 1, Crossing("door", o, 0.0, doubt)) for _, o, doubt in waiting)
    buckets += aggregator.finish(now, TimeQuality.NTP, by)
    for outcome in Outcome:
        total = sum((b.counts or {}).get(outcome, 0) for b in buckets)
        assert total == sum(1 for _, o, _ in crossings if o is outcome)
    counted, uncounted = (
        sum(1 for _, o, d in crossings if d is Outcome.IN and (o is Outcome.IN) is which)
        for which in (True, False)
    )
    assert sum(b.doubts.counted_in for b in buckets) == counted
    assert sum(b.doubts.uncounted_in for b in buckets) == uncounted
    assert buckets[0].t0_ms == start
    assert buckets[-1].t1_ms == now
    assert all(a.t1_ms == b.t0_ms for a, b in pairwise(buckets))
