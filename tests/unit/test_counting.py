"""The crossing rule as a table of trajectories: y of the feet over time, line at y = 0.5."""

import math
import random
from itertools import pairwise

import pytest

from edge.counting import Counter, CountingSettings
from edge.vocabulary import Anchor, Line, Outcome, Track, Tracks

DOOR = Line("door", ((0.2, 0.5), (0.8, 0.5)), entry=1)  # IN is downwards
HEIGHT = 0.2
FPS = 10.0


def track(x: float, y: float, number: int = 1, observed: bool = True) -> Track:
    return Track(number, (x - 0.03, y - HEIGHT, x + 0.03, y), 0.9, 0.0, observed)


def walk(points, line=DOOR, settings=None, fps=FPS):
    """Feed one track and end it; return (booked, live) outcomes."""
    counter = Counter([line], settings)
    booked, live = [], []
    at = 0.0
    for point in points:
        tracks = Tracks(at, 1.0, (track(*point),)) if point else Tracks(at, 1.0)
        answer = counter.update(tracks)
        booked += answer.booked
        live += answer.live
        at += 1 / fps
    answer = counter.finish(at)
    assert len(counter) == 0
    return [c.outcome for c in booked + list(answer.booked)], [
        c.outcome for c in live + list(answer.live)
    ]


def along(*stations, steps=10):
    """Straight ways between stations (x, y)."""
    points = [stations[0]]
    for (x0, y0), (x1, y1) in pairwise(stations):
        points += [
            (x0 + (x1 - x0) * k / steps, y0 + (y1 - y0) * k / steps) for k in range(1, steps + 1)
        ]
    return points


ABOVE, BELOW, ON = (0.5, 0.35), (0.5, 0.65), (0.5, 0.5)
JITTER = random.Random(7)
LINGER = [(0.5, 0.5 + JITTER.uniform(-0.015, 0.015)) for _ in range(600)]

CASES = {
    "walks in": (along(ABOVE, BELOW), [Outcome.IN]),
    "walks out": (along(BELOW, ABOVE), [Outcome.OUT]),
    "fast walker jumps the band in one frame": ([ABOVE] * 4 + [BELOW] * 4, [Outcome.IN]),
    "lingers a minute on the line, goes back": (
        along(ABOVE, ON) + LINGER + along(ON, ABOVE),
        [],
    ),
    "lingers a minute on the line, goes on": (
        along(ABOVE, ON) + LINGER + along(ON, BELOW),
        [Outcome.IN],
    ),
    "peeks over the line": (along(ABOVE, (0.5, 0.515), ABOVE), []),
    "flickers to the other side for one frame": (
        [ABOVE] * 5 + [BELOW] + [ABOVE] * 5,
        [],
    ),
    "turns round behind the line": (along(ABOVE, BELOW, ABOVE), [Outcome.UTURN]),
    "comes in and leaves a minute later": (
        along(ABOVE, BELOW) + [BELOW] * 600 + along(BELOW, ABOVE),
        [Outcome.IN, Outcome.OUT],
    ),
    "walks along the line": (along((0.2, 0.46), (0.8, 0.46)), []),
    "passes outside the ends": (along((0.9, 0.35), (0.9, 0.65)), []),
    "goes round the end of the line": (
        along((0.5, 0.35), (0.95, 0.35), (0.95, 0.65), (0.5, 0.65)),
        [],
    ),
    "crosses, and comes back round the end before it has settled": (
        [(0.78, 0.35)] * 4 + [(0.78, 0.53), (0.9, 0.53)] + [(0.9, 0.35)] * 8,
        [],
    ),
    "begins close to the line and crosses it": (along((0.5, 0.47), (0.5, 0.8)), [Outcome.IN]),
    "walks away from the line, begun close to it": (
        along((0.5, 0.53), (0.5, 0.8)),
        [Outcome.BORN_PAST_LINE],
    ),
    "vanishes on the line": (along(ABOVE, (0.5, 0.51)), [Outcome.AMBIGUOUS]),
    "leaves the picture right behind the line": (
        [*along(ABOVE, (0.5, 0.49)), (0.5, 0.54)],
        [Outcome.IN],
    ),
    "is hidden while crossing": ([ABOVE] * 5 + [None] * 5 + [BELOW] * 5, [Outcome.IN]),
}


@pytest.mark.parametrize("name", CASES)
def test_trajectory_is_booked_as(name):
    points, expected = CASES[name]
    booked, _ = walk(points)
    assert booked == expected


@pytest.mark.parametrize("name", CASES)
def test_the_other_way_round_swaps_in_and_out(name):
    points, expected = CASES[name]
    swapped = {Outcome.IN: Outcome.OUT, Outcome.OUT: Outcome.IN}
    reverse = Line(DOOR.id, DOOR.points, -DOOR.entry)
    booked, _ = walk(points, reverse)
    assert booked == [swapped.get(o, o) for o in expected]


def test_the_live_count_shows_both_ways_of_a_uturn():
    _, live = walk(along(ABOVE, BELOW, ABOVE))
    assert live == [Outcome.IN, Outcome.OUT]


def test_without_a_dead_band_and_hold_time_a_lingering_person_is_counted_many_times():
    points, _ = CASES["lingers a minute on the line, goes back"]
    _, live = walk(points, settings=CountingSettings(dead_band_heights=0.0, hold_s=0.0))
    assert len(live) > 20


def test_the_centre_anchor_crosses_later_than_the_feet():
    settings = CountingSettings(anchor=Anchor.CENTRE)
    assert walk(along(ABOVE, (0.5, 0.55)), settings=settings)[0] == []
    assert walk(along(ABOVE, (0.5, 0.75)), settings=settings)[0] == [Outcome.IN]


def test_a_polyline_counts_each_arm_and_not_its_corner_twice():
    corner = Line("corner", ((0.2, 0.2), (0.5, 0.5), (0.8, 0.2)), entry=1)
    assert walk(along((0.5, 0.3), (0.5, 0.8)), corner)[0] == [Outcome.IN]
    assert walk(along((0.5, 0.3), (0.2, 0.6)), corner)[0] == [Outcome.IN]


def test_two_people_side_by_side_are_two():
    counter = Counter([DOOR])
    for k, (_, y) in enumerate(along(ABOVE, BELOW)):
        counter.update(Tracks(k / FPS, 1.0, (track(0.45, y, 1), track(0.55, y, 2))))
    assert [c.outcome for c in counter.finish(2.0).booked] == [Outcome.IN, Outcome.IN]


def test_predicted_positions_alone_count_nothing():
    counter = Counter([DOOR])
    for k, (x, y) in enumerate(along(ABOVE, BELOW)):
        counter.update(Tracks(k / FPS, 1.0, (track(x, y, observed=k < 3),)))
    assert counter.finish(2.0).booked == ()


def test_nothing_is_booked_before_what_was_called_settled():
    counter = Counter([DOOR])
    settled = -math.inf
    just_past = (0.5, 0.51)
    way = along(ABOVE, just_past) + [just_past] * 300 + along(just_past, BELOW) + [BELOW] * 100
    for k, point in enumerate(way):
        answer = counter.update(Tracks(k / FPS, 1.0, (track(*point),)))
        assert all(c.at >= settled for c in answer.booked)
        assert answer.settled_until >= settled
        settled = answer.settled_until
    assert settled == pytest.approx((len(way) - 1) / FPS - 5.3)


def test_state_goes_with_the_track():
    counter = Counter([DOOR])
    for number in range(1000):
        counter.update(Tracks(number / FPS, 1.0, (track(0.5, 0.4, number),), (number - 1,)))
    assert len(counter) == 1
