"""The relay: outbox → broker. Accept → retire, refuse → keep, lose → send again.

What is sent, and when a record is let go, `sending` decides; here is when and how.

It runs in a thread of its own; counting never waits for it. One `step` does at
most one of everything and says how long to rest, so that it can be tested with
a clock that stands still; `run` is the loop around it.
"""

import random
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from zlib import crc32

import structlog

from edge.acks import parse_ack
from edge.backoff import Backoff
from edge.errors import BrokerError, LobbyCountError, MessageError, OutboxError
from edge.messages import counts_message
from edge.ports import Broker, Clock, Outbox
from edge.sending import Batch, Sending, SendLimits
from edge.vocabulary import Message, Receipt

MOST_POSTS = 32
"""More are not kept while there is no connection; the oldest go."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RelayLimits:
    """How fast the relay may go and how patient it is."""

    sending: SendLimits = field(default_factory=SendLimits)
    spread_s: float = 0.0
    """All devices close their intervals together; each waits its own share of this time."""
    messages_per_s: float = 5.0
    """So that a district that comes back after a power cut does not flood the broker."""
    retry_min_s: float = 1.0
    retry_max_s: float = 300.0
    refused_retry_s: float = 300.0
    stable_after_s: float = 60.0
    """A connection that lasted this long makes the next retry a quick one."""
    pack: bool = False
    """Pack the counts, for a metered network."""
    health_interval_s: float = 300.0
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
        heartbeat: Callable[[], None] = lambda: None,
    ) -> None:
        """Take the ports; the callables run on the relay's thread.

        announce: what to publish when a backend begins or ceases to ack, or when asked to.
        heartbeat: called after every step of `run`, whatever came of it.
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
        self._heartbeat = heartbeat
        self._sending = Sending(outbox, self._limits.sending)
        self._acks: deque[bytes] = deque()
        self._wishes: deque[tuple[int, int]] = deque()
        self._posts: deque[Message] = deque(maxlen=MOST_POSTS)
        self._delay_s = self._limits.spread_s * crc32(dev.encode()) / 2**32
        self._announced = ""
        self._backoff = Backoff(self._limits.retry_min_s, self._limits.retry_max_s, rng)
        self._state = RelayState()
        self._trouble: str | None = None
        """What a new connection does not cure; health is only sent while there is one."""
        self._connected_at = 0.0
        self._connect_at = 0.0
        self._send_at = 0.0
        self._health_at = 0.0
        self._announce_due = False
        self._announce_at = 0.0
        self.wake = wake or threading.Event()

    @property
    def state(self) -> RelayState:
        """What the relay knows about itself; safe to read from any thread."""
        return self._state

    def receive_ack(self, payload: bytes) -> None:
        """Take an `ack` message of this device; callable from any thread."""
        self._acks.append(payload)
        self.wake.set()

    def repeat(self, t0_ms: int, t1_ms: int) -> None:
        """Send the records of [t0_ms, t1_ms) once more; callable from any thread."""
        self._wishes.append((t0_ms, t1_ms))
        self.wake.set()

    def post(self, message: Message) -> None:
        """Publish something small as soon as there is a connection; callable from any thread."""
        self._posts.append(message)
        self.wake.set()

    def saved(self) -> None:
        """Intervals were closed: send them after this device's share of the time; any thread."""
        self._send_at = max(self._send_at, self._clock.monotonic() + self._delay_s)
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
            rest_s = min(self._guarded_step(), self._limits.idle_s)
            self._heartbeat()
            self.wake.wait(rest_s)
            # Cleared before the outbox is read again, so that no append goes unnoticed.
            self.wake.clear()
        self.finish()

    def step(self) -> float:
        """Connect, or send what is due; return for how many seconds there is nothing to do."""
        now = self._clock.monotonic()
        self._take_what_came(now)
        if not self._broker.connected:
            return self._reconnect(now)
        self._announce_if_due(now)
        while self._posts:
            self._broker.publish(self._posts.popleft())
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
            self._take_what_came(self._clock.monotonic())
            while self._broker.connected and self._clock.monotonic() < deadline:
                if self._send_batch() not in {Receipt.ACCEPTED, Receipt.TOO_LARGE}:
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
            self._announced = self._outbox.stream
        except BrokerError as error:
            wait_s = self._hold(str(error))
            _log.warning("cannot connect", error=str(error), retry_s=round(wait_s, 1))
            return wait_s
        except OutboxError as error:
            if not self._broker.connected:
                return self._hold(str(error))
            self._birth_failed(error, now)
        self._state = replace(self._state, connected=True, last_error=self._trouble)
        self._connected_at = self._send_at = self._health_at = self._clock.monotonic()
        return 0.0

    def _note_lost(self, now: float) -> None:
        if now - self._connected_at >= self._limits.stable_after_s:
            self._backoff.reset()
        self._state = replace(self._state, connected=False)
        if now >= self._connect_at:
            # Not at once: everybody who shared that broker has lost it at the same moment.
            wait_s = self._hold(f"the connection to the broker was lost: {self._broker.trouble}")
            _log.warning("connection lost", error=self._broker.trouble, retry_s=round(wait_s, 1))

    def _send_health(self, now: float) -> None:
        # First the next time, so that health that fails does not stand before the counts.
        self._health_at = now + self._limits.health_interval_s
        self._broker.publish(self._health(self._state))

    def _send_batch(self) -> Receipt | None:
        """Send what is due; return what became of it, None when there is nothing."""
        now = self._clock.monotonic()
        was_stalled = self._sending.stalled
        batch = self._sending.next(now)
        if self._sending.stalled and not was_stalled:
            self._warn_stalled()
        if batch is None:
            self._note_all_sent()
            return None
        if self._announced != self._outbox.stream:
            self._announce_now()
        receipt = self._broker.publish(
            counts_message(
                self._tenant, self._dev, batch.stream, batch.records, pack=self._limits.pack
            )
        )
        if receipt is Receipt.ACCEPTED:
            self._sending.accepted(batch, now)
            self._accepted()
        elif receipt is Receipt.TOO_LARGE and len(batch.records) > 1:
            self._sending.shrink(batch)
        elif receipt in {Receipt.REFUSED, Receipt.TOO_LARGE}:
            self._refused()
            return Receipt.REFUSED
        else:
            self._lost(batch)
        return receipt

    def _note_all_sent(self) -> None:
        """Forget what was wrong: nothing is left that it could keep back."""
        if self._state.last_error is not None and not self._sending.stalled:
            self._over()

    def _over(self) -> None:
        self._trouble = None
        self._state = replace(self._state, last_error=None)

    def _take_what_came(self, now: float) -> None:
        while self._wishes:
            self._sending.repeat(*self._wishes.popleft())
        while self._acks:
            try:
                ack = parse_ack(self._acks.popleft())
            except MessageError as error:
                _log.warning("ack not understood", error=str(error))
                continue
            was_stalled = self._sending.stalled
            changed = self._sending.take_ack(ack, now)
            if was_stalled and not self._sending.stalled:
                self._over()
            if changed:
                self._changed()

    def _changed(self) -> None:
        commits = self._sending.commits
        self._state = replace(self._state, commits=commits)
        _log.info("delivery.changed", retired_on="ack" if commits else "puback")
        if self._broker.connected:
            self._announce_now()

    def _announce_if_due(self, now: float) -> None:
        if not self._announce_due or now < self._announce_at:
            return
        self._announce_due = False
        try:
            self._announce_now()
        except OutboxError as error:
            self._birth_failed(error, now)

    def _birth_failed(self, error: OutboxError, now: float) -> None:
        """Without the outbox nothing can be said of its stream; it is said when it is back."""
        _log.warning("the birth has to wait", error=str(error))
        self._announced, self._announce_due = "", True
        self._announce_at = now + self._limits.retry_min_s

    def _announce_now(self) -> None:
        self._announced = self._outbox.stream
        for message in self._announce():
            self._broker.publish(message)

    def _warn_stalled(self) -> None:
        waited_s = self._limits.sending.resend_s
        reason = (
            f"the backend has committed nothing for {waited_s:g} s and more;"
            " what it lacks is sent again, ever more rarely"
        )
        _log.warning("no ack", error=reason)
        self._trouble = reason
        self._state = replace(self._state, last_error=reason)

    def _accepted(self) -> None:
        self._backoff.reset()
        self._send_at = self._clock.monotonic() + 1.0 / self._limits.messages_per_s
        if not self._sending.stalled:
            self._trouble = None
        self._state = replace(
            self._state, last_accepted_ms=int(self._clock.utc() * 1000), last_error=self._trouble
        )

    def _refused(self) -> None:
        self._send_at = self._clock.monotonic() + self._limits.refused_retry_s
        reason = (
            f"the broker refuses the counts of {self._tenant}/{self._dev} "
            f"({self._broker.trouble}); check its access list and limits; the records are kept"
        )
        _log.error("counts refused", error=reason, retry_s=self._limits.refused_retry_s)
        self._state = replace(self._state, last_error=reason)

    def _lost(self, batch: Batch) -> None:
        self._sending.shrink(batch)  # perhaps it was larger than this broker takes
        first, last = batch.records[0].seq, batch.upto
        self._trouble = f"no acknowledgement for records {first} to {last}; they are sent again"
        self._hold(self._trouble)
