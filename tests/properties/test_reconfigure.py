"""A config that changes while people walk never loses or doubles one of them.

The lines and zones that stay as they are count the same as if nothing had been changed,
whatever becomes of the others, and whenever.
"""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.adapters.detections_mot import MotDetections
from edge.assembly import build_stages
from edge.config import Config, load
from edge.pipeline import Pipeline
from edge.testing import ManualClock, MemoryOutbox, ScriptedDetector
from edge.timeline import PLAUSIBLE_FROM_S, Timeline
from edge.tracking import Tracker
from edge.vocabulary import Detections, Frame

STEP_S = 0.2
INTERVAL_S = 7.0
PICTURE = np.zeros((90, 160, 3), np.uint8)
STAYS = {"id": "stays", "points": [[0.0, 0.5], [1.0, 0.5]], "in": "down"}
HALL = {"id": "hall", "polygon": [[0, 0.4], [1, 0.4], [1, 0.8], [0, 0.8]]}
SUMS = ("in", "out", "uturn", "ambiguous", "born_past_line", "in_low", "in_high")
ZONE_SUMS = ("presence_s", "arrivals", "departures")


def configured(lines, zones=()):
    return Config.model_validate(
        {
            "device": {"tenant": "t", "id": "d"},
            "camera": {"source": "/dev/video0"},
            "lines": lines,
            "zones": zones,
            "mqtt": {"host": "x", "insecure_lab": True},
        }
    )


def run(detector, frames, first, edits):
    """Count, with another config in force before some pictures; return the records."""
    outbox = MemoryOutbox("d")
    stream = outbox.stream
    pipeline = Pipeline(
        detector=detector,
        tracker=Tracker(),
        stages=build_stages(first, "m", INTERVAL_S),
        outbox=outbox,
        timeline=Timeline(ManualClock(PLAUSIBLE_FROM_S), waits=False),
        interval_ms=round(INTERVAL_S * 1000),
    )
    for frame in frames:
        for config in edits.get(frame.index, ()):
            pipeline.reconfigure(build_stages(config, "m", INTERVAL_S))
        pipeline.step(frame)
    pipeline.finish()
    assert not pipeline.progress.unsaved
    records = [json.loads(r.body) for r in outbox.pending(100_000)]
    assert outbox.stream == stream  # where dates overlap, a new one begins
    return records


def sums(records, subject, names=SUMS):
    """Add the records of a line or zone; they meet each other, with neither hole nor overlap."""
    mine = [r for r in records if subject in (r.get("line"), r.get("zone"))]
    assert all(a["t1"] == b["t0"] for a, b in pairwise(mine))
    return {name: round(sum(r[name] or 0 for r in mine), 3) for name in names}


places = st.floats(0.2, 0.9).map(lambda y: round(y, 2))
walks = st.lists(places, min_size=20, max_size=90)
drawn = st.builds(
    lambda y, way: {"id": "other", "points": [[0.1, y], [0.9, y]], "in": way},
    places,
    st.sampled_from(["up", "down"]),
)
lists = st.sampled_from([[], [0], [1], [0, 1]])


def smooth(ys):
    """Let somebody go there at a walking pace, so that the tracker keeps them."""
    at, out = ys[0], []
    for y in ys:
        while abs(y - at) > 0.06:
            at += 0.06 if y > at else -0.06
            out.append(at)
        out.append(at := y)
    return out


def seen(people, k):
    feet = [(0.15 + 0.3 * n, ys[k]) for n, ys in enumerate(people) if k < len(ys)]
    boxes = np.array([[x - 0.05, y - 0.2, x + 0.05, y] for x, y in feet], np.float32)
    return Detections(boxes.reshape(-1, 4), np.full(len(feet), 0.9, np.float32), 160 / 90)


BUSY = [0.79, 0.65, 0.8, 0.7, 0.51, 0.2, 0.33, 0.88, 0.62, 0.49, 0.53, 0.54, 0.36, 0.31, 0.9, 0.63]
BUSY += [0.2, 0.78, 0.69, 0.25, 0.81, 0.78, 0.58]


@settings(max_examples=40, deadline=None)
@example(  # exactly where two intervals meet, with a line that goes; twice at once
    [smooth(BUSY)],
    [
        (0, [{"id": "other", "points": [[0.1, 0.53], [0.9, 0.53]], "in": "up"}]),
        (105, []),
        (105, []),
    ],
)
@given(
    st.lists(walks.map(smooth), min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(0, 120), st.lists(drawn, max_size=1)), max_size=8),
)
def test_what_stays_counts_as_if_nothing_had_changed(people, changes):
    count = max(map(len, people)) + 5
    script = [seen(people, k) for k in range(count)]
    frames = [Frame((k + 1) * STEP_S, k, PICTURE) for k in range(count)]
    edits = {}
    for at, others in changes:
        zone = {"id": "corner", "polygon": [[0, 0], [0.3, 0], [0.3, round(at / 200 + 0.1, 3)]]}
        edits.setdefault(at, []).append(configured([STAYS, *others], [HALL, zone]))
    first = configured([STAYS], [HALL])
    without = run(ScriptedDetector(script), frames, first, {})
    changed = run(ScriptedDetector(script), frames, first, edits)
    assert sums(changed, "stays") == sums(without, "stays")
    assert sums(changed, "hall", ZONE_SUMS) == sums(without, "hall", ZONE_SUMS)


def test_a_crossing_belongs_to_the_interval_in_which_it_happened():
    walk = [0.3 + 0.02 * k for k in range(26)]  # over 0.5 at k = 10 or 11, then gone
    frames = [Frame((k + 1) * STEP_S, k, PICTURE) for k in range(60)]
    edits = {14: [configured([STAYS, {**STAYS, "id": "other", "points": [[0, 0.9], [1, 0.9]]}])]}
    script = ScriptedDetector([seen([walk], k) for k in range(60)])
    records = run(script, frames, configured([STAYS]), edits)
    mine = [(r["in"], r["cfg"], r["t1"][17:]) for r in records if r["line"] == "stays"]
    before, after = configured([STAYS]).hash(), edits[14][0].hash()
    assert before != after
    assert mine[0] == (1, before, "02.800Z")
    assert {(n, cfg) for n, cfg, _ in mine[1:]} == {(0, after)}


def test_real_detections_count_the_same_with_a_hundred_edits():
    config = load(Path("tests/data/pets09-eight-lines.yaml"))
    stays = config.lines[:3]
    rng = np.random.default_rng(6)
    source = MotDetections(Path("tests/data/vtest.det.txt"), (768, 576), 5.0)
    frames = list(source.frames())
    edits = {}
    for at in rng.choice(len(frames), 100, replace=False):
        others = tuple(line for line in config.lines[3:] if rng.random() < 0.5)
        edits[int(at)] = [config.model_copy(update={"lines": (*stays, *others)})]
    without, changed = run(source, frames, config, {}), run(source, frames, config, edits)
    assert sum(sum(sums(without, line.id, ("in", "out")).values()) for line in stays) > 15
    for line in stays:
        assert sums(changed, line.id) == sums(without, line.id)
