"""The published crossing vectors: what must be booked for each way of walking."""

import json
from bisect import bisect_right
from collections import Counter as Tally
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edge.aggregation import Aggregator
from edge.config_drawings import LineSection
from edge.counting import Counter, CountingSettings
from edge.pipeline import Pipeline, Stages
from edge.testing import ManualClock, MemoryOutbox, ScriptedDetector
from edge.timeline import Timeline
from edge.tracking import Tracker
from edge.vocabulary import (
    Detections,
    Frame,
    Line,
    Outcome,
    Provenance,
    TimeQuality,
    Track,
    Tracks,
)

DOCUMENT = json.loads(Path(__file__).with_name("crossing_vectors.json").read_text("utf-8"))
VECTORS = {v["name"]: v for v in DOCUMENT["vectors"]}
SWAPPED = {"in": "out", "out": "in"}

WITHOUT = {
    "dead_band": CountingSettings(dead_band_heights=0.0, hold_s=0.0),
    "hold": CountingSettings(hold_s=0.0, uturn_s=0.0),
    "uturn": CountingSettings(uturn_s=0.0),
    "near": CountingSettings(near_heights=0.0),
    "unseen": CountingSettings(unseen_s=9.0),
    "crowd": CountingSettings(crowd_iou=9.0),
}


def feet(person, at, frame):
    """Where the feet are at a moment, or None when the person is not seen."""
    way = person["way"]
    gone = at < way[0][0] - 1e-9 or at > way[-1][0] + 1e-9
    if gone or any(a <= at < b for a, b in person.get("unseen", [])):
        return None
    k = min(max(1, bisect_right([w[0] for w in way], at + 1e-9)), len(way) - 1)
    (t0, x0, y0), (t1, x1, y1) = way[k - 1], way[k]
    share = min(1.0, (at - t0) / (t1 - t0))
    tremble = person.get("tremble_heights", 0.0) * person.get("height", 0.2)
    return x0 + (x1 - x0) * share, y0 + (y1 - y0) * share + tremble * (-1) ** frame


def play(vector, line, settings=None):
    """Return what a counter books for a vector, what it showed live, and its range if any."""
    booked, live, doubts = Tally(), Tally(), Tally()
    counter, first_id = Counter([line], settings), 0
    end = max(p["way"][-1][0] for p in vector["people"])
    restart = vector.get("restart_s")

    def note(answer):
        booked.update(str(c.outcome) for c in answer.booked)
        live.update(str(c.outcome) for c in answer.live)
        doubts.update((str(c.doubt), c.doubt is c.outcome) for c in answer.booked if c.doubt)

    seen: set[int] = set()
    for frame in range(round(end * vector["fps"]) + 1):
        at = frame / vector["fps"]
        if restart is not None and at > restart:
            note(counter.finish(at))
            counter, first_id, restart, seen = Counter([line], settings), 100, None, set()
        tracks, gone = [], []
        for number, person in enumerate(vector["people"], first_id):
            if (point := feet(person, at, frame)) is not None:
                height = person.get("height", 0.2)
                x, y = point
                box = (x - 0.03, y - height, x + 0.03, y)
                tracks.append(Track(number, box, 0.9, 0.0, observed=True))
                seen.add(number)
            elif number in seen and at > person["way"][-1][0]:
                gone.append(number)
                seen.discard(number)
        note(counter.update(Tracks(at, 1.0, tuple(tracks), tuple(gone))))
    note(counter.finish(end + 1))
    bounds = {
        way: [booked[way] - doubts[way, True], booked[way] + doubts[way, False]]
        for way in ("in", "out")
    }
    return +booked, +live, {k: v for k, v in bounds.items() if v != [booked[k]] * 2}


def line_of(vector, turned=False):
    section = LineSection.model_validate({"id": "door", **vector["line"]})
    line = section.line()
    return Line(line.id, line.points, -line.entry) if turned else line


@pytest.mark.parametrize("name", VECTORS)
def test_vector(name):
    booked, live, bounds = play(VECTORS[name], line_of(VECTORS[name]))
    assert booked == VECTORS[name]["expected"]
    assert bounds == VECTORS[name].get("range", {})
    for way in ("in", "out"):
        assert live[way] == booked[way] + booked["uturn"]


@pytest.mark.parametrize("name", VECTORS)
def test_vector_with_the_line_the_other_way_round(name):
    booked, _, bounds = play(VECTORS[name], line_of(VECTORS[name], turned=True))
    assert booked == {SWAPPED.get(k, k): n for k, n in VECTORS[name]["expected"].items()}
    assert bounds == {SWAPPED[k]: n for k, n in VECTORS[name].get("range", {}).items()}


@pytest.mark.parametrize("name", [n for n, v in VECTORS.items() if "fails_without" in v])
def test_without_its_rule_a_vector_fails(name):
    vector = VECTORS[name]
    line, settings = line_of(vector), WITHOUT.get(vector["fails_without"])
    if vector["fails_without"] == "ends":
        (x0, y0), (x1, y1) = line.points
        line = Line(line.id, ((x0 - 9, y0), (x1 + 9, y1)), line.entry)
    if vector["fails_without"] == "first_side":
        (person,) = vector["people"]
        vector = vector | {"people": [{**person, "unseen": [[0.0, 0.2]]}]}
    booked, _, bounds = play(vector, line, settings)
    assert (booked, bounds) != (vector["expected"], vector.get("range", {}))


def test_a_clock_that_is_set_makes_no_second_record_of_an_interval():
    """The vector as records, through the whole pipe: the way on which dates are made."""
    (vector,) = [v for v in VECTORS.values() if "clock_jump" in v]
    at_s, by_s = vector["clock_jump"]
    clock, outbox = ManualClock(1_768_132_799.0), MemoryOutbox("dev")
    script = [seen_at(vector, frame) for frame in range(31)]
    pipe = Pipeline(
        detector=ScriptedDetector(script),
        tracker=Tracker(),
        stages=Stages(
            counter=Counter([line_of(vector)]),
            aggregator=partial(Aggregator, ["door"], 1000),
            provenance=Provenance("cfg", "model"),
        ),
        outbox=outbox,
        timeline=Timeline(clock),
        interval_ms=1000,
    )
    for frame in range(31):
        at = frame / vector["fps"]
        if at == at_s:
            clock.jump(by_s, TimeQuality.NTP)
        pipe.step(Frame(at + 0.001, frame, np.zeros((9, 9, 3), np.uint8)))
    pipe.finish()
    before, after = (
        [json.loads(r.body) for r in outbox.pending(100, stream=stream)]
        for stream in outbox.streams()
    )
    assert sum(r["in"] for r in before + after) == vector["expected"]["in"]
    for records in (before, after):
        assert [r["t1"] for r in records[:-1]] == [r["t0"] for r in records[1:]]
    assert after[0]["t0"] < before[0]["t0"]
    assert len({r["t0"] for r in before + after}) == len(before + after) == 5


def seen_at(vector, frame):
    """Detections of one frame of a vector, in a square picture."""
    at = frame / vector["fps"]
    points = [feet(person, at, frame) for person in vector["people"]]
    boxes = [(x - 0.03, y - 0.2, x + 0.03, y) for x, y in filter(None, points)]
    table = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(table, np.full(len(boxes), 0.9, np.float32), 1.0)


def test_every_outcome_has_a_vector():
    named = {k for v in VECTORS.values() for k in v["expected"]}
    assert named == {str(o) for o in Outcome}
