"""Invariants of tracker, counter and records together, for any people Hypothesis can think of."""

import os
from functools import partial
from itertools import pairwise
from json import loads

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.aggregation import Aggregator
from edge.counting import Counter
from edge.pipeline import Pipeline, Stages
from edge.testing import ManualClock, MemoryOutbox, ScriptedDetector
from edge.timeline import Timeline
from edge.tracking import Tracker, TrackerSettings
from edge.vocabulary import Detections, Frame, Line, Provenance, TimeQuality
from edge.zones import ZoneCounter

LINE = Line("door", ((0.1, 0.5), (0.9, 0.5)), 1)
PICTURE = np.zeros((9, 9, 3), np.uint8)
FPS = 8
LONG = int(os.environ.get("LOBBYCOUNT_LONG_FRAMES", "3000"))
"""1000000 takes some ten minutes; run by hand."""


def twin(person):
    """A second box on the same person, as detectors give."""
    x, y, height, score = person
    return x + 0.013, y + 0.007, height * 1.1, (score + 0.3) / 2 + 0.17


# Some places and some random ones, so that tracks go on, meet and break off.
coordinate = st.sampled_from([0.3, 0.4, 0.5, 0.6, 0.7]) | st.floats(0.0, 1.0)
people = st.tuples(coordinate, coordinate, st.floats(0.1, 0.4), st.floats(0.3, 1.0))
pictures = st.lists(people, max_size=6).map(lambda scene: [*scene, *map(twin, scene[:2])])
scenes = st.lists(pictures, min_size=1, max_size=25)
CALM = settings(deadline=None)


def detections(scene):
    table = np.array([(x - h / 5, y - h, x + h / 5, y, s) for x, y, h, s in scene], np.float32)
    table = table.reshape(-1, 5)
    return Detections(table[:, :4], table[:, 4], 1.0)


def run(seen):
    """Return what a tracker and a counter say, frame by frame, without the arbitrary ids."""
    tracker, counter = Tracker(), Counter([LINE])
    said = []
    for k, each in enumerate(seen):
        tracks = tracker.update(each, k / FPS)
        found = counter.update(tracks)
        said.append((sorted(t.box for t in tracks.live), found.live, found.booked))
    said.append(counter.finish(len(seen) / FPS).booked)
    return said


def without_ties(scene):
    """Make all scores and sizes different, so that nothing is decided by a draw."""
    return [(x, y, h + 0.0013 * k, s + 0.0017 * k) for k, (x, y, h, s) in enumerate(scene)]


@CALM
@given(scenes, st.randoms(use_true_random=False))
def test_the_order_of_detections_changes_nothing(script, order):
    script = [without_ties(scene) for scene in script]
    shuffled = [order.sample(scene, len(scene)) for scene in script]
    assert run(map_all(script)) == run(map_all(shuffled))


def map_all(script):
    return [detections(scene) for scene in script]


@CALM
@given(scenes)
def test_nobody_is_two_tracks_in_one_frame_and_ids_never_come_back(script):
    tracker, ended = Tracker(), set()
    for k, scene in enumerate(script):
        tracks = tracker.update(detections(scene), k / FPS)
        ids = [t.id for t in tracks.live]
        assert len(set(ids)) == len(ids)
        assert sum(t.observed for t in tracks.live) <= len(scene)
        ended |= set(tracks.ended)
        assert ended.isdisjoint(ids)


@CALM
@given(
    scenes,
    st.lists(st.tuples(st.integers(0, 24), st.booleans(), st.floats(-1e6, 1e6)), max_size=6),
)
def test_records_sum_to_what_was_counted_under_any_restart_and_clock_jump(script, troubles):
    clock, outbox, booked = ManualClock(1_782_864_000.0), MemoryOutbox("dev"), []
    pipeline = partial(watched_pipeline, script, outbox, clock, booked)
    pipe = pipeline()
    for k in range(len(script)):
        clock.advance(1 / FPS)
        for _, restart, by_s in (each for each in troubles if each[0] == k):
            clock.jump(by_s, TimeQuality.NTP)
            if restart:
                pipe.finish()
                pipe = pipeline()
        pipe.step(Frame(clock.monotonic() + 0.001, k, PICTURE))
    pipe.finish()
    streams = [
        [loads(r.body) for r in outbox.pending(10_000, stream=stream)]
        for stream in outbox.streams()
    ]
    records = [r for stream in streams for r in stream]
    for field in ("in", "out", "uturn", "ambiguous", "born_past_line"):
        assert sum(r[field] or 0 for r in records) == booked.count(field)
    assert sum(stream[-1]["tot_in"] for stream in streams) == booked.count("in")
    assert sum(stream[-1]["tot_out"] for stream in streams) == booked.count("out")
    for stream in streams:
        assert all(a["t1"] <= b["t0"] for a, b in pairwise(stream))
    for r in (r for r in records if r["in"] is not None):
        assert 0 <= r["in_low"] <= r["in"] <= r["in_high"]
        assert 0 <= r["out_low"] <= r["out"] <= r["out_high"]


def watched_pipeline(script, outbox, clock, booked):
    """Make a pipe whose counter notes everything it books."""

    class Watched(Counter):
        def update(self, tracks):
            found = super().update(tracks)
            booked.extend(str(c.outcome) for c in found.booked)
            return found

    return Pipeline(
        detector=ScriptedDetector(map_all(script)),
        tracker=Tracker(),
        stages=Stages(
            counter=Watched([LINE]),
            aggregator=partial(Aggregator, ["door"], 1000),
            provenance=Provenance("cfg", "model"),
        ),
        outbox=outbox,
        timeline=Timeline(clock),
        interval_ms=1000,
    )


def test_state_does_not_grow_with_time():
    """Somebody appears for a moment, each time somewhere else, without end."""
    tracker, counter, zones = Tracker(), Counter([LINE]), ZoneCounter(())
    most = 0
    for k in range(LONG):
        place = (0.37 * k % 1, 0.61 * k % 1, 0.1, 0.9)
        tracks = tracker.update(detections([place]), k / FPS)
        counter.update(tracks)
        zones.update(tracks, watched=True)
        most = max(most, len(tracker), len(counter))
    assert 0 < most <= TrackerSettings().lost_s * FPS + 1
