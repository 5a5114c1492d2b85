"""Visits as tables: who walks how, and what must be booked."""

import itertools
from collections.abc import Callable

import pytest

from edge.aggregation import Aggregator
from edge.vocabulary import (
    Anchor,
    CoverageReason,
    Occupancy,
    Provenance,
    TimeQuality,
    Track,
    Tracks,
    Zone,
    ZoneSums,
)
from edge.zones import ZoneCounter, ZoneSettings

SQUARE = Zone("hall", ((0.4, 0.4), (0.8, 0.4), (0.8, 0.8), (0.4, 0.8)))
HEIGHT = 0.2  # so the dead-band is 0.02 wide on either side
FPS = 10
BEGIN = 10.0  # nobody is "there before" any more
OUT, IN, EDGE = (0.2, 0.6), (0.6, 0.6), (0.41, 0.6)

Way = list[tuple[float, tuple[float, float]]]


def box(point, height=HEIGHT):
    x, y = point
    return (x - 0.03, y - height, x + 0.03, y)


def standing(*stops):
    """A way of standing somewhere from a moment on: (seconds, place), … , (end, None)."""
    return list(stops)


def where(way: Way, t: float):
    """Return the place at t; None before the first stop and from the last one on."""
    place = None
    for since, spot in way:
        if t >= since - 1e-9:
            place = spot
    return place


def play(
    people: list[Way],
    end: float,
    *,
    zones=(SQUARE,),
    settings: ZoneSettings | None = None,
    fps: float = FPS,
    begin: float = BEGIN,
    skip: Callable[[float], bool] = lambda _t: False,
    dark: Callable[[float], bool] = lambda _t: False,
    interval_s: float = 1e6,
):
    """Return the buckets of a scene, through the real aggregator, and the answers."""
    counter = ZoneCounter(zones, settings)
    aggregator = Aggregator([], round(interval_s * 1000), 0, zones=zones)
    answers: list[tuple[Occupancy, ...]] = []
    seen: dict[int, float] = {}
    for k in range(1, round((begin + end) * fps) + 1):
        at = k / fps
        t = at - begin
        if skip(t):
            continue
        blind = dark(t)
        now_ms = round(at * 1000)
        live, ended = [], []
        for number, way in enumerate(people):
            place = None if blind else where(way, t)
            if place is not None:
                seen.setdefault(number, at)
                live.append(Track(number, box(place), 0.9, seen[number], observed=True))
            elif number in seen and place is None and (blind or t >= way[-1][0] - 1e-9):
                ended.append(number)
                del seen[number]
        watched = aggregator.watch(now_ms, CoverageReason.DARK if blind else None)
        answer = counter.update(Tracks(at, 1.0, tuple(live), tuple(ended)), watched=watched)
        aggregator.occupy(now_ms, answer)
        answers.append(answer)
    aggregator.occupy(now_ms, counter.finish())
    return aggregator.finish(now_ms, TimeQuality.NTP, Provenance("c", "m")), answers


def sums(people, end, **options) -> ZoneSums:
    (bucket,) = play(people, end, **options)[0]
    return bucket.sums


def booked(found: ZoneSums):
    return found.arrivals, found.departures, found.peak, found.presence_ms / 1000


# name: (people, seconds, (arrivals, departures, peak, presence in person-seconds))
TABLE = {
    "nobody": ([], 5, (0, 0, 0, 0)),
    "comes, stays 10 s and goes": (
        [standing((0, OUT), (2, IN), (12, OUT), (15, None))],
        16,
        (1, 1, 1, 10),
    ),
    "passes through too fast to be a visit": (
        [standing((0, OUT), (2, IN), (2.4, OUT), (5, None))],
        6,
        (0, 0, 1, 0.4),
    ),
    "passes through in a second": (
        [standing((0, OUT), (2, IN), (3, OUT), (5, None))],
        6,
        (1, 1, 1, 1),
    ),
    "comes twice": (
        [standing((0, OUT), (2, IN), (5, OUT), (8, IN), (12, OUT), (15, None))],
        16,
        (2, 2, 1, 7),
    ),
    "steps out too shortly to have left": (
        [standing((0, OUT), (2, IN), (5, OUT), (5.4, IN), (12, OUT), (15, None))],
        16,
        (1, 1, 1, 9.6),
    ),
    "flickers over the outline for a minute": (
        [standing(*((k / 10, ((0.37, 0.43)[k % 2], 0.6)) for k in range(600)), (60, None))],
        61,
        (0, 0, 1, 30),
    ),
    "flickers over the outline on the way in": (
        [
            standing(
                (0, OUT),
                *((2 + k / 10, ((0.37, 0.43)[k % 2], 0.6)) for k in range(40)),
                (6, IN),
                (12, OUT),
                (15, None),
            )
        ],
        16,
        (1, 1, 1, 8),
    ),
    "stands just inside the outline": (
        [standing((0, OUT), (2, EDGE), (30, OUT), (33, None))],
        34,
        (1, 1, 1, 28),
    ),
    "stands just outside the outline": (
        [standing((0, OUT), (2, (0.39, 0.6)), (30, OUT), (33, None))],
        34,
        (0, 0, 0, 0),
    ),
    "sways over the outline and comes only once": (
        [
            standing(
                (0, OUT),
                *((2 + 2 * k, ((0.41, 0.6), (0.39, 0.6))[k % 2]) for k in range(20)),
                (42, OUT),
                (45, None),
            )
        ],
        46,
        (1, 1, 1, 20),
    ),
    "stands inside, then on the outline, and is still inside": (
        [standing((0, OUT), (2, IN), (5, EDGE), (20, OUT), (23, None))],
        24,
        (1, 1, 1, 18),
    ),
    "leans over the outline without leaving": (
        [standing((0, OUT), (2, IN), (5, (0.39, 0.6)), (20, IN), (22, OUT), (25, None))],
        26,
        (1, 1, 1, 5),
    ),
    "two together": (
        [
            standing((0, OUT), (2, IN), (12, OUT), (15, None)),
            standing((0, OUT), (7, (0.5, 0.7)), (20, OUT), (25, None)),
        ],
        26,
        (2, 2, 2, 23),
    ),
    "two one after the other": (
        [
            standing((0, OUT), (2, IN), (5, OUT), (8, None)),
            standing((0, OUT), (10, IN), (15, OUT), (18, None)),
        ],
        19,
        (2, 2, 1, 8),
    ),
    "appears in the middle and stays": (
        [standing((0, IN), (10, OUT), (13, None))],
        14,
        (1, 1, 1, 9.9),  # a box seen once is nobody yet
    ),
    "walks out of the picture as soon as it is outside": (
        [standing((0, OUT), (2, IN), (12, OUT), (12.3, None))],
        16,
        (1, 1, 1, 10),
    ),
    "vanishes in the middle": (
        [standing((0, OUT), (2, IN), (7, None))],
        14,
        (1, 1, 1, 5),  # this tracker gives it up at once
    ),
    "hidden for a second and found again under another id": (
        [
            standing((0, OUT), (2, IN), (7, None)),
            standing((8, (0.62, 0.6)), (12, OUT), (15, None)),
        ],
        16,
        (1, 1, 1, 5 + 3.9),
    ),
    "found under another id before the first one is given up": (
        [
            standing((0, OUT), (2, IN), (7, None)),
            standing((5, (0.62, 0.6)), (12, OUT), (15, None)),
        ],
        16,
        (1, 1, 2, 5 + 6.9),
    ),
    "one vanishes and another appears somewhere else": (
        [
            standing((0, OUT), (2, (0.45, 0.45)), (7, None)),
            standing((8, (0.75, 0.75)), (12, OUT), (15, None)),
        ],
        16,
        (2, 2, 1, 5 + 3.9),
    ),
    "one is lost just outside and another appears just inside": (
        [
            standing((0, OUT), (2, IN), (7, (0.37, 0.6)), (7.3, None)),
            standing((8, (0.43, 0.6)), (12, OUT), (15, None)),
        ],
        16,
        (2, 2, 1, 5 + 3.9),
    ),
    "one is lost and another comes in who stood beside the outline": (
        [
            standing((0, OUT), (2, (0.45, 0.6)), (7, None)),
            standing((0, (0.39, 0.6)), (8, (0.45, 0.6)), (12, OUT), (15, None)),
        ],
        16,
        (2, 2, 1, 5 + 4),
    ),
    "one is hidden and two are found": (
        [
            standing((0, OUT), (2, IN), (7, None)),
            standing((8, (0.62, 0.6)), (12, OUT), (15, None)),
            standing((8, (0.58, 0.6)), (12, OUT), (15, None)),
        ],
        16,
        (2, 2, 2, 5 + 7.8),
    ),
    "appears in the middle just before the video ends": ([standing((0, IN))], 2.5, (1, 0, 1, 2.4)),
    "vanishes just before the video ends": (
        [standing((0, OUT), (2, IN), (7, None))],
        8,
        (1, 1, 1, 5),
    ),
    "one vanishes and another appears much later": (
        [
            standing((0, OUT), (2, IN), (7, None)),
            standing((11, IN), (15, OUT), (18, None)),
        ],
        19,
        (2, 2, 1, 5 + 3.9),
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_visits(name):
    people, end, expected = TABLE[name]
    assert booked(sums(people, end)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", [n for n in TABLE if "flickers" not in n])
def test_visits_at_five_pictures_a_second(name):
    people, end, expected = TABLE[name]
    got = booked(sums(people, end, fps=5))
    assert got[:3] == expected[:3]
    assert got[3] == pytest.approx(expected[3], abs=0.4)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (ZoneSettings(hold_s=0.0, dead_band_heights=0.0), 300),
        (ZoneSettings(hold_s=0.0), 300),
        (ZoneSettings(dead_band_heights=0.0), 0),
    ],
)
def test_without_the_hold_time_flicker_is_a_visit_in_every_second_picture(settings, expected):
    people, end, _ = TABLE["flickers over the outline for a minute"]
    assert sums(people, end, settings=settings).arrivals == expected


def test_without_the_dead_band_every_sway_over_the_outline_is_a_visit():
    people, end, _ = TABLE["sways over the outline and comes only once"]
    found = sums(people, end, settings=ZoneSettings(dead_band_heights=0.0))
    assert booked(found) == (10, 10, 1, pytest.approx(20))


def test_without_reappearing_every_lost_track_is_a_visit():
    people, end, _ = TABLE["hidden for a second and found again under another id"]
    settings = ZoneSettings(reappear_s=0.0)
    assert booked(sums(people, end, settings=settings))[:2] == (2, 2)


def test_who_is_there_when_the_video_begins_is_present_but_no_arrival():
    found = sums([standing((0, IN), (10, OUT), (13, None))], 14, begin=0.0)
    assert booked(found) == (0, 1, 1, pytest.approx(9.8))  # seen twice from the second picture on


def test_a_gap_adds_no_time():
    people = [standing((0, OUT), (2, IN), (22, OUT), (25, None))]
    whole = sums(people, 26)
    holed = sums(people, 26, skip=lambda t: 8 < t < 14)
    assert booked(holed) == (1, 1, 1, pytest.approx(whole.presence_ms / 1000 - 6.0))


def test_dropped_and_irregular_frames_lose_no_time():
    people = [standing((0, OUT), (2, IN), (22, OUT), (25, None))]
    ragged = sums(people, 26, skip=lambda t: round(t * 10) % 7 in {1, 2, 4} or 8 < t < 9.6)
    assert booked(ragged) == (1, 1, 1, pytest.approx(20, abs=0.5))


def test_who_is_lost_in_the_dark_neither_left_nor_came_again():
    people = [standing((0, OUT), (2, IN), (22, OUT), (25, None))]
    found = sums(people, 26, dark=lambda t: 8 < t < 14)
    assert booked(found) == (1, 1, 1, pytest.approx(20 - 6, abs=0.2))


def test_an_interval_is_cut_exactly_where_it_ends():
    people = [standing((0, OUT), (2, IN), (22, OUT), (25, None))]
    buckets, _ = play(people, 26, interval_s=7, begin=BEGIN)
    # Inside from 12 s to 32 s after the start.
    assert [(b.t0_ms, b.t1_ms) for b in buckets] == [
        (0, 7000), (7000, 14000), (14000, 21000), (21000, 28000), (28000, 35000), (35000, 36000),
    ]  # fmt: skip
    assert [b.sums.presence_ms for b in buckets] == [0, 2000, 7000, 7000, 4000, 0]
    assert [b.sums.arrivals for b in buckets] == [0, 1, 0, 0, 0, 0]
    assert [b.sums.departures for b in buckets] == [0, 0, 0, 0, 1, 0]
    assert [b.sums.peak for b in buckets] == [0, 1, 1, 1, 1, 0]


def test_headcount_follows_the_people():
    people, end, _ = TABLE["two together"]
    _, answers = play(people, end)
    counts = [answer[0].headcount for answer in answers]
    steps = [b for a, b in itertools.pairwise(counts) if a != b]
    assert steps == [1, 2, 1, 0]


def test_a_small_zone_beside_a_big_person_can_be_entered():
    strip = Zone("strip", ((0.5, 0.5), (0.52, 0.5), (0.52, 0.9), (0.5, 0.9)))
    people = [standing((0, OUT), (2, (0.51, 0.7)), (12, OUT), (15, None))]
    settings = ZoneSettings(dead_band_heights=0.5)
    assert booked(sums(people, 16, zones=(strip,), settings=settings)) == (1, 1, 1, 10)


def test_each_zone_has_its_own_books():
    other = Zone("other", ((0.0, 0.4), (0.3, 0.4), (0.3, 0.8), (0.0, 0.8)))
    people = [standing((0, OUT), (4, IN), (10, OUT), (14, None))]
    hall, yard = play(people, 18, zones=(SQUARE, other))[0]
    assert (hall.zone, booked(hall.sums)) == ("hall", (1, 1, 1, pytest.approx(6)))
    assert yard.zone == "other"
    # Standing in the other zone before, between and after.
    assert booked(yard.sums) == (2, 2, 1, pytest.approx(3.9 + 4))


def test_the_anchor_decides_where_a_person_is():
    # Feet below the square, body in it.
    people = [standing((0, (0.6, 0.95)), (2, (0.6, 0.88)), (12, (0.6, 1.2)), (15, None))]
    assert sums(people, 16).arrivals == 0
    assert sums(people, 16, settings=ZoneSettings(anchor=Anchor.CENTRE)).arrivals == 1


def test_of_several_lost_and_found_the_nearest_belong_together():
    counter = ZoneCounter([SQUARE], ZoneSettings(hold_s=0.0))

    def look(at, places, ended=()):
        live = tuple(Track(n, box((x, 0.6)), 0.9, at, observed=True) for n, x in places.items())
        (answer,) = counter.update(Tracks(at, 1.0, live, ended))
        return answer.arrivals, answer.departures

    look(0.0, {})
    look(10.0, {1: 0.58, 2: 0.72})
    assert look(20.0, {1: 0.58, 2: 0.72}) == (2, 0)
    look(20.1, {}, ended=(1, 2))
    # 0.68 is near both, 0.45 only near 0.58: one person-height is 0.2.
    look(20.2, {3: 0.68, 4: 0.45})
    assert look(30.0, {3: 0.68, 4: 0.45}) == (0, 0)


def test_a_shutdown_empties_the_zone_and_is_nobodys_departure():
    counter = ZoneCounter([SQUARE], ZoneSettings(hold_s=0.0))
    counter.update(Tracks(0.0, 1.0))
    track = Track(1, box(IN), 0.9, 9.9, observed=True)
    assert counter.update(Tracks(10.0, 1.0, (track,))) == (Occupancy("hall", 1, 0, 0),)
    assert counter.finish() == (Occupancy("hall", 0, 1, 0),)


def test_state_is_dropped_with_its_track():
    counter = ZoneCounter([SQUARE])
    for k in range(20_000):
        live = (Track(k, box(IN), 0.9, k / 10, observed=True),)
        counter.update(Tracks(k / 10, 1.0, live, (k - 1,)))
        assert counter.tracks_held == 1
    counter.finish()
    assert counter.tracks_held == 0


def test_doubts_do_not_pile_up():
    counter = ZoneCounter([SQUARE], ZoneSettings(hold_s=0.0))
    for k in range(2_000):
        # Far apart, so that none of them pairs off.
        place = ((0.45, 0.45), (0.75, 0.75))[k % 2]
        live = (Track(k, box(place), 0.9, k / 10 + 100, observed=True),)
        counter.update(Tracks(k / 10, 1.0, live, (k - 1,)))
    ledger = counter._ledgers["hall"]
    assert len(ledger.appeared) + len(ledger.vanished) <= 2 * 31


def test_without_zones_nothing_is_held():
    counter = ZoneCounter(())
    live = (Track(1, box(IN), 0.9, 0.0, observed=True),)
    assert counter.update(Tracks(0.0, 1.0, live)) == ()
    assert counter.tracks_held == 0


def test_a_track_that_only_coasts_stays_where_it_was():
    counter = ZoneCounter([SQUARE], ZoneSettings(hold_s=0.0))
    track = Track(1, box(IN), 0.9, 0.0, observed=True)
    assert counter.update(Tracks(0.1, 1.0, (track,)))[0].headcount == 1
    lost = Track(1, box(OUT), 0.9, 0.0, observed=False)
    assert counter.update(Tracks(0.2, 1.0, (lost,)))[0].headcount == 1


def looks(counter, at, place, *, observed=True, born_at=9.0, ended=()):
    live = () if ended else (Track(1, box(place), 0.9, born_at, observed),)
    (answer,) = counter.update(Tracks(at, 1.0, live, ended))
    return answer.headcount, answer.arrivals, answer.departures


def test_who_is_lost_clear_outside_leaves_in_time_and_needs_no_further_picture():
    counter = ZoneCounter([SQUARE])
    assert looks(counter, 10.0, OUT) == (0, 0, 0)
    assert looks(counter, 11.0, OUT) == (0, 0, 0)
    assert looks(counter, 12.0, IN) == (1, 0, 0)
    assert looks(counter, 13.0, IN, observed=False) == (1, 0, 0)  # coming in has to be seen
    assert looks(counter, 13.1, IN) == (1, 1, 0)
    assert looks(counter, 14.0, OUT) == (0, 0, 0)
    assert looks(counter, 14.4, OUT, observed=False) == (0, 0, 0)
    assert looks(counter, 14.5, OUT, observed=False) == (0, 0, 1)
    assert looks(counter, 15.0, OUT, ended=(1,)) == (0, 0, 0)


def test_who_stands_still_and_is_missed_is_counted_for_a_moment_and_has_not_left():
    counter = ZoneCounter([SQUARE])
    counter.update(Tracks(0.0, 1.0))
    for at in (10.0, 11.0):
        looks(counter, at, IN)
    # Where the tracker thinks they have gone does not matter while they are not seen.
    assert looks(counter, 12.0, OUT, observed=False)[0] == 1
    assert looks(counter, 12.1, OUT, observed=False)[0] == 0
    assert looks(counter, 12.4, OUT, observed=False) == (0, 0, 0)
    assert looks(counter, 12.5, IN) == (1, 0, 0)
    assert looks(counter, 20.0, IN) == (1, 1, 0)  # found in the middle at 10 s, and never gone


def test_a_box_that_is_seen_in_one_picture_only_is_nobody():
    counter = ZoneCounter([SQUARE])
    assert looks(counter, 10.0, IN, born_at=10.0) == (0, 0, 0)
    assert looks(counter, 10.1, IN, born_at=10.0, observed=False) == (0, 0, 0)
    assert looks(counter, 10.2, IN, born_at=10.0) == (1, 0, 0)


def test_wide_pictures_are_measured_in_person_heights():
    # 0.04 outside in x is 0.08 picture-heights at 2:1, beyond a dead-band of 0.06.
    settings = ZoneSettings(hold_s=0.0, dead_band_heights=0.3)
    beside = Track(1, (0.35, 0.4, 0.37, 0.6), 0.9, 0.0, observed=True)
    for aspect, departures in ((1.0, 0), (2.0, 1)):
        counter = ZoneCounter([SQUARE], settings)
        counter.update(Tracks(0.0, 1.0))
        inside = Track(1, box(IN), 0.9, 0.0, observed=True)  # in a picture of another shape
        counter.update(Tracks(0.1, 1.0, (inside,)))
        (answer,) = counter.update(Tracks(0.2, aspect, (beside,)))
        assert (answer.headcount, answer.departures) == (0, departures)
