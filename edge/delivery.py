"""The relay: outbox → broker. Accept → retire, refuse → keep, lose → send again.

It runs in a thread of its own; counting never waits for it. One `step` does at
most one of everything and says how long to rest, so that it can be tested with
a clock that stands still; `run` is the loop around it.
"""

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import structlog

from edge.errors import BrokerError, LobbyCountError
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


@dataclass(slots=True)
class _Backoff:
    """Doubling waits with jitter: each is the last half of its span, at random."""

    limits: RelayLimits
    rng: random.Random
    failures: int = field(default=0)

    def next_s(self) -> float:
        """Return how long to wait after one more failure."""
        # The exponent is bounded because 2.0 ** 1024 raises after a night of failures.
        span = self.limits.retry_min_s * 2.0 ** min(self.failures, 30)
        self.failures += 1
        return min(span, self.limits.retry_max_s) * self.rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Begin with short waits again."""
        self.failures = 0


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
        rng: random.Random,
        wake: threading.Event | None = None,
        limits: RelayLimits | None = None,
    ) -> None:
        """Take the ports; `health` and `farewell` are called on the relay's thread."""
        self._outbox = outbox
        self._broker = broker
        self._clock = clock
        self._tenant = tenant
        self._dev = dev
        self._health = health
        self._farewell = farewell
        self._limits = limits or RelayLimits()
        self._backoff = _Backoff(self._limits, rng)
        self._batch = self._limits.records_per_message
        self._state = RelayState()
        self._connected_at = 0.0
        self._connect_at = 0.0
        self._send_at = 0.0
        self._health_at = 0.0
        self.wake = wake or threading.Event()

    @property
    def state(self) -> RelayState:
        """What the relay knows about itself; safe to read from any thread."""
        return self._state

    def refresh_health(self) -> None:
        """Publish health at once, because something changed; callable from any thread."""
        self._health_at = self._clock.monotonic()
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
        if not self._broker.connected:
            return self._reconnect(now)
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
        records = self._outbox.pending(self._batch)
        if not records:
            return None
        stream, upto = records[0].stream, records[-1].seq
        receipt = self._broker.publish(counts_message(self._tenant, self._dev, stream, records))
        if receipt is Receipt.ACCEPTED:
            self._outbox.retire(stream, upto)
            self._accepted()
        elif receipt is Receipt.REFUSED:
            self._refused()
        else:
            self._lost(records[0].seq, upto)
        return receipt

    def _accepted(self) -> None:
        self._backoff.reset()
        self._batch = min(2 * self._batch, self._limits.records_per_message)
        self._send_at = self._clock.monotonic() + 1.0 / self._limits.messages_per_s
        self._state = replace(
            self._state, last_accepted_ms=int(self._clock.utc() * 1000), last_error=None
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
