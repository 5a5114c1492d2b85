"""The whole pipe with a scripted detector: people in a zone become sealed records."""

import json
from datetime import timedelta, timezone
from functools import partial

import numpy as np
import pytest

from edge.aggregation import Aggregator
from edge.counting import Counter
from edge.messages import counts_message
from edge.pipeline import Pipeline, Stages
from edge.records import parse_counts, verify_chain
from edge.testing import ManualClock, MemoryOutbox, ScriptedDetector
from edge.timeline import Timeline
from edge.tracking import Tracker
from edge.vocabulary import (
    CoverageReason,
    DailyWindow,
    Detections,
    Frame,
    Line,
    NoFrame,
    Provenance,
    Zone,
    ZoneKind,
)
from edge.zones import ZoneCounter

FPS = 10
INTERVAL_MS = 300_000
NOON = 1_767_268_800.0  # 2026-01-01 12:00 UTC, 20:00 in Shanghai
PICTURE = np.zeros((90, 160, 3), np.uint8)
AREA = ((0.4, 0.3), (0.9, 0.3), (0.9, 0.9), (0.4, 0.9))
# 20:00:20 cannot be written; the window begins with the minute 20:01.
HALL = Zone("hall", AREA, ZoneKind.ACTIVITY, (DailyWindow(20 * 60 + 1, 20 * 60 + 2),))
DESK = Zone("desk", AREA, ZoneKind.QUEUE)
LINE = Line("door", ((0.4, 0.2), (0.4, 0.95)), -1)


def x_of(person, t):
    """Come in from the left, stay 10 s, leave to the left: one person every 20 s."""
    begin, stay = 5 + 20 * person, 10.0
    if not begin <= t < begin + 4 + stay:
        return None
    if t < begin + 2:
        return 0.2 + 0.2 * (t - begin)
    return 0.6 if t < begin + 2 + stay else 0.6 - 0.2 * (t - begin - 2 - stay)


def script(people, seconds):
    pictures = []
    for k in range(round(seconds * FPS)):
        xs = [x for n in range(people) if (x := x_of(n, k / FPS)) is not None]
        boxes = np.array([[x - 0.03, 0.4, x + 0.03, 0.7] for x in xs], np.float32).reshape(-1, 4)
        pictures.append(Detections(boxes, np.full(len(xs), 0.9, np.float32), 160 / 90))
    return pictures


def run(people, items, zones, pictures=None):
    outbox = MemoryOutbox("dev")
    seconds = items[-1].at
    pipeline = Pipeline(
        detector=ScriptedDetector(pictures or script(people, seconds)),
        tracker=Tracker(),
        stages=Stages(
            counter=Counter([LINE]),
            zones=ZoneCounter(zones),
            aggregator=partial(
                Aggregator,
                ["door"],
                INTERVAL_MS,
                zones=zones,
                time_zone=timezone(timedelta(hours=8)),
            ),
            provenance=Provenance("cfg", "model"),
        ),
        outbox=outbox,
        timeline=Timeline(ManualClock(NOON)),
        interval_ms=INTERVAL_MS,
    )
    steps = []
    pipeline.run(items, steps.append)
    return outbox, steps


def frames(seconds):
    return [Frame((k + 1) / FPS, k, PICTURE) for k in range(round(seconds * FPS))]


def records(outbox):
    return [json.loads(r.body) for r in outbox.pending(100)]


def test_six_visits_become_one_record_per_zone_beside_the_line():
    outbox, steps = run(6, frames(125), [HALL, DESK])
    line, hall, desk = records(outbox)
    assert (line["line"], line["in"], line["out"]) == ("door", 6, 6)
    assert (desk["zone"], desk["kind"], desk["arrivals"], desk["departures"]) == (
        "desk", "queue", 6, 6,
    )  # fmt: skip
    # From the outline to 0.6 and back it is 1 s each way.
    assert desk["presence_s"] == pytest.approx(6 * 12, abs=2.5)
    assert desk["wait_s"] == pytest.approx(12, abs=0.4)
    assert (desk["peak"], desk["used_s"]) == (1, desk["presence_s"])
    assert (hall["zone"], hall["dwell_s"]) == ("hall", desk["wait_s"])
    # Of the minute 20:01: three visits of 12 s, as seen through the same rule.
    assert hall["window_s"] == 60
    assert hall["in_window_s"] == pytest.approx(36, abs=1.5)
    assert max(step.occupancies[0].headcount for step in steps) == 1
    stored = outbox.pending(100)
    parsed = parse_counts(counts_message("t", "dev", outbox.stream, stored).payload)
    verify_chain(parsed)
    assert parsed[2].wait_s == desk["wait_s"]


def test_two_visits_are_counted_and_their_mean_is_not_told():
    _, desk = records(run(2, frames(45), [DESK])[0])
    assert (desk["arrivals"], desk["departures"], desk["wait_s"]) == (2, 2, None)
    assert desk["presence_s"] == pytest.approx(24, abs=1)


def test_a_visit_over_the_end_of_an_interval_is_split_there():
    # Visits begin every 20 s from 5 s on; the interval ends at 300 s, in the 15th visit.
    outbox, _ = run(15, frames(325), [DESK])
    first, second = (r for r in records(outbox) if "zone" in r)
    assert (first["t1"], second["t0"]) == ("2026-01-01T12:05:00Z", "2026-01-01T12:05:00Z")
    assert first["presence_s"] + second["presence_s"] == pytest.approx(15 * 12, abs=6)
    assert second["presence_s"] == pytest.approx(0, abs=1)
    assert (first["arrivals"], second["arrivals"], second["tot_arrivals"]) == (15, 0, 15)
    total = first["presence_s"] + second["presence_s"]
    assert second["tot_presence_s"] == pytest.approx(total)


def test_without_pictures_nobody_is_counted_and_null_is_not_zero():
    gaps = [NoFrame(float(k + 1), CoverageReason.NO_CAMERA) for k in range(310)]
    _, first, _, last = records(run(0, gaps, [DESK])[0])
    for record in (first, last):
        assert (record["presence_s"], record["arrivals"], record["peak"]) == (None, None, None)
        assert (record["wait_s"], record["cov"], record["cov_reason"]) == (None, 0, "no_camera")


def test_a_camera_that_fails_during_a_visit_adds_no_time_and_no_departure():
    items = [
        frame if not 12 < frame.at < 30 else NoFrame(frame.at, CoverageReason.NO_CAMERA)
        for frame in frames(45)
    ]
    outbox, _ = run(1, items, [DESK])
    _, desk = records(outbox)
    # In at 6 s, the pictures end at 12 s.
    assert desk["presence_s"] == pytest.approx(12 - 6, abs=0.3)
    assert (desk["arrivals"], desk["departures"]) == (1, 0)
    assert desk["cov"] == pytest.approx(27 / 45, abs=0.01)


def test_who_appeared_just_before_the_end_has_arrived():
    pictures = script(1, 12)  # the way in is not seen, and the clip ends in the visit
    unseen = [script(0, 1)[0]] * 90
    _, desk = records(run(1, frames(12), [DESK], unseen + pictures[90:])[0])
    assert (desk["arrivals"], desk["departures"]) == (1, 0)


def test_two_runs_over_the_same_frames_give_the_same_bytes():
    bodies = [[r.body for r in run(6, frames(125), [HALL, DESK])[0].pending(100)] for _ in range(2)]
    assert bodies[0] == bodies[1]
