"""The relay: outbox → broker. Accept → retire, refuse → keep, lose → send again.

Where a backend acks what it has committed (`acks`), only that retires a record; what is
not acked in time is sent again. Without such a backend the broker's PUBACK has to do.

It runs in a thread of its own; counting never waits for it. One `step` does at
most one of everything and says how long to rest, so that it can be tested with
a clock that stands still; `run` is the loop around it.
"""

import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from edge.acks import Ack, SendWindow, parse_ack
from edge.backoff import Backoff
from edge.errors import BrokerError, LobbyCountError, MessageError
from edge.messages import counts_message
from edge.ports import Broker, Clock, Outbox
from edge.vocabulary import Message, Receipt

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RelayLimits:
    """How fast the relay may go and how patient it is."""

    records_per_message: int = 100
    messages_per_s: float = 5.0
    """So that a district that comes back after a power cut does not flood the broker."""
    retry_min_s: float = 1.0
    retry_max_s: float = 300.0
    refused_retry_s: float = 300.0
    stable_after_s: float = 60.0
    """A connection that lasted this long makes the next retry a quick one."""
    resend_s: float = 60.0
    """How long an ack may take before everything that was not acked is sent again."""
    most_in_flight: int = 2000
    """Records sent and not yet acked; more wait."""
    health_interval_s: float = 60.0
    idle_s: float = 1.0
    """How long the relay rests when nobody wakes it."""
    farewell_s: float = 5.0
    """How long the last drain may take when the service stops."""


@dataclass(frozen=True, slots=True)
class RelayState:
    """What the relay knows about itself, for the health message."""

    connected: bool = False
    last_accepted_ms: int | None = None
    """When the broker last accepted records, UTC."""
    last_error: str | None = None
    """What is wrong now, in words; None when nothing is."""
    commits: bool = False
    """Whether a backend acks what it has committed."""


class Relay:
    """Moves records from the outbox to the broker until it is told to stop.

    Set `wake` after an append. When setting `stop`, set `wake` too, or the relay
    notices up to `idle_s` later.
    """

    def __init__(
        self,
        outbox: Outbox,
        broker: Broker,
        clock: Clock,
        *,
        tenant: str,
        dev: str,
        health: Callable[[RelayState], Message],
        farewell: Callable[[], Sequence[Message]],
        announce: Callable[[], Sequence[Message]] = tuple,
        rng: random.Random,
        wake: threading.Event | None = None,
        limits: RelayLimits | None = None,
    ) -> None:
        """Take the ports; the callables run on the relay's thread.

        announce: what to publish when a backend begins or ceases to ack, or when asked to.
        """
        self._outbox = outbox
        self._broker = broker
        self._clock = clock
        self._tenant = tenant
        self._dev = dev
        self._health = health
        self._farewell = farewell
        self._announce = announce
        self._limits = limits or RelayLimits()
        self._window = SendWindow(self._limits.resend_s, self._limits.most_in_flight)
        self._acks: deque[bytes] = deque()
        self._backoff = Backoff(self._limits.retry_min_s, self._limits.retry_max_s, rng)
        self._batch = self._limits.records_per_message
        self._state = RelayState()
        self._connected_at = 0.0
        self._connect_at = 0.0
        self._send_at = 0.0
        self._health_at = 0.0
        self._announce_due = False
        self.wake = wake or threading.Event()

    @property
    def state(self) -> RelayState:
        """What the relay knows about itself; safe to read from any thread."""
        return self._state

    def receive_ack(self, payload: bytes) -> None:
        """Take an `ack` message of this device; callable from any thread."""
        self._acks.append(payload)
        self.wake.set()

    def refresh_health(self) -> None:
        """Publish health at once, because something changed; callable from any thread."""
        self._health_at = self._clock.monotonic()
        self.wake.set()

    def announce_again(self) -> None:
        """Publish the birth once more, because it says something else now; any thread."""
        self._announce_due = True
        self.wake.set()

    def run(self, stop: threading.Event) -> None:
        """Deliver until `stop` is set, then drain for a bounded time and say goodbye."""
        while not stop.is_set():
            self.wake.wait(min(self._guarded_step(), self._limits.idle_s))
            # Cleared before the outbox is read again, so that no append goes unnoticed.
            self.wake.clear()
        self.finish()

    def step(self) -> float:
        """Connect, or send what is due; return for how many seconds there is nothing to do."""
        now = self._clock.monotonic()
        self._take_acks(now)
        if not self._broker.connected:
            return self._reconnect(now)
        if self._announce_due:
            self._announce_due = False
            for message in self._announce():
                self._broker.publish(message)
        if now >= self._health_at:
            self._send_health(now)
        if now >= self._send_at and self._send_batch() is None:
            return self._limits.idle_s
        return max(0.0, min(self._send_at, self._health_at) - self._clock.monotonic())

    def finish(self) -> None:
        """Send what is left within a bounded time, say goodbye, disconnect. Never raises."""
        deadline = self._clock.monotonic() + self._limits.farewell_s
        try:
            if not self._broker.connected and self._outbox.depth() > 0:
                self._broker.connect()
            self._take_acks(self._clock.monotonic())
            while self._broker.connected and self._clock.monotonic() < deadline:
                if self._send_batch() is not Receipt.ACCEPTED:
                    break
        except LobbyCountError as error:
            _log.warning("not everything was delivered before the stop", error=str(error))
        except Exception:
            _log.exception("the last delivery failed")
        try:
            self._broker.disconnect(self._farewell())
        except Exception:
            _log.exception("could not leave the broker in order")
        self._state = replace(self._state, connected=False)

    def _guarded_step(self) -> float:
        try:
            return self.step()
        except LobbyCountError as error:
            _log.error("delivery failed", error=str(error))
            return self._hold(str(error))
        except Exception as error:
            _log.exception("delivery failed in a way nobody thought of")
            return self._hold(f"internal error in delivery ({type(error).__name__})")

    def _hold(self, reason: str) -> float:
        wait_s = self._backoff.next_s()
        self._connect_at = self._send_at = self._clock.monotonic() + wait_s
        self._state = replace(self._state, last_error=reason)
        return wait_s

    def _reconnect(self, now: float) -> float:
        if self._state.connected:
            self._note_lost(now)
        if now < self._connect_at:
            return self._connect_at - now
        try:
            self._broker.connect()
        except BrokerError as error:
            wait_s = self._hold(str(error))
            _log.warning("cannot connect", error=str(error), retry_s=round(wait_s, 1))
            return wait_s
        self._state = replace(self._state, connected=True, last_error=None)
        self._connected_at = self._send_at = self._health_at = self._clock.monotonic()
        return 0.0

    def _note_lost(self, now: float) -> None:
        if now - self._connected_at >= self._limits.stable_after_s:
            self._backoff.reset()
        self._state = replace(self._state, connected=False)
        if now >= self._connect_at:
            # Not at once: everybody who shared that broker has lost it at the same moment.
            wait_s = self._hold("the connection to the broker was lost")
            _log.warning("connection lost", retry_s=round(wait_s, 1))

    def _send_health(self, now: float) -> None:
        # First the next time, so that health that fails does not stand before the counts.
        self._health_at = now + self._limits.health_interval_s
        self._broker.publish(self._health(self._state))

    def _send_batch(self) -> Receipt | None:
        """Send the oldest records; return what became of them, None when there are none."""
        if self._window.is_overdue(self._clock.monotonic()):
            self._send_again()
        if self._window.is_full():
            return None
        after = self._window.sent_upto if self._window.commits else 0
        records = self._outbox.pending(self._batch, after)
        if not records:
            return None
        stream, upto = records[0].stream, records[-1].seq
        receipt = self._broker.publish(counts_message(self._tenant, self._dev, stream, records))
        if receipt is Receipt.ACCEPTED:
            if self._window.commits:
                self._window.sent(upto, self._clock.monotonic())
            else:
                self._outbox.retire(stream, upto)
            self._accepted()
        elif receipt is Receipt.REFUSED:
            self._refused()
        else:
            self._lost(records[0].seq, upto)
        return receipt

    def _take_acks(self, now: float) -> None:
        while self._acks:
            try:
                self._take_ack(parse_ack(self._acks.popleft()), now)
            except MessageError as error:
                _log.warning("ack not understood", error=str(error))

    def _take_ack(self, ack: Ack | None, now: float) -> None:
        """Follow the backend; an ack of another stream only shows that there is one."""
        self._commits(ack is not None, now)
        if ack is None or ack.stream != self._outbox.stream:
            return
        self._outbox.commit(ack.stream, ack.upto, ack.have)
        was_stalled = self._window.is_stalled
        self._window.acked(ack, now)
        if was_stalled and not self._window.is_stalled:
            self._state = replace(self._state, last_error=None)
        if ack.rewind is not None:
            self._outbox.commit(ack.stream, min(ack.upto, ack.rewind - 1))
            self._window.committed = min(ack.upto, ack.rewind - 1)
            self._window.begin_again(now)

    def _commits(self, commits: bool, now: float) -> None:
        if commits == self._window.commits:
            return
        self._window.commits = commits
        self._window.begin_again(now)
        self._state = replace(self._state, commits=commits)
        _log.info("delivery.changed", retired_on="ack" if commits else "puback")
        if self._broker.connected:
            for message in self._announce():
                self._broker.publish(message)

    def _send_again(self) -> None:
        waited_s = self._limits.resend_s
        reason = f"the backend has committed nothing for {waited_s:g} s; everything is sent again"
        _log.warning("no ack", error=reason, committed=self._window.committed)
        self._window.begin_again(self._clock.monotonic())
        self._window.is_stalled = True
        self._state = replace(self._state, last_error=reason)

    def _accepted(self) -> None:
        self._backoff.reset()
        self._batch = min(2 * self._batch, self._limits.records_per_message)
        self._send_at = self._clock.monotonic() + 1.0 / self._limits.messages_per_s
        error = self._state.last_error if self._window.is_stalled else None
        self._state = replace(
            self._state, last_accepted_ms=int(self._clock.utc() * 1000), last_error=error
        )

    def _refused(self) -> None:
        wait_s = self._limits.refused_retry_s
        self._send_at = self._clock.monotonic() + wait_s
        reason = (
            f"the broker refuses the counts of {self._tenant}/{self._dev}; "
            "check its access list; the records are kept"
        )
        _log.error("counts refused", error=reason, retry_s=wait_s)
        self._state = replace(self._state, last_error=reason)

    def _lost(self, first: int, last: int) -> None:
        # Perhaps the message was larger than this broker takes: it does not say so.
        self._batch = max(1, self._batch // 2)
        self._hold(f"no acknowledgement for records {first} to {last}; they are sent again")
