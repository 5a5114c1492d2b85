"""Invariants of zones, for any crowd Hypothesis can think of."""

from functools import reduce
from itertools import accumulate, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.aggregation import Aggregator
from edge.vocabulary import (
    Occupancy,
    Provenance,
    TimeQuality,
    Track,
    Tracks,
    Zone,
    ZoneSums,
)
from edge.zones import ZoneCounter, ZoneSettings

HEIGHT = 0.25
BEGIN_MS = 60_000
MAX_GAP_MS = 2_000
SQUARE = Zone("hall", ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)))
UNSEEN_MS = 1_000
AT_ONCE = ZoneSettings(hold_s=0.0, dead_band_heights=0.0, reappear_s=0.0, unseen_s=UNSEEN_MS / 1000)

# Clear of the outline: inside, outside, or not seen in this picture.
places = st.sampled_from([(0.5, 0.5), (0.375, 0.625), (0.9, 0.5), (0.1, 0.1), None])
steps = st.lists(st.integers(1, 3_000), min_size=1, max_size=30)
CALM = settings(deadline=None)  # other tests share the machine
crowds = st.lists(st.lists(places, min_size=1, max_size=30), max_size=5)


def track(number, place, scale=1.0):
    x, y = place[0] * scale, place[1] * scale
    half, height = 0.03 * scale, HEIGHT * scale
    return Track(number, (x - half, y - height, x + half, y), 0.9, 50.0, observed=True)


def scenes(steps_ms, crowd, *, scale=1.0, order=None):
    """Yield (time in ms, tracks) per picture; a track ends after its last place."""
    for k, now_ms in enumerate(accumulate(steps_ms, initial=BEGIN_MS)):
        live = [
            track(n, way[k], scale)
            for n, way in enumerate(crowd)
            if k < len(way) and way[k] is not None
        ]
        ended = [n for n, way in enumerate(crowd) if k == len(way)]
        if order:
            order.shuffle(live)
            order.shuffle(ended)
        yield now_ms, Tracks(now_ms / 1000, 1.0, tuple(live), tuple(ended))


def answers(steps_ms, crowd, zone=SQUARE, rule=AT_ONCE, **options):
    counter = ZoneCounter([zone], rule)
    watched_ms = BEGIN_MS
    for now_ms, tracks in scenes(steps_ms, crowd, **options):
        watched = now_ms - watched_ms <= MAX_GAP_MS
        watched_ms = now_ms
        yield now_ms, counter.update(tracks, watched=watched)
    yield now_ms, counter.finish()


def buckets(steps_ms, crowd, *, interval_ms=10**9, start_ms=BEGIN_MS):
    aggregator = Aggregator([], interval_ms, start_ms, MAX_GAP_MS, zones=[SQUARE])
    closed = []
    for now_ms, answer in answers(steps_ms, crowd):
        aggregator.watch(now_ms)
        aggregator.occupy(now_ms, answer)
        # As in the pipeline: the end of the video may still book something.
        closed += aggregator.close(now_ms - 1, TimeQuality.NTP, Provenance("c", "m"))
    return closed + aggregator.finish(now_ms, TimeQuality.NTP, Provenance("c", "m"))


def added(parts):
    return reduce(ZoneSums.plus, (part.sums or ZoneSums() for part in parts), ZoneSums())


def is_inside(place):
    return 0.25 < place[0] < 0.75 and 0.25 < place[1] < 0.75


def presences(steps_ms, way):
    """Yield per step whether one person is inside, told without the product's rule.

    Whoever is not seen is where they were last seen, for a moment; then they are nowhere.
    """
    last, seen_ms, now_ms = None, 0, 0
    for k, step_ms in enumerate(steps_ms):
        if k < len(way) and way[k]:
            last, seen_ms = way[k], now_ms
        is_known = k < len(way) and last is not None and now_ms - seen_ms <= UNSEEN_MS
        yield is_known and is_inside(last)
        now_ms += step_ms


@CALM
@given(steps, crowds)
def test_presence_is_the_sum_over_people_of_their_time_inside(steps_ms, crowd):
    """Told person by person, without headcounts: nothing of the product's rule is used."""
    expected = sum(
        step_ms
        for way in crowd
        for step_ms, inside in zip(steps_ms, presences(steps_ms, way), strict=True)
        if inside and step_ms <= MAX_GAP_MS
    )
    total = added(buckets(steps_ms, crowd))
    assert total.presence_ms == expected


@CALM
@given(steps, crowds)
def test_use_is_the_time_with_anybody_inside_and_the_peak_the_most_at_once(steps_ms, crowd):
    used, peak = 0, 0
    headcounts = map(sum, zip(*(presences(steps_ms, way) for way in crowd), strict=True))
    for step_ms, inside in zip(steps_ms, headcounts, strict=bool(crowd)):
        if step_ms <= MAX_GAP_MS:
            used += step_ms if inside else 0
            peak = max(peak, inside)
    total = added(buckets(steps_ms, crowd))
    assert (total.used_ms, total.peak) == (used, peak)


@CALM
@given(steps, crowds, st.integers(400, 20_000), st.integers(0, 5_000))
def test_buckets_sum_to_the_whole_however_time_is_cut(steps_ms, crowd, interval_ms, early_ms):
    start_ms = BEGIN_MS - early_ms
    parts = buckets(steps_ms, crowd, interval_ms=interval_ms, start_ms=start_ms)
    whole = buckets(steps_ms, crowd, start_ms=start_ms)
    assert added(parts) == added(whole)
    assert all(a.t1_ms == b.t0_ms for a, b in pairwise(parts))
    for part in parts:
        if part.sums:
            length = part.t1_ms - part.t0_ms
            assert part.sums.used_ms <= min(length, part.sums.presence_ms)
            assert part.sums.presence_ms <= part.sums.peak * length


@CALM
@given(steps, crowds, st.randoms(use_true_random=False))
def test_the_order_of_tracks_changes_nothing(steps_ms, crowd, order):
    for rule in (AT_ONCE, ZoneSettings(hold_s=0.5)):
        plain = list(answers(steps_ms, crowd, rule=rule))
        assert list(answers(steps_ms, crowd, rule=rule, order=order)) == plain


@CALM
@given(steps, crowds, st.sampled_from([0.125, 0.5, 2.0, 8.0]))
def test_the_size_of_the_scene_changes_nothing(steps_ms, crowd, scale):
    # Powers of two, so that no rounding decides.
    large = Zone("hall", tuple((x * scale, y * scale) for x, y in SQUARE.polygon))
    for rule in (AT_ONCE, ZoneSettings(hold_s=0.5)):
        plain = list(answers(steps_ms, crowd, rule=rule))
        assert list(answers(steps_ms, crowd, large, rule, scale=scale)) == plain


@CALM
@given(steps, crowds)
def test_whoever_came_has_left_once_everybody_is_gone(steps_ms, crowd):
    """Nobody was there before, nothing was dark: the books must balance."""
    first_outside = [1_000, 1_000]
    steps_ms = [*first_outside, *(min(step, MAX_GAP_MS) for step in steps_ms)]
    steps_ms += [1_000] * (max(map(len, crowd), default=0) + 5)
    crowd = [[(0.9, 0.5)] * 2 + way for way in crowd]
    for rule in (AT_ONCE, ZoneSettings(hold_s=0.5)):
        seen: list[Occupancy] = [a for _, (a,) in answers(steps_ms, crowd, rule=rule)]
        assert seen[-1].headcount == 0
        assert sum(a.arrivals for a in seen) == sum(a.departures for a in seen)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.lists(st.integers(15, 60), min_size=1, max_size=6), max_size=4),
)
def test_the_hold_time_changes_neither_presence_nor_visits_that_outlast_it(stays):
    """Ten pictures a second; out and in by turns, every stay longer than the hold time."""
    crowd = []
    for person in stays:
        way = [(0.9, 0.5)] * 20
        for k, length in enumerate(person):
            way += [(0.5, 0.5) if k % 2 == 0 else (0.9, 0.5)] * length
        crowd.append([*way, *[(0.9, 0.5)] * 20])
    steps_ms = [100] * (max(map(len, crowd), default=0) + 20)

    def told(rule):
        aggregator = Aggregator([], 10**9, BEGIN_MS, MAX_GAP_MS, zones=[SQUARE])
        for now_ms, answer in answers(steps_ms, crowd, rule=rule):
            aggregator.watch(now_ms)
            aggregator.occupy(now_ms, answer)
        (bucket,) = aggregator.finish(now_ms, TimeQuality.NTP, Provenance("c", "m"))
        sums = bucket.sums
        return sums.presence_ms, sums.arrivals, sums.departures

    expected = 100 * sum(sum(person[::2]) for person in stays)
    held = told(ZoneSettings(hold_s=0.95))  # between two pictures, so that no rounding decides
    assert held[0] == expected
    assert held[1:] == told(AT_ONCE)[1:]
