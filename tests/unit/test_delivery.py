"""The relay's decisions, with a clock that stands still and no thread."""

import json
import random
import threading
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import pytest

from edge.delivery import Relay, RelayLimits, RelayState
from edge.errors import OutboxError
from edge.messages import Health, health_message, status_message
from edge.records import parse_counts
from edge.sending import SendLimits
from edge.testing import ManualClock, MemoryOutbox, RecordingBroker
from edge.vocabulary import (
    CountBucket,
    Message,
    Outcome,
    Provenance,
    Receipt,
    StoredRecord,
    TimeQuality,
)

SENDING = {each.name for each in fields(SendLimits)}
ACCEPTED, REFUSED, LOST = Receipt.ACCEPTED, Receipt.REFUSED, Receipt.LOST
TOO_LARGE = Receipt.TOO_LARGE


def buckets(count: int) -> list[CountBucket]:
    return [
        CountBucket(
            "door",
            index * 1000,
            (index + 1) * 1000,
            {Outcome.IN: 1},
            1.0,
            None,
            TimeQuality.NTP,
            Provenance("c", "m"),
        )
        for index in range(count)
    ]


class Bench:
    """A relay on fakes. The first publish of a connection is the health message."""

    def __init__(
        self,
        records: int = 0,
        receipts: Iterable[Receipt] = (),
        failing: int = 0,
        dev: str = "d",
        **limits: Any,
    ) -> None:
        self.clock = ManualClock()
        self.outbox = MemoryOutbox(dev)
        self.outbox.append(buckets(records))
        self.broker = RecordingBroker(receipts, failing)
        self.states: list[RelayState] = []
        self.relay = Relay(
            self.outbox,
            self.broker,
            self.clock,
            tenant="t",
            dev=dev,
            health=self.health,
            farewell=lambda: [status_message("t", "d", 0, "offline")],
            rng=random.Random(7),
            limits=RelayLimits(
                sending=SendLimits(**{k: limits.pop(k) for k in SENDING & limits.keys()}), **limits
            ),
        )

    def health(self, state: RelayState) -> Message:
        self.states.append(state)
        return health_message("t", "d", 0, Health(uptime_s=0, queue=0), interval_s=60)

    def delivered(self) -> list[int]:
        return [
            record.seq
            for message in self.broker.published
            if message.topic.endswith("/counts")
            for record in parse_counts(message.payload)
        ]

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.clock.advance(self.relay.step())


def test_records_are_delivered_in_order_in_batches_and_retired() -> None:
    bench = Bench(records=250)
    bench.steps(6)
    counts = [m for m in bench.broker.published if m.topic == "pc/v1/t/d/counts"]
    assert [len(parse_counts(message.payload)) for message in counts] == [100, 100, 50]
    assert bench.delivered() == list(range(1, 251))
    assert bench.outbox.depth() == 0


def test_drain_is_limited() -> None:
    bench = Bench(records=10, records_per_message=1, messages_per_s=2.0)
    start = bench.clock.monotonic()
    while bench.outbox.depth():
        bench.clock.advance(bench.relay.step())
    assert bench.clock.monotonic() - start == pytest.approx(5.0)


def test_failed_connects_back_off_doubling_with_jitter_up_to_the_limit() -> None:
    bench = Bench(failing=12)
    waits = []
    for _ in range(12):
        waits.append(bench.relay.step())
        bench.clock.advance(waits[-1])
    for attempt, wait in enumerate(waits):
        span = min(2.0**attempt, 300.0)
        assert span / 2 <= wait <= span
    assert waits[-1] > 150
    assert waits != [min(2.0**attempt, 300.0) for attempt in range(12)]
    again = Bench(failing=12)
    assert again.relay.step() == waits[0]


def test_no_connect_before_the_back_off_is_over_even_when_woken() -> None:
    bench = Bench(failing=1)
    wait = bench.relay.step()
    bench.clock.advance(wait / 2)
    assert bench.relay.step() == pytest.approx(wait / 2)
    assert bench.broker.connects == 1
    bench.clock.advance(wait / 2)
    bench.relay.step()
    assert bench.broker.connects == 2


def test_state_tells_what_is_wrong_and_that_it_is_over() -> None:
    bench = Bench(records=1, failing=1)
    bench.steps(1)
    assert bench.relay.state == RelayState(
        connected=False,
        last_accepted_ms=None,
        last_error="broker.test:8883: connection refused; is a broker listening there?",
    )
    bench.steps(2)
    state = bench.relay.state
    assert (state.connected, state.last_error) == (True, None)
    assert state.last_accepted_ms == pytest.approx(bench.clock.utc() * 1000, abs=1000)


def test_refused_records_are_kept_said_and_tried_again_much_later() -> None:
    bench = Bench(
        records=3, receipts=[ACCEPTED, REFUSED], refused_retry_s=300, health_interval_s=9e9
    )
    bench.steps(1)
    assert bench.relay.step() == 300
    assert bench.outbox.depth() == 3
    assert "access list" in (bench.relay.state.last_error or "")
    assert bench.relay.state.connected
    bench.clock.advance(299)
    bench.relay.step()
    assert bench.outbox.depth() == 3
    bench.clock.advance(1)
    bench.relay.step()
    assert bench.outbox.depth() == 0
    assert bench.relay.state.last_error is None


def test_health_goes_on_while_counts_are_refused() -> None:
    bench = Bench(records=1, receipts=[ACCEPTED, REFUSED], health_interval_s=60)
    bench.steps(5)
    assert len(bench.states) == 4
    assert "refuses" in (bench.states[-1].last_error or "")


def test_lost_records_are_sent_again() -> None:
    bench = Bench(records=3, receipts=[ACCEPTED, LOST])
    bench.steps(2)
    assert bench.outbox.depth() == 3
    assert not bench.broker.connected
    bench.steps(4)
    assert bench.delivered() == [1, 2, 3]
    assert bench.broker.connects == 2


def test_a_new_connection_does_not_hide_that_records_are_never_acknowledged() -> None:
    """Health is only sent while there is a connection, so it has to say it then."""
    bench = Bench(records=1, receipts=[ACCEPTED, LOST])
    bench.steps(4)
    assert bench.relay.state.connected
    assert "no acknowledgement for records 1 to 1" in (bench.relay.state.last_error or "")
    bench.steps(4)
    assert bench.outbox.depth() == 0
    assert bench.relay.state.last_error is None


def test_what_was_wrong_is_over_when_nothing_is_left_to_send() -> None:
    bench = Bench(records=1, receipts=[ACCEPTED, LOST])
    bench.steps(2)
    bench.outbox.retire(bench.outbox.stream, 1)  # as an ack does: it had arrived after all
    bench.steps(4)
    assert bench.relay.state == RelayState(connected=True)


def test_a_new_connection_does_not_hide_that_the_backend_commits_nothing() -> None:
    bench = Bench(records=1)
    bench.relay.receive_ack(json.dumps({"v": "1.0", "stream": "f" * 16, "upto": 0}).encode())
    bench.steps(2)
    bench.clock.advance(61)
    bench.relay.step()
    assert "committed nothing" in (bench.relay.state.last_error or "")
    bench.broker.drop()
    bench.steps(3)
    assert bench.relay.state.connected
    assert "committed nothing" in (bench.relay.state.last_error or "")


def test_lost_messages_get_smaller_until_the_broker_takes_them() -> None:
    bench = Bench(records=100, receipts=[ACCEPTED, LOST, ACCEPTED, LOST])
    while bench.outbox.depth():
        bench.clock.advance(bench.relay.step())
    sizes = [
        len(parse_counts(m.payload)) for m in bench.broker.published if m.topic.endswith("/counts")
    ]
    assert sizes == [25, 50, 25]
    assert bench.delivered() == list(range(1, 101))


def test_messages_too_large_are_halved_at_once_and_on_the_same_connection() -> None:
    bench = Bench(records=100, receipts=[ACCEPTED, TOO_LARGE, TOO_LARGE, ACCEPTED, TOO_LARGE])
    while bench.outbox.depth():
        bench.clock.advance(bench.relay.step())
    sizes = [
        len(parse_counts(m.payload)) for m in bench.broker.published if m.topic.endswith("/counts")
    ]
    assert sizes == [25, 25, 50]
    assert bench.delivered() == list(range(1, 101))
    assert bench.broker.connects == 1
    assert bench.clock.monotonic() < 1.0


def test_one_record_that_is_too_large_is_kept_and_told() -> None:
    bench = Bench(records=1, receipts=[ACCEPTED, TOO_LARGE], health_interval_s=60)
    bench.broker.trouble = "the broker takes packets of 20 bytes at most"
    bench.steps(2)
    assert "20 bytes at most" in (bench.relay.state.last_error or "")
    assert bench.outbox.depth() == 1
    assert bench.relay.step() > 1.0


def test_the_last_drain_goes_on_with_smaller_messages() -> None:
    bench = Bench(records=4, receipts=[ACCEPTED, TOO_LARGE])
    bench.broker.connect()
    bench.broker.publish(status_message("t", "d", 0, "online"))
    bench.relay.finish()
    assert bench.delivered() == [1, 2, 3, 4]


def test_what_the_broker_says_is_told() -> None:
    bench = Bench(records=1, receipts=[ACCEPTED, REFUSED])
    bench.broker.trouble = "Quota exceeded"
    bench.steps(2)
    assert "refuses the counts of t/d (Quota exceeded)" in (bench.relay.state.last_error or "")
    bench.broker.trouble = "the broker ended it (Session taken over)"
    bench.broker.drop()
    bench.relay.step()
    assert "was lost: the broker ended it (Session taken over)" in (
        bench.relay.state.last_error or ""
    )


def test_dropped_connection_is_not_rebuilt_at_once() -> None:
    bench = Bench()
    bench.steps(2)
    bench.broker.drop()
    wait = bench.relay.step()
    assert 0.5 <= wait <= 1.0
    assert bench.broker.connects == 1
    assert not bench.relay.state.connected


def test_connection_that_keeps_dropping_backs_off_and_a_stable_one_does_not() -> None:
    bench = Bench()
    waits = []
    for uptime in (0.1, 0.1, 0.1, 120):
        bench.steps(1)
        bench.clock.advance(uptime)
        bench.broker.drop()
        waits.append(bench.relay.step())
        bench.clock.advance(waits[-1])
    assert waits[0] <= 1 < waits[2]
    assert waits[3] <= 1


def test_health_is_sent_at_once_and_then_at_its_interval() -> None:
    bench = Bench(health_interval_s=60, idle_s=10)
    for _ in range(20):
        bench.clock.advance(bench.relay.step())
    assert 4 <= len(bench.states) <= 5
    assert bench.states[0].connected


class BrokenOutbox(MemoryOutbox):
    def __init__(self, error: Exception) -> None:
        super().__init__("d")
        self.error: Exception | None = error

    def pending(self, limit: int, after: int = 0, stream: str | None = None) -> list[StoredRecord]:
        if self.error is not None:
            raise self.error
        return super().pending(limit, after, stream)


@pytest.mark.parametrize(
    ("error", "words"), [(OutboxError("disk on fire"), "on fire"), (KeyError("x"), "KeyError")]
)
def test_errors_do_not_end_the_loop(error: Exception, words: str) -> None:
    bench = Bench()
    outbox = BrokenOutbox(error)
    outbox.append(buckets(2))
    bench.relay._outbox = bench.relay._sending.outbox = outbox
    stop, failed = threading.Event(), threading.Event()

    def health(state: RelayState) -> Message:
        return bench.health(state)

    class Clock(ManualClock):
        def monotonic(self) -> float:
            self.advance(0.5)
            if words in (bench.relay.state.last_error or ""):
                failed.set()
                outbox.error = None
            if outbox.depth() == 0:
                stop.set()
            return super().monotonic()

    bench.relay._clock = Clock()
    bench.relay._limits = RelayLimits(idle_s=0.001)
    thread = threading.Thread(target=bench.relay.run, args=(stop,))
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert failed.is_set()
    assert bench.delivered() == [1, 2]


def test_health_that_fails_does_not_stand_before_the_counts() -> None:
    bench = Bench(records=1)

    def broken(_state: RelayState) -> Message:
        raise RuntimeError("no thermometer")

    bench.relay._health = broken
    for _ in range(3):
        bench.clock.advance(bench.relay._guarded_step())
    assert bench.delivered() == [1]


def test_stop_drains_says_goodbye_and_leaves() -> None:
    bench = Bench(records=150)
    bench.steps(1)
    bench.relay.finish()
    assert bench.delivered() == list(range(1, 151))
    [goodbye] = bench.broker.last
    assert json.loads(goodbye.payload)["state"] == "offline"
    assert not bench.broker.connected
    assert not bench.relay.state.connected


def test_stop_before_the_first_connection_still_delivers() -> None:
    bench = Bench(records=2)
    bench.relay.finish()
    assert bench.delivered() == [1, 2]
    assert len(bench.broker.last) == 1


def test_stop_without_a_broker_ends_and_keeps_the_records() -> None:
    bench = Bench(records=2, failing=1)
    bench.relay.finish()
    assert bench.broker.connects == 1
    assert bench.outbox.depth() == 2


def test_stop_does_not_drain_longer_than_allowed() -> None:
    bench = Bench(records=50, records_per_message=1, farewell_s=5)

    class Ticking(ManualClock):
        def monotonic(self) -> float:
            self.advance(1)
            return super().monotonic()

    bench.relay._clock = Ticking()
    bench.relay.finish()
    assert 1 <= len(bench.delivered()) < 5
    assert len(bench.broker.last) == 1


def test_wake_makes_a_resting_relay_send_now() -> None:
    bench = Bench(idle_s=3600)
    stop = threading.Event()
    thread = threading.Thread(target=bench.relay.run, args=(stop,))
    thread.start()
    bench.outbox.append(buckets(1))
    bench.relay.wake.set()
    done = threading.Event()
    for _ in range(500):
        if bench.outbox.depth() == 0 or done.wait(0.01):
            break
    assert bench.outbox.depth() == 0
    stop.set()
    bench.relay.wake.set()
    thread.join(5)
    assert not thread.is_alive()


def test_a_closed_interval_waits_for_this_devices_share_of_the_time() -> None:
    """Every device closes its interval at the same moment; they do not all send then."""
    waits = set()
    for dev in ("lobby-1", "lobby-2", "lobby-3"):
        bench = Bench(spread_s=60.0, dev=dev)
        bench.steps(2)
        bench.outbox.append(buckets(1))
        bench.relay.saved()
        start = bench.clock.monotonic()
        while not bench.delivered():
            bench.clock.advance(bench.relay.step())
        waits.add(bench.clock.monotonic() - start)
    assert len(waits) == 3
    assert all(0 < wait < 60 for wait in waits)


def test_the_last_delivery_does_not_wait_for_its_share() -> None:
    bench = Bench(spread_s=60.0)
    bench.steps(2)
    bench.outbox.append(buckets(1))
    bench.relay.saved()
    bench.relay.finish()
    assert bench.delivered() == [1]


def test_a_birth_that_the_outbox_cannot_give_yet_is_published_when_it_can() -> None:
    """A disk that is full at the start: the connection holds all the same."""
    bench = Bench()
    birth, full = status_message("t", "d", 0, "online"), [True]

    def born() -> list[Message]:
        if full:
            raise OutboxError("the disk is full")
        return [birth]

    class Broker(RecordingBroker):
        def connect(self) -> None:
            super().connect()
            self.published += born()

    bench.relay._announce = born
    bench.relay._broker = bench.broker = Broker()
    bench.steps(4)
    assert (bench.broker.connects, bench.relay.state.connected) == (1, True)
    assert [m.topic for m in bench.broker.published] == ["pc/v1/t/d/health"]
    assert bench.states[0].connected
    full.clear()
    bench.steps(2)
    assert bench.broker.published.count(birth) == 1


def test_the_birth_is_published_again_when_it_says_something_else() -> None:
    bench = Bench()
    birth = status_message("t", "d", 0, "online")
    bench.relay._announce = lambda: [birth]
    bench.relay.announce_again()
    bench.steps(3)
    assert bench.broker.published.count(birth) == 1
    bench.relay.announce_again()
    assert bench.relay.wake.is_set()
    bench.steps(1)
    assert bench.broker.published.count(birth) == 2
