"""The receiver: MQTT → checked records → one transaction → acks → PUBACKs, in this order.

Whatever happens between two of these steps, the one before is repeated and changes nothing:
a message without PUBACK is delivered again, a record without ack is sent again, and a record
that is stored already is the repetition it is. So `kill -9` loses nothing at any moment.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from edge.acks import MOST_SPANS
from edge.adapters.mqtt_settings import MqttSettings
from edge.backoff import Backoff
from edge.errors import BrokerError
from edge.messages import ack_message
from edge.vocabulary import Message
from evaluation.errors import StoreError
from evaluation.ingest import Reading, read
from evaluation.mqtt_link import SessionSettings
from evaluation.mqtt_session import Delivery, MqttSession
from evaluation.store import Committed, Store, StreamState

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReceiverLimits:
    """How much at a time, and how patient."""

    messages_per_commit: int = 200
    linger_s: float = 0.01
    """How long a first message waits for others to share its transaction."""
    poll_s: float = 0.25
    retry_min_s: float = 0.5
    retry_max_s: float = 30.0
    stable_after_s: float = 60.0
    """A connection that lasted this long makes the next retry a quick one."""
    acks_per_page: int = 200
    """Devices whose known streams are acked again at a time, at most one page every `poll_s`."""
    report_s: float = 60.0


class Receiver:
    """Takes counts and heads from a broker into a store until it is told to stop."""

    def __init__(
        self,
        store: Store,
        broker: MqttSettings,
        session: SessionSettings,
        *,
        tenant: str | None = None,
        limits: ReceiverLimits | None = None,
        rng: random.Random | None = None,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare; `tenant` limits whose known streams are acked again. `beat`: at every round."""
        self._store, self._broker, self._session = store, broker, session
        self._tenant, self._beat = tenant, beat
        self._limits = limits or ReceiverLimits()
        rng = rng or random.Random()  # noqa: S311  jitter, not a secret
        self._broker_retry = Backoff(self._limits.retry_min_s, self._limits.retry_max_s, rng)
        self._store_retry = Backoff(self._limits.retry_min_s, self._limits.retry_max_s, rng)
        self._repeat_after: str | None = ""
        self._was_forgotten = False
        self._repeat_at = 0.0
        self._sums: Counter[str] = Counter()
        self._report_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Receive until `stop` is set. Neither a broker nor a database that is away ends it."""
        while not stop.is_set():
            self._beat()
            try:
                session = MqttSession(self._broker, self._session)
            except BrokerError as error:
                self._wait(stop, "cannot connect", str(error))
                continue
            _log.info(
                "receiving",
                address=self._broker.address,
                filters=self._session.filters,
                resumed=session.is_resumed,
            )
            connected_at = time.monotonic()
            self._serve(session, stop)
            if time.monotonic() - connected_at >= self._limits.stable_after_s:
                self._broker_retry.reset()
            if not stop.is_set():
                self._wait(stop, "the connection to the broker ended", session.ended or "")
        self._report()

    def _wait(self, stop: threading.Event, event: str, reason: str) -> None:
        wait_s = self._broker_retry.next_s()
        _log.warning(event, reason=reason, retry_s=round(wait_s, 1))
        stop.wait(wait_s)

    def _serve(self, session: MqttSession, stop: threading.Event) -> None:
        """Work on one connection until it ends."""
        if not session.is_resumed:
            # The broker has forgotten this client, perhaps the retained acks with it, and what
            # it took from devices since then reached nobody: they are asked for it again.
            self._repeat_after, self._was_forgotten = "", True
        try:
            while not stop.is_set() and session.ended is None:
                self._beat()
                limits = self._limits
                taken = session.take(limits.messages_per_commit, limits.poll_s, limits.linger_s)
                if taken:
                    self._receive(session, taken, stop)
                self._repeat_acks(session)
                if time.monotonic() >= self._report_at:
                    self._report()
        except BrokerError as error:
            _log.warning("not acknowledged, so it is delivered again", reason=str(error))
        except Exception:
            _log.exception("receiving failed in a way nobody thought of")
        finally:
            session.leave()

    def _receive(
        self, session: MqttSession, taken: Sequence[Delivery], stop: threading.Event
    ) -> None:
        """Commit, then ack to the devices, then acknowledge to the broker. Only in this order."""
        readings = [read(delivery.topic, delivery.payload) for delivery in taken]
        committed = self._commit(session, readings, stop)
        if committed is None:
            return
        self._publish(session, committed.streams)
        session.acknowledge(taken)

    def _commit(
        self, session: MqttSession, readings: Sequence[Reading], stop: threading.Event
    ) -> Committed | None:
        """Return what was committed; None when the connection or the service ended first."""
        while session.ended is None:
            self._beat()
            try:
                committed = self._store.commit(readings, time.time_ns() // 1_000_000)
            except StoreError as error:
                wait_s = self._store_retry.next_s()
                _log.error(
                    "the database is away; nothing is acknowledged until it is back",
                    reason=str(error),
                    messages=len(readings),
                    retry_s=round(wait_s, 1),
                )
                if stop.wait(wait_s):
                    return None
                continue
            self._store_retry.reset()
            self._note(committed)
            return committed
        return None

    def _publish(self, session: MqttSession, states: Sequence[StreamState]) -> None:
        self._publish_acks(session, [ack_of(state) for state in states])

    def _publish_acks(self, session: MqttSession, acks: Sequence[Message]) -> None:
        for message in session.publish(acks):
            _log.error("an ack was refused; check the broker's access list", topic=message.topic)

    def _repeat_acks(self, session: MqttSession) -> None:
        """Publish the acks of known streams once more, a page at a time.

        At the start, because the database may be an older copy whose acks are lower than those
        retained; and to a broker that has forgotten this client. After every other reconnect the
        broker has them still. It keeps one ack of a device, that of the stream last heard of.
        """
        now = time.monotonic()
        if self._repeat_after is None or now < self._repeat_at:
            return
        self._repeat_at = now + self._limits.poll_s
        try:
            page = self._store.streams(self._repeat_after, self._limits.acks_per_page, self._tenant)
        except StoreError as error:
            _log.warning("known streams cannot be read", reason=str(error))
            return
        if self._was_forgotten:
            self._publish_acks(session, [ack_of(s, s.watermark.upto + 1) for s in page])
        else:
            self._publish(session, page)
        self._repeat_after = page[-1].dev if page else None
        self._was_forgotten = self._was_forgotten and bool(page)

    def _note(self, committed: Committed) -> None:
        for topic, reason in committed.rejects:
            _log.warning("kept but not counted", topic=topic, reason=reason)
        for topic, reason in committed.reused:
            _log.warning("a number was used twice; both are counted", topic=topic, reason=reason)
        for package in committed.shared:
            _log.warning("a site package is on two boards; both are counted", said=package.told)
        self._sums.update(
            records=committed.new_records,
            repeated=committed.repeated,
            rejected=len(committed.rejects),
            reused=len(committed.reused),
        )

    def _report(self) -> None:
        self._report_at = time.monotonic() + self._limits.report_s
        if self._sums.total():
            _log.info("received", **self._sums)
            self._sums.clear()


def ack_of(state: StreamState, rewind: int | None = None) -> Message:
    """Return the ack that tells a device what is committed of a stream."""
    watermark = state.watermark
    return ack_message(
        state.tenant,
        state.dev,
        stream=state.stream,
        upto=watermark.upto,
        have=watermark.have[:MOST_SPANS],
        rewind=rewind,
    )
