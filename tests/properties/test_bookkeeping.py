"""Nothing lost, nothing twice, nothing dated twice: any failures, clocks and restarts."""

import json
from functools import partial
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.aggregation import Aggregator
from edge.bookkeeping import DRAFT_S, Bookkeeper
from edge.errors import OutboxError
from edge.messages import counts_message
from edge.pipeline import Pipeline, Stages
from edge.records import parse_counts, verify_chain
from edge.testing import ManualClock, ScriptedDetector
from edge.timeline import Timeline
from edge.tracking import Tracker
from edge.vocabulary import (
    CountBucket,
    Counted,
    CoverageReason,
    Crossing,
    NoFrame,
    Outcome,
    Provenance,
    TimeQuality,
)
from tests.properties.restartable import RestartableOutbox

NOON = 1_782_864_000.0
INTERVAL_MS = 300_000
TICK_S = 4
CALM = settings(max_examples=80, deadline=None)


class FlakyOutbox(RestartableOutbox):
    """Fails as often as it is told to; then nothing was stored."""

    def __init__(self):
        super().__init__("dev")
        self.fails = []

    def _maybe(self):
        if self.fails and self.fails.pop():
            raise OutboxError("the disk is full")

    def append(self, buckets, settled=()):
        self._maybe()
        super().append(buckets, settled)

    def wait(self, buckets, **more):
        self._maybe()
        super().wait(buckets, **more)

    def waiting(self):
        self._maybe()
        return super().waiting()

    def begin_stream(self):
        self._maybe()
        super().begin_stream()


class Desk:
    """A bookkeeper whose every interval has a number of its own."""

    def __init__(self, fails, trusted):
        quality = TimeQuality.NTP if trusted else TimeQuality.UNSYNCED
        self.clock = ManualClock(NOON, 500.0, quality)
        self.outbox = FlakyOutbox()
        self.outbox.fails = fails
        self.boots, self.number, self.kept = 0, 0, {}
        self.start()

    def start(self):
        self.timeline = Timeline(self.clock, boot=str(self.boots))
        self.books = Bookkeeper(self.outbox, self.timeline)
        self.next()

    def next(self):
        self.number, self.start_ms, self.so_far = self.number + 1, None, 0

    def do(self, what, value):
        self.clock.advance(1)
        self.now_ms = self.timeline.utc_ms(self.clock.monotonic())
        if self.start_ms is None or self.start_ms >= self.now_ms:
            self.start_ms = self.books.begin_at(self.now_ms - 1, INTERVAL_MS)
        getattr(self, what)(value)

    def wait(self, seconds):
        self.clock.advance(seconds)
        self.books.keep([], self.clock.monotonic())

    def draft(self, count):
        self.so_far += count
        if self.now_ms > self.start_ms:
            self.books.draft([self.bucket()])

    def close(self, count):
        self.so_far += count
        if self.now_ms > self.start_ms:
            self.kept[self.number] = self.so_far
            self.books.keep([self.bucket()], self.clock.monotonic())
            self.next()

    def jump(self, by_s):
        self.clock.jump(by_s, TimeQuality.NTP)
        if (change := self.timeline.change()) is not None:
            self.timeline.adopt(change)
            self.books.look_again()
            self.books.keep([], self.clock.monotonic(), insist=True)
            self.next()

    def kill(self, machine_too):
        in_memory = {b.provenance.cfg for b in (*self.books._closed, *self.books._undated)}
        self.kept = {n: c for n, c in self.kept.items() if f"n{n}" not in in_memory}
        self.outbox.restart()
        if machine_too:
            self.boots += 1
            self.clock = ManualClock(self.clock.utc() + 60, 3.0, self.clock.quality())
        self.start()

    def bucket(self):
        """Return the open interval, known again by its `cfg` whatever its date becomes."""
        return CountBucket(
            "door", self.start_ms, self.now_ms, {Outcome.IN: self.so_far}, 1.0, None,
            TimeQuality.NTP, Provenance(f"n{self.number}", "m"),
        )  # fmt: skip

    def places(self):
        """Return every interval that is anywhere, with its count."""
        self.outbox.fails = []
        for stream in self.outbox.streams(retired=True):
            for record in self.outbox.pending(10_000, stream=stream):
                fields = json.loads(record.body)
                yield fields["cfg"], fields["in"]
        waiting = [each.bucket for each in self.outbox.waiting()]
        for each in (*waiting, *self.books._closed, *self.books._undated):
            yield each.provenance.cfg, each.counts[Outcome.IN]


actions = st.one_of(
    st.tuples(st.just("close"), st.integers(1, 9)),
    st.tuples(st.just("draft"), st.integers(1, 9)),
    st.tuples(st.just("wait"), st.integers(1, 20)),
    st.tuples(st.just("jump"), st.sampled_from((-7200, -200, 400, 7200))),
    st.tuples(st.just("kill"), st.booleans()),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(actions, max_size=40), st.lists(st.booleans(), max_size=60), st.booleans())
def test_every_interval_is_in_one_place_only_in_any_order_of_failures(script, fails, trusted):
    desk = Desk(fails, trusted)
    for action in script:
        desk.do(*action)
    places = list(desk.places())
    assert len({cfg for cfg, _ in places}) == len(places)
    for number, count in desk.kept.items():
        assert (f"n{number}", count) in places
    assert not_overlapping(desk.outbox)


def not_overlapping(outbox):
    """Check that in no stream a line has two intervals of one time, and every chain."""
    for stream in outbox.streams(retired=True):
        stored = outbox.pending(10_000, stream=stream)
        records = parse_counts(counts_message("t", "dev", stream, stored).payload)
        verify_chain(records)
        spans = sorted((r.t0_ms, r.t1_ms) for r in records)
        assert all(a[1] <= b[0] for a, b in pairwise(spans)), (stream, spans)
    return True


class ScriptedCounter:
    """Books one crossing for each picture that is said to show one, some time later."""

    def __init__(self, lag_s, booked):
        self._lag_s, self._booked = lag_s, booked
        self._seen = []

    def update(self, tracks):
        raise NotImplementedError

    def see(self, at):
        self._seen.append(at)

    def counted(self, at):
        due = [t for t in self._seen if t <= at - self._lag_s]
        self._seen = [t for t in self._seen if t > at - self._lag_s]
        return Counted(self._crossings(due), (), at - self._lag_s)

    def finish(self, at):
        due, self._seen = self._seen, []
        return Counted(self._crossings(due), (), at)

    def _crossings(self, times):
        self._booked.extend(times)
        return tuple(Crossing("door", Outcome.IN, t) for t in times)


class Machine:
    """A board that is switched off and on, with a clock that may be anything."""

    def __init__(self, lag_s):
        self.outbox = RestartableOutbox("dev")
        self.clock = ManualClock(NOON, 20.0)
        self.booked, self.boots, self.lag_s = [], 0, lag_s
        self.at_risk = 0
        self.start()

    def start(self):
        self.counter = ScriptedCounter(self.lag_s, self.booked)
        self.before = len(self.booked)
        clock, counter = self.clock, self.counter
        counter.update = lambda _: counter.counted(clock.monotonic())
        self.pipe = Pipeline(
            detector=ScriptedDetector([]),
            tracker=Tracker(),
            stages=Stages(
                counter=counter,
                aggregator=partial(Aggregator, ["door"], INTERVAL_MS),
                provenance=Provenance("cfg", "model"),
            ),
            outbox=self.outbox,
            timeline=Timeline(clock, boot=f"boot-{self.boots}"),
            interval_ms=INTERVAL_MS,
        )

    def work(self, seconds, people):
        for tick in range(1 + seconds // TICK_S):
            self.clock.advance(TICK_S)
            if tick < people:
                self.counter.see(self.clock.monotonic())
            self.pipe.step(NoFrame(self.clock.monotonic(), CoverageReason.DARK))

    def stop(self):
        self.pipe.finish()
        self.outbox.restart()

    def kill(self):
        """Count what may be lost: what was not booked yet, or in the minute since the draft."""
        self.booked.extend(self.counter._seen)
        since = self.clock.monotonic() - DRAFT_S - self.lag_s - 2 * TICK_S
        self.at_risk += sum(at >= since for at in self.booked[self.before :])
        self.outbox.restart()

    def counted(self):
        return sum(
            json.loads(r.body)["in"] or 0
            for stream in self.outbox.streams(retired=True)
            for r in self.outbox.pending(10_000, stream=stream)
        )


qualities = st.sampled_from((TimeQuality.NTP, TimeQuality.RTC, TimeQuality.UNSYNCED))
steps = st.sampled_from((-1e9, -90_000.0, -3600.0, -200.0, -2.0, -0.5, 0.5, 30.0, 3600.0, 2e9))
events = st.one_of(
    st.tuples(st.just("work"), st.integers(1, 400), st.integers(0, 5)),
    st.tuples(st.just("clock"), steps, qualities),
    st.tuples(st.just("restart"), st.booleans(), st.just(0)),
    st.tuples(st.just("reboot"), steps, qualities),
    st.tuples(st.just("kill"), st.booleans(), st.just(0)),
)


@CALM
@given(st.lists(events, max_size=14), st.sampled_from((0.0, 2.0, 45.0)))
@example([("work", 70, 2), ("clock", -200.0, TimeQuality.NTP), ("work", 5, 3)], 0.0)
@example([("work", 400, 2), ("reboot", -1e9, TimeQuality.UNSYNCED), ("work", 90, 3)], 2.0)
@example(
    [
        ("work", 400, 2), ("reboot", 30.0, TimeQuality.UNSYNCED), ("work", 90, 3),
        ("clock", -200.0, TimeQuality.NTP), ("work", 90, 1),
    ],
    2.0,
)  # fmt: skip
@example([("work", 400, 5), ("work", 40, 3), ("kill", False, 0), ("work", 9, 1)], 45.0)
def test_no_clock_makes_two_records_of_one_time_or_loses_anybody(script, lag_s):
    machine = Machine(lag_s)
    for what, value, more in script:
        if what == "work":
            machine.work(value, more)
        elif what == "clock":
            machine.clock.jump(value, more)
        elif what == "kill":
            machine.kill()
            machine.start()
        else:
            machine.stop()
            if what == "reboot":
                machine.boots += 1
                machine.clock = ManualClock(machine.clock.utc() + value, 7.0, more)
            machine.start()
    machine.clock.jump(NOON + 1e7 - machine.clock.utc(), TimeQuality.NTP)
    machine.work(70, 1)  # at last the time is known
    machine.stop()
    machine.start()
    assert machine.outbox.waiting() == []
    assert not_overlapping(machine.outbox)
    lost = len(machine.booked) - machine.counted()
    assert 0 <= lost <= machine.at_risk
