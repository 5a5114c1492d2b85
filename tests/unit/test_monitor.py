"""The gauges of a running device, with real parts and a clock that stands still."""

import random
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from edge.adapters.health import read_report
from edge.aggregation import Aggregator
from edge.counting import Counter
from edge.delivery import Relay, RelayState
from edge.errors import OutboxError
from edge.gating import GateCounts
from edge.messages import health_message
from edge.monitor import CLOCK_NOT_SET, Monitor
from edge.pipeline import Pipeline, Stages
from edge.testing import ManualClock, MemoryOutbox, RecordingBroker, ScriptedDetector
from edge.timeline import Timeline
from edge.tracking import Tracker
from edge.vocabulary import (
    CountBucket,
    CoverageReason,
    Detections,
    Frame,
    Line,
    NoFrame,
    Outcome,
    Pace,
    Provenance,
    Slowdown,
    TimeQuality,
)

NOON = 1_767_268_800.0
PICTURE = np.zeros((90, 160, 3), np.uint8)


TWO_LINES = [
    CountBucket(line, 0, 1, counts, 1.0, None, TimeQuality.NTP, Provenance("cfg", "model"))
    for line, counts in (
        ("door", {Outcome.IN: 3, Outcome.OUT: 1, Outcome.UTURN: 5}),
        ("side", {Outcome.OUT: 7}),
    )
]


def person(y):
    boxes = np.array([[0.48, y - 0.2, 0.52, y]], np.float32)
    return Detections(boxes, np.array([0.9], np.float32), 160 / 90)


class Source:
    """A camera of which only the lost pictures and the pace are asked."""

    dropped = 7
    pace = Pace(8.0, 8.0)


class Bench:
    def __init__(self, folder, quality=TimeQuality.NTP):
        self.folder = folder
        self.clock = ManualClock(NOON, quality=quality)
        self.outbox = MemoryOutbox("dev")
        self.pipeline = Pipeline(
            detector=ScriptedDetector([]),
            tracker=Tracker(),
            stages=Stages(
                counter=Counter([Line("door", ((0.2, 0.5), (0.8, 0.5)), 1)]),
                aggregator=partial(Aggregator, ["door"], 300_000),
                provenance=Provenance("cfg", "model"),
            ),
            outbox=self.outbox,
            timeline=Timeline(self.clock),
            interval_ms=300_000,
        )
        self.source = Source()
        self.monitor = Monitor(folder, self.clock, self.pipeline, self.outbox, self.source)
        self.broker = RecordingBroker()
        self.relay = Relay(
            self.outbox,
            self.broker,
            self.clock,
            tenant="t",
            dev="dev",
            health=lambda s: health_message("t", "dev", 0, self.monitor.health(s), interval_s=300),
            farewell=lambda: [],
            rng=random.Random(1),
        )

    def see(self, index, at):
        self.monitor.tick(self.pipeline.step(Frame(at, index, PICTURE)), self.relay)

    def published(self):
        """Let the relay do what is due; return how often health has been published by now."""
        for _ in range(3):
            self.relay.step()
        return sum(message.topic.endswith("/health") for message in self.broker.published)


def test_the_gauges_of_a_device_that_counts(tmp_path):
    bench = Bench(tmp_path)
    for index in range(11):
        bench.see(index, 0.125 * (index + 1))
    health = bench.monitor.health(RelayState())
    assert (health.fps, health.video, health.unsaved, health.time) == (8.0, None, 0, "ntp")
    assert health.detect_ms is not None
    assert health.detect_ms >= 0
    assert health.last_error is None
    assert bench.monitor.latest is not None
    assert bench.monitor.words.startswith("counting")


def test_a_clock_that_is_not_set_is_told_until_it_is(tmp_path):
    bench = Bench(tmp_path, TimeQuality.UNSYNCED)
    bench.see(0, 0.1)
    health = bench.monitor.health(RelayState())
    assert (health.time, health.last_error) == ("unsynced", CLOCK_NOT_SET)
    bench.monitor.report(RelayState())
    report, _ = read_report(tmp_path)
    assert (report.time, report.waits_for_time, report.last_error) == ("unsynced", True, None)
    assert "the clock is not set" in report.problems(1.0)[0]
    before = bench.published()
    bench.clock.jump(5.0)
    bench.see(1, 2.0)
    assert bench.published() == before + 1, "told at once"
    health = bench.monitor.health(RelayState())
    assert (health.time, health.last_error) == ("ntp", None)


def test_what_the_delivery_says_comes_first_and_a_damaged_outbox_is_not_forgotten(tmp_path):
    bench = Bench(tmp_path, TimeQuality.UNSYNCED)
    bench.outbox.trouble = "the outbox was damaged (x); 3 records are lost"
    bench.see(0, 0.1)
    refused = replace(RelayState(), last_error="refused")
    assert bench.monitor.health(refused).last_error == "refused"
    said = bench.monitor.health(RelayState()).last_error
    assert said == f"{CLOCK_NOT_SET}; the outbox was damaged (x); 3 records are lost"
    bench.monitor.report(refused)
    report, _ = read_report(tmp_path)
    assert report.last_error == "refused"
    assert report.outbox_trouble == bench.outbox.trouble


@pytest.mark.parametrize("reason", [CoverageReason.NO_CAMERA, CoverageReason.FROZEN])
def test_lost_video_is_told_at_once(tmp_path, reason):
    bench = Bench(tmp_path)
    bench.see(0, 0.1)
    before = bench.published()
    bench.see(1, 0.2)
    assert bench.published() == before, "nothing has changed"
    step = bench.pipeline.step(NoFrame(1.2, reason))
    bench.monitor.tick(step, bench.relay)
    assert bench.published() == before + 1
    assert bench.monitor.health(RelayState()).video is reason


def test_how_often_the_detector_looked_is_told(tmp_path):
    bench = Bench(tmp_path)
    assert bench.monitor.health(RelayState()).looked is None, "it looks at every picture"
    bench.pipeline.progress.looks = GateCounts()
    assert bench.monitor.health(RelayState()).looked is None
    bench.pipeline.progress.looks = GateCounts(looked=1, same=6)
    assert bench.monitor.health(RelayState()).looked == 0.143
    bench.monitor.report(RelayState())
    assert read_report(tmp_path)[0].looked == 0.143


def test_a_slower_pace_is_told_at_once_and_why(tmp_path):
    bench = Bench(tmp_path)
    bench.see(0, 0.1)
    before = bench.published()
    bench.source.pace = Pace(8.0, 5.4, Slowdown.HOT)
    bench.see(1, 0.2)
    assert bench.published() == before + 1
    assert bench.monitor.health(RelayState()).pace == Pace(8.0, 5.4, Slowdown.HOT)
    report, _ = read_report(tmp_path)
    assert (report.fps_target, report.fps_asked, report.slowed) == (8.0, 5.4, "hot")
    assert report.problems(1.0) == []
    assert "5.4 of 8 pictures a second" in report.notes()[0]
    assert report.notes()[0] in bench.monitor.words


def test_pictures_that_are_too_few_are_no_healthy_video(tmp_path):
    bench = Bench(tmp_path)
    bench.see(0, 0.1)
    few = Frame(1.0, 1, PICTURE, CoverageReason.OVERLOAD)
    bench.monitor.tick(bench.pipeline.step(few), bench.relay)
    assert bench.monitor.health(RelayState()).video is CoverageReason.OVERLOAD
    bench.see(2, 1.2)
    assert bench.monitor.health(RelayState()).video is None


def test_overload_that_comes_and_goes_is_told_twice_a_minute_at_most(tmp_path):
    bench = Bench(tmp_path)
    bench.see(0, 0.1)
    before, told = bench.published(), []
    for index in range(1, 121):  # a minute; it changes with every picture
        bench.clock.advance(0.5)
        reason = CoverageReason.OVERLOAD if index % 2 else None
        item = Frame(0.1 + 0.5 * index, index, PICTURE, reason)
        bench.monitor.tick(bench.pipeline.step(item), bench.relay)
        told.append(bench.published() - before)
    assert told[0] == 1, "the first at once"
    assert told[-1] <= 3
    bench.source.pace = Pace(8.0, 3.0, Slowdown.OVERLOAD)
    bench.see(121, 60.7)
    assert bench.published() == before + told[-1] + 1, "another change is told at once"


def test_overload_that_ended_soon_is_told_when_the_time_has_come(tmp_path):
    bench = Bench(tmp_path)
    bench.see(0, 0.1)
    few = Frame(1.0, 1, PICTURE, CoverageReason.OVERLOAD)
    bench.monitor.tick(bench.pipeline.step(few), bench.relay)
    before = bench.published()
    bench.see(2, 1.2)
    assert bench.published() == before, "not yet"
    bench.clock.advance(31.0)
    bench.see(3, 32.0)
    assert bench.published() == before + 1


def test_totals_move_when_an_interval_becomes_a_record_and_not_before(tmp_path):
    bench = Bench(tmp_path)
    bench.pipeline.on_saved(bench.monitor.saved)
    walk = [0.35 + 0.01 * k for k in range(31)]
    bench.pipeline._detector = ScriptedDetector([person(y) for y in walk])
    for index in range(200):
        bench.see(index, 0.1 * (index + 1))
    assert bench.monitor.totals == {}, "counted and settled, but the interval is open"
    bench.see(200, 301.0)
    bench.see(201, 330.0)
    assert bench.monitor.totals == {("door", "in"): 1, ("door", "out"): 0}
    blind = [NoFrame(400.0 + k, CoverageReason.NO_CAMERA) for k in range(600)]
    for item in blind:
        bench.pipeline.step(item)
    assert bench.outbox.depth() > 1
    assert bench.monitor.totals == {("door", "in"): 1, ("door", "out"): 0}
    bench.monitor.saved(TWO_LINES)
    assert bench.monitor.totals == {
        ("door", "in"): 4,
        ("door", "out"): 1,
        ("side", "in"): 0,
        ("side", "out"): 7,
    }


def test_an_outbox_that_cannot_be_read_is_told_and_health_goes_on(tmp_path):
    bench = Bench(tmp_path)
    bench.outbox.append(TWO_LINES)
    assert bench.monitor.health(RelayState()).queue == 2

    def unreadable():
        raise OutboxError("the card is gone")

    bench.outbox.depth = unreadable
    health = bench.monitor.health(RelayState())
    assert (health.queue, health.last_error) == (2, "the card is gone")
    bench.monitor.report(RelayState())
    assert read_report(tmp_path)[0].queue == 2
    del bench.outbox.depth
    assert bench.monitor.health(RelayState()).last_error is None
