"""The crossing rule beyond the published vectors (tests/contract/crossing_vectors.json)."""

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


def test_the_live_count_shows_both_ways_of_a_uturn():
    _, live = walk(along(ABOVE, BELOW, ABOVE))
    assert live == [Outcome.IN, Outcome.OUT]


def test_without_a_dead_band_and_hold_time_a_lingering_person_is_counted_many_times():
    points = along(ABOVE, ON) + LINGER + along(ON, ABOVE)
    _, live = walk(points, settings=CountingSettings(dead_band_heights=0.0, hold_s=0.0))
    assert len(live) > 20


def test_the_centre_anchor_crosses_later_than_the_feet():
    settings = CountingSettings(anchor=Anchor.CENTRE)
    assert walk(along(ABOVE, (0.5, 0.55)), settings=settings)[0] == [Outcome.AMBIGUOUS]
    assert walk(along(ABOVE, (0.5, 0.75)), settings=settings)[0] == [Outcome.IN]


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


@pytest.mark.parametrize(
    ("points", "outcome", "at"),
    [
        (along((0.5, 0.53), (0.5, 0.8), (0.9, 0.8)), Outcome.BORN_PAST_LINE, 0.0),
        (along(ABOVE, (0.5, 0.2), (0.5, 0.47)), Outcome.AMBIGUOUS, 2.0),
        (along(BELOW, (0.5, 0.505), (0.5, 0.495)), Outcome.AMBIGUOUS, 1.6),
    ],
)
def test_a_doubt_is_dated_when_somebody_would_have_passed(points, outcome, at):
    counter = Counter([DOOR])
    for k, point in enumerate(points):
        counter.update(Tracks(k / FPS, 1.0, (track(*point),)))
    (doubt,) = counter.finish(len(points) / FPS).booked
    assert (doubt.outcome, doubt.at) == (outcome, pytest.approx(at))
