"""Invariants of the line doctor, for any people Hypothesis can think of."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config_drawings import LineSection
from edge.counting import Counter
from edge.foot_paths import MOST_LOOKS, MOST_PATHS, FootPaths
from edge.line_doctor import LineDoctor, examine
from edge.line_findings import DoctorSettings, Severity
from edge.line_meetings import meet, path_of
from edge.line_suggestion import suggest
from edge.vocabulary import Line, Outcome, Track, Tracks
from edge.walkers import crowd_of

FPS = 8.0
shares = st.floats(0.02, 0.98)
spots = st.tuples(shares, shares)
ways = st.tuples(spots, spots, st.integers(3, 20))
crowds = st.lists(ways, min_size=1, max_size=8)
lines = st.tuples(spots, spots).filter(lambda ends: abs(ends[0][0] - ends[1][0]) > 0.05)
HEIGHT = 0.15


def watch(crowd, line, order=None):
    """Let each person walk alone, straight, in so many steps."""
    doctor, counter = LineDoctor([line]), Counter([line])
    crossings = []
    at = 1.0
    doctor.observe(Tracks(0.0, 1.0))
    for number in order or range(len(crowd)):
        (x0, y0), (x1, y1), steps = crowd[number]
        for k in range(steps + 1):
            x, y = x0 + (x1 - x0) * k / steps, y0 + (y1 - y0) * k / steps
            box = (x - 0.03, y - HEIGHT, x + 0.03, y)
            tracks = Tracks(at, 1.0, (Track(number, box, 0.9, at, True),))
            doctor.observe(tracks)
            crossings += counter.update(tracks).live
            at += 1 / FPS
        ended = Tracks(at, 1.0, ended=(number,))
        doctor.observe(ended)
        crossings += counter.update(ended).live
        at += 1 / FPS
    return doctor, crossings


@settings(max_examples=50)
@given(crowds, lines)
def test_what_is_firm_is_counted(crowd, ends):
    line = Line("door", ends, 1)
    for way in crowd:
        doctor, crossings = watch([way], line)
        met = meet(crowd_of(doctor.paths()), path_of(line, 1.0))
        outcomes = [c.outcome for c in crossings]
        assert outcomes.count(Outcome.IN) >= met.forth.sum()
        assert outcomes.count(Outcome.OUT) >= met.back.sum()


@settings(max_examples=25)
@given(crowds, lines)
def test_a_suggestion_is_never_worse_on_what_was_seen(crowd, ends):
    line = Line("door", ends, 1)
    doctor, _ = watch(crowd * 2, line)
    people = crowd_of(doctor.paths())
    told = suggest(line, people, meet(people, path_of(line, 1.0)), DoctorSettings())
    if told is None:
        return
    section = {"id": "door", "points": told.points, "in": told.entry}
    better = LineSection.model_validate(section).line()
    met = meet(people, path_of(better, 1.0))
    assert int(met.firm.sum()) == told.counted >= told.now
    assert int(met.troubled.sum()) == told.troubled
    assert told.counted - told.troubled > told.now - told.troubled_now
    assert all(0 < share < 1 for point in told.points for share in point)


@settings(max_examples=25)
@given(crowds, lines, st.randoms(use_true_random=False))
def test_the_order_in_which_people_come_changes_nothing(crowd, ends, chance):
    line = Line("door", ends, 1)
    order = list(range(len(crowd)))
    chance.shuffle(order)
    told = [watch(crowd, line, order)[0].findings()["door"] for order in (order, None)]
    assert sorted(told[0], key=str) == sorted(told[1], key=str)


@settings(max_examples=25)
@given(crowds, lines)
def test_a_line_drawn_the_other_way_round_is_the_same_line(crowd, ends):
    line = Line("door", ends, 1)
    doctor, _ = watch(crowd, line)
    turned = replace(line, points=line.points[::-1], entry=-1)
    told = examine(doctor.paths(), [line, turned], doctor.settings)
    assert told[0].findings[-1] == told[1].findings[-1]
    kinds = [
        {(f.code, f.measured) for f in each.findings if f.severity is not Severity.OK}
        for each in told
    ]
    assert kinds[0] == kinds[1]


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=400))
def test_memory_is_bounded_and_every_look_belongs_to_one_path(steps):
    feet = FootPaths()
    for k, (number, ends) in enumerate(steps):
        box = (0.4, 0.2, 0.5, 0.4)
        track = Track(number, box, 0.9, 0.0, True)
        feet.observe(Tracks(k / FPS, 1.5, () if ends else (track,), (number,) if ends else ()))
    paths = feet.paths()
    assert len(feet) <= min(len(steps), MOST_PATHS * MOST_LOOKS)
    assert len(paths.at) == len(feet)
    assert list(paths.owner[paths.begins]) == list(range(len(paths)))
    assert (np.diff(paths.at)[np.diff(paths.owner) == 0] > 0).all()
