"""The pipe with a scripted detector: what a camera sees becomes records."""

import json
from functools import partial

import numpy as np
import pytest

from edge.aggregation import Aggregator
from edge.counting import Counter
from edge.errors import OutboxError
from edge.pipeline import Pipeline, Stages
from edge.testing import ManualClock, MemoryOutbox, ScriptedDetector
from edge.timeline import Timeline
from edge.tracking import Tracker
from edge.vocabulary import (
    CoverageReason,
    Detections,
    Frame,
    Line,
    NoFrame,
    Provenance,
    TimeQuality,
    Zone,
)

LINE = Line("door", ((0.2, 0.5), (0.8, 0.5)), 1)
INTERVAL_MS = 300_000
NOON = 1_767_268_800.0  # 2026-01-01 12:00 UTC
PICTURE = np.zeros((90, 160, 3), np.uint8)


class RefusingOutbox(MemoryOutbox):
    """An outbox on a full disk, until told otherwise."""

    refuse = True

    def append(self, buckets):
        if self.refuse:
            raise OutboxError("the disk is full")
        super().append(buckets)


def person(y):
    boxes = np.array([[0.48, y - 0.2, 0.52, y]], np.float32)
    return Detections(boxes, np.array([0.9], np.float32), 160 / 90)


def pipeline(script, outbox, clock=None, aggregator=None, **options):
    return Pipeline(
        detector=ScriptedDetector(script),
        tracker=Tracker(),
        stages=Stages(
            counter=Counter([LINE]),
            aggregator=aggregator or partial(Aggregator, ["door"], INTERVAL_MS),
            provenance=Provenance("cfg", "model"),
        ),
        outbox=outbox,
        timeline=Timeline(clock or ManualClock(NOON)),
        interval_ms=INTERVAL_MS,
        **options,
    )


def records(outbox):
    return [json.loads(r.body) for r in outbox.pending(100)]


def frames(count, fps=10.0, start=0):
    return [Frame((k + 1) / fps, k, PICTURE) for k in range(start, start + count)]


WALK_IN = [person(0.35 + 0.01 * k) for k in range(31)]


def test_a_walk_becomes_one_record_of_the_time_the_video_lasted():
    outbox = MemoryOutbox("dev")
    pipeline(WALK_IN, outbox).run(frames(31))
    (record,) = records(outbox)
    assert (record["in"], record["out"], record["cov"]) == (1, 0, 1)
    assert (record["t0"], record["t1"]) == ("2026-01-01T12:00:00Z", "2026-01-01T12:00:03.100Z")


def test_without_pictures_the_record_has_no_counts():
    outbox = MemoryOutbox("dev")
    gaps = [NoFrame(float(k + 1), CoverageReason.NO_CAMERA) for k in range(400)]
    pipeline([], outbox).run(gaps)
    first, last = records(outbox)
    assert (first["in"], first["cov"], first["cov_reason"]) == (None, 0, "no_camera")
    assert (first["t1"], last["t0"]) == ("2026-01-01T12:05:00Z", "2026-01-01T12:05:00Z")


def test_counting_goes_on_while_the_outbox_refuses_and_nothing_is_lost():
    outbox = RefusingOutbox("dev")
    pipe = pipeline(WALK_IN, outbox)
    for frame in frames(31):
        pipe.step(frame)
    for second in range(4, 320):
        pipe.step(NoFrame(float(second), CoverageReason.NO_CAMERA))
    assert pipe.progress.unsaved == 1
    outbox.refuse = False
    for second in range(320, 620):
        pipe.step(NoFrame(float(second), CoverageReason.NO_CAMERA))
    assert [r["in"] for r in records(outbox)] == [1, None]
    assert pipe.progress.unsaved == 0


def test_the_delivery_is_woken_with_what_was_saved():
    pipe = pipeline(WALK_IN, MemoryOutbox("dev"))
    woken = []
    pipe.on_saved(woken.extend)
    pipe.run(frames(31))
    assert [b.line for b in woken] == ["door"]


def test_a_calibration_is_in_the_records_of_its_line_only():
    outbox = MemoryOutbox("dev")
    zones = [Zone("hall", ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9)))]
    aggregator = partial(Aggregator, ["door", "side"], INTERVAL_MS, zones=zones)
    pipe = pipeline([], outbox, aggregator=aggregator)
    pipe.cals = {"door": "0a", "hall": "0b"}
    pipe.run([NoFrame(1.0, CoverageReason.NO_CAMERA)])
    cals = {r.get("line", r.get("zone")): r["cal"] for r in records(outbox)}
    assert cals == {"door": "0a", "side": None, "hall": None}


def test_what_is_counted_before_the_clock_is_set_gets_its_dates_afterwards():
    """The board has no clock of its own and begins in 1999; NTP answers after a while."""
    clock = ManualClock(930_000_000.0, quality=TimeQuality.UNSYNCED)
    outbox = MemoryOutbox("dev")
    pipe = pipeline(WALK_IN, outbox, clock)
    for frame in frames(31):
        pipe.step(frame)
    assert (outbox.depth(), pipe.progress.waits_for_time) == (0, True)
    clock.jump(NOON - 930_000_000.0, TimeQuality.NTP)
    for k in range(4, 10):
        pipe.step(NoFrame(float(k), CoverageReason.NO_CAMERA))
    pipe.finish()
    first, last = records(outbox)
    # Who may still turn back is booked a few seconds later, here behind the cut.
    assert (first["in"] + last["in"], first["tq"], last["tq"]) == (1, "redated", "ntp")
    assert (first["t0"], first["t1"]) == ("2026-01-01T12:00:00Z", "2026-01-01T12:00:04Z")
    assert (last["t0"], last["t1"]) == ("2026-01-01T12:00:04Z", "2026-01-01T12:00:09Z")
    assert not pipe.progress.waits_for_time


@pytest.mark.parametrize("wrong", [930_000_000.0, 4_000_000_000.0])
def test_a_date_that_cannot_be_is_not_believed_whatever_the_kernel_says(wrong):
    outbox = MemoryOutbox("dev")
    pipe = pipeline(WALK_IN, outbox, ManualClock(wrong, quality=TimeQuality.NTP))
    pipe.run(frames(31))
    assert (outbox.depth(), len(outbox.waiting()), pipe.progress.waits_for_time) == (0, 1, True)


def test_a_clock_set_back_a_little_is_waited_for_in_the_same_stream():
    outbox = MemoryOutbox("dev")
    clock = ManualClock(NOON)
    pipe = pipeline(WALK_IN, outbox, clock)
    for frame in frames(31):
        pipe.step(frame)
    clock.jump(-2.0)
    for k in range(4, 30):
        pipe.step(NoFrame(float(k), CoverageReason.NO_CAMERA))
    pipe.finish()
    first, second = records(outbox)
    assert outbox.streams() == [outbox.stream]
    assert first["t1"] == second["t0"] == "2026-01-01T12:00:04Z"
    assert second["t1"] == "2026-01-01T12:00:27Z"
    assert first["in"] + second["in"] == 1


def test_what_never_got_a_date_waits_for_the_next_start():
    clock = ManualClock(930_000_000.0, quality=TimeQuality.UNSYNCED)
    outbox = MemoryOutbox("dev")
    pipeline(WALK_IN, outbox, clock).run(frames(31))
    assert (outbox.depth(), len(outbox.waiting())) == (0, 1)
    pipeline([], outbox, ManualClock(NOON, monotonic=60.0))
    (record,) = records(outbox)
    assert (record["t0"], record["in"], record["tq"]) == ("2026-01-01T11:59:00Z", 1, "redated")


def test_an_interval_is_split_where_lines_or_rules_change():
    outbox = MemoryOutbox("dev")
    pipe = pipeline(WALK_IN, outbox)
    for frame in frames(20):
        pipe.step(frame)
    pipe.reconfigure(
        Stages(Counter([LINE]), partial(Aggregator, ["door"], INTERVAL_MS), Provenance("new", "m"))
    )
    pipe.run(frames(11, start=20))
    assert [(r["cfg"], r["t1"][17:]) for r in records(outbox)] == [
        ("cfg", "02Z"),
        ("new", "03.100Z"),
    ]


@pytest.mark.parametrize("broken", [["_counter"], ["_counter", "_zones"], ["_aggregator"]])
def test_the_counting_recovers_from_stages_that_raise(broken):
    outbox = MemoryOutbox("dev")
    pipe = pipeline(WALK_IN, outbox)
    for frame in frames(20):
        pipe.step(frame)
    for stage in broken:
        setattr(pipe, stage, None)
    aggregator = partial(Aggregator, ["door"], INTERVAL_MS)
    pipe.recover(Stages(Counter([LINE]), aggregator, Provenance("new", "m")))
    pipe.run(frames(11, start=20))
    spans = [(r["cfg"], r["t0"][17:], r["t1"][17:]) for r in records(outbox)]
    assert spans[-1] == ("new", "02Z", "03.100Z")
    # What was summed is kept as long as it is still there.
    assert spans[:-1] == ([] if "_aggregator" in broken else [("cfg", "00Z", "02Z")])


def test_stages_that_can_close_nothing_leave_their_last_draft():
    """The line is passed in the second minute; the stages break after the draft of that."""
    outbox = MemoryOutbox("dev")
    pipe = pipeline(WALK_IN, outbox)
    for frame in frames(31):
        pipe.step(frame)
    for at in range(4, 130):
        pipe.step(NoFrame(float(at), CoverageReason.NO_CAMERA))
    pipe._aggregator = None
    pipe.recover(
        Stages(Counter([LINE]), partial(Aggregator, ["door"], INTERVAL_MS), Provenance("new", "m"))
    )
    assert outbox.waiting() == []
    for at in range(130, 140):
        pipe.step(NoFrame(float(at), CoverageReason.NO_CAMERA))
    pipe.finish()
    (draft, after) = records(outbox)
    assert (draft["cfg"], draft["in"], draft["t0"][11:], draft["t1"][11:]) == (
        "cfg", 1, "12:00:00Z", "12:02:01Z",
    )  # fmt: skip
    assert (after["cfg"], after["in"], after["t0"][11:]) == ("new", None, "12:02:09Z")


def test_a_camera_that_is_lost_makes_the_detector_forget(monkeypatch):
    forgotten = []
    monkeypatch.setattr(ScriptedDetector, "forget", lambda _: forgotten.append(True))
    pipe = pipeline(WALK_IN, MemoryOutbox("dev"))
    for frame in frames(5):
        pipe.step(frame)
    assert not forgotten
    pipe.step(NoFrame(1.0, CoverageReason.NO_CAMERA))
    assert forgotten


def test_two_runs_over_the_same_frames_give_the_same_bytes():
    bodies = []
    for _ in range(2):
        outbox = MemoryOutbox("dev")
        pipeline(WALK_IN, outbox).run(frames(31))
        bodies.append([r.body for r in outbox.pending(100)])
    assert bodies[0] == bodies[1]


def test_the_detector_is_timed_by_its_last_calls():
    # Each reading is 10 ms later than the last; from the 61st call on a call takes 30 ms.
    readings = [0.010 * k for k in range(120)] + [1.2 + 0.03 * k for k in range(20)]
    watch = iter(readings)
    pipe = pipeline([], MemoryOutbox("dev"), stopwatch=lambda: next(watch))
    assert pipe.progress.detect_ms is None
    pipe.step(NoFrame(0.05, CoverageReason.NO_CAMERA))
    assert pipe.progress.detect_ms is None, "no picture, nothing to time"
    for frame in frames(60):
        pipe.step(frame)
    assert pipe.progress.detect_ms == pytest.approx(10.0)
    for frame in frames(10, start=60):
        pipe.step(frame)
    assert pipe.progress.detect_ms == pytest.approx((40 * 10 + 10 * 30) / 50)


def test_progress_says_how_good_the_time_is():
    clock = ManualClock(NOON, quality=TimeQuality.UNSYNCED)
    pipe = pipeline([], MemoryOutbox("dev"), clock)
    pipe.step(frames(1)[0])
    assert (pipe.progress.waits_for_time, pipe.progress.time) == (True, TimeQuality.UNSYNCED)
    clock.jump(-NOON, TimeQuality.NTP)
    pipe.step(frames(1, start=30)[0])
    assert (pipe.progress.waits_for_time, pipe.progress.time) == (True, TimeQuality.UNSYNCED)
    clock.jump(NOON, TimeQuality.NTP)
    pipe.step(frames(1, start=50)[0])
    assert (pipe.progress.waits_for_time, pipe.progress.time) == (False, TimeQuality.NTP)


def test_a_date_that_cannot_be_right_is_not_called_good():
    pipe = pipeline([], MemoryOutbox("dev"), ManualClock(0.0, quality=TimeQuality.NTP))
    pipe.step(frames(1)[0])
    assert (pipe.progress.waits_for_time, pipe.progress.time) == (True, TimeQuality.UNSYNCED)
