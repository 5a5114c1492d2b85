"""One MQTT 5 connection of the receiver: nothing is acknowledged before it is told to.

With `manual_ack` a PUBACK goes out when `acknowledge` is called. Until then the broker keeps
the message in this client's session, and no more than `receive_maximum` of them are here at a
time, which is what bounds the memory. As on the device a connection is never reused, answers
are read by their reason code, and callbacks cannot raise.
"""

import contextlib
import functools
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.adapters.mqtt_settings import MqttSettings, failure_sentence, tls_context
from edge.errors import BrokerError
from edge.vocabulary import Message

FAILURE = 0x80
"""Reason codes from here on are refusals."""
LARGEST_PACKET = 1 << 20
"""Bytes. A device's largest batch has about a tenth of it; the broker drops what is larger."""
PAHO_WINDOW = 20
"""Publishes that paho has on their way at a time; it takes no notice of what a broker allows."""
LEAVE_TIMEOUT_S = 2.0
_DO_NOT_REPEAT_RETAINED = 1

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """How the receiver is known to the broker, and how much it takes at a time."""

    client_id: str
    filters: tuple[str, ...]
    expiry_s: int
    receive_maximum: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as it came. `mid` is 0 for QoS 0, which needs no acknowledgement."""

    topic: str
    payload: bytes
    mid: int


class MqttSession:
    """One connection from CONNECT to its end, with the session that the broker keeps."""

    def __init__(self, broker: MqttSettings, settings: SessionSettings) -> None:
        """Connect and subscribe. Raises BrokerError."""
        self._broker, self._settings = broker, settings
        self._changed = threading.Condition()
        self._arrived: deque[Delivery] = deque()
        self._answers: dict[int, ReasonCode] = {}
        self._connack: ReasonCode | None = None
        self._ended: str | None = None
        self._allowed = PAHO_WINDOW
        self.is_resumed = False
        """Whether the broker still knew this client, so that it missed nothing."""
        self._client = self._new_client()
        try:
            self._open()
            self._subscribe()
        except BaseException:
            self.abort()
            raise

    @property
    def ended(self) -> str | None:
        """Why the connection ended; None while it is up."""
        return self._ended

    def take(self, most: int, wait_s: float, linger_s: float) -> list[Delivery]:
        """Return what has arrived: wait for a first message, then a little for more.

        Empty when nothing came in `wait_s` or the connection ended.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._arrived or self._ended, wait_s)
            if self._arrived:
                until = lambda: len(self._arrived) >= most or self._ended  # noqa: E731
                self._changed.wait_for(until, linger_s)
            if self._ended:
                return []  # the broker delivers them again, and these could not be acknowledged
            return [self._arrived.popleft() for _ in range(min(most, len(self._arrived)))]

    def publish(self, messages: Sequence[Message]) -> list[Message]:
        """Publish all at once and wait until each is answered; return those refused.

        Raises BrokerError when the connection ends meanwhile.
        """
        at_a_time = len(messages) if self._allowed >= PAHO_WINDOW else self._allowed
        starts = range(0, len(messages), max(1, at_a_time))
        return [r for at in starts for r in self._publish(messages[at : at + at_a_time])]

    def _publish(self, messages: Sequence[Message]) -> list[Message]:
        sent = {}
        for message in messages:
            properties = _properties(PacketTypes.PUBLISH)
            properties.PayloadFormatIndicator = 1
            properties.ContentType = "application/json"
            properties.UserProperty = list(message.properties)
            info = self._client.publish(
                message.topic, message.payload, message.qos, message.retain, properties
            )
            sent[info.mid] = message
        self._wait_for(lambda: sent.keys() <= self._answers.keys(), "acks were not taken")
        answers = {mid: self._answers.pop(mid) for mid in sent}
        return [sent[mid] for mid, answer in answers.items() if answer.value >= FAILURE]

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Tell the broker that these are done with; it forgets them."""
        for delivery in deliveries:
            if delivery.mid:
                self._client.ack(delivery.mid, 1)

    def leave(self) -> None:
        """End the connection in order; the broker keeps the session."""
        self._client.disconnect()
        with self._changed:
            self._changed.wait_for(lambda: self._ended is not None, LEAVE_TIMEOUT_S)
        self.abort()

    def abort(self) -> None:
        """End the connection whatever its state. Idempotent."""
        self._end("ended by this receiver")
        sock = cast(Any, self._client.socket())
        if sock is not None:
            with contextlib.suppress(OSError):  # the other side may have been faster
                sock.shutdown(socket.SHUT_RDWR)
        # paho forgets its thread when that ends, between its own check and join.
        with contextlib.suppress(AttributeError):
            self._client.loop_stop()
        with contextlib.suppress(AttributeError):
            self._client._reset_sockets()
        client = self._client
        client.on_connect = client.on_disconnect = client.on_publish = None
        client.on_subscribe = client.on_message = None

    def _open(self) -> None:
        broker = self._broker
        properties = _properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = self._settings.expiry_s
        properties.ReceiveMaximum = self._settings.receive_maximum
        properties.MaximumPacketSize = LARGEST_PACKET
        try:
            self._client.connect(
                broker.host,
                broker.port,
                keepalive=broker.keepalive_s,
                clean_start=False,
                properties=properties,
            )
        except (OSError, ValueError) as error:
            raise BrokerError(f"{broker.address}: {failure_sentence(error, broker)}") from error
        self._client.loop_start()
        self._wait_for(
            lambda: self._connack is not None, "is an MQTT 5 broker listening there, with TLS?"
        )
        if self._connack is not None and self._connack.value >= FAILURE:
            raise BrokerError(
                f"{broker.address}: the broker refused the connection ({self._connack}); "
                "check user name, password and client certificate"
            )

    def _subscribe(self) -> None:
        options = SubscribeOptions(qos=1, retainHandling=_DO_NOT_REPEAT_RETAINED)
        for topic_filter in self._settings.filters:
            try:
                _, mid = self._client.subscribe(topic_filter, options=options)
            except ValueError as error:
                raise BrokerError(f"{topic_filter!r} is no topic filter ({error})") from error
            if mid is None:
                raise BrokerError(f"{self._broker.address}: the connection ended at once")
            self._wait_for(lambda: mid in self._answers, "the subscription was not answered")  # noqa: B023
            answer = self._answers.pop(mid)
            if answer.value >= FAILURE:
                raise BrokerError(
                    f"{self._broker.address}: subscribing to {topic_filter!r} failed ({answer}); "
                    "check the broker's access list"
                )

    def _wait_for(self, predicate: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + self._broker.publish_timeout_s
        with self._changed:
            self._changed.wait_for(
                lambda: predicate() or self._ended is not None,
                max(0.0, deadline - time.monotonic()),
            )
            if predicate():
                return
            reason = self._ended or "no answer in time"
        self.abort()
        raise BrokerError(f"{self._broker.address}: {reason}; {otherwise}")

    def _new_client(self) -> mqtt.Client:
        broker = self._broker
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            self._settings.client_id,
            protocol=mqtt.MQTTv5,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = broker.connect_timeout_s
        if broker.username is not None:
            client.username_pw_set(broker.username, broker.password)
        if not broker.insecure_lab:
            client.tls_set_context(tls_context(broker))
        client.on_connect = _harmless(self._connected)
        client.on_disconnect = _harmless(self._disconnected)
        client.on_publish = _harmless(self._published)
        client.on_subscribe = _harmless(self._subscribed)
        client.on_message = _harmless(self._received)
        return client

    def _connected(
        self,
        _client: object,
        _data: object,
        flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        with self._changed:
            self._allowed = getattr(properties, "ReceiveMaximum", PAHO_WINDOW)
            self.is_resumed = flags.session_present
            self._connack = reason
            self._changed.notify_all()

    def _disconnected(
        self, _client: object, _data: object, _flags: object, reason: ReasonCode, *_rest: object
    ) -> None:
        self._end(str(reason))

    def _published(
        self, _client: object, _data: object, mid: int, reason: ReasonCode, *_rest: object
    ) -> None:
        self._answer(mid, reason)

    def _subscribed(
        self, _client: object, _data: object, mid: int, reasons: list[ReasonCode], *_rest: object
    ) -> None:
        self._answer(mid, reasons[0])

    def _answer(self, mid: int, reason: ReasonCode) -> None:
        with self._changed:
            self._answers[mid] = reason
            self._changed.notify_all()

    def _received(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "(a topic that is not UTF-8)"
        delivery = Delivery(topic, bytes(message.payload), message.mid if message.qos else 0)
        with self._changed:
            self._arrived.append(delivery)
            self._changed.notify_all()

    def _end(self, reason: str) -> None:
        with self._changed:
            if self._ended is None:
                self._ended = reason
            self._changed.notify_all()


def _harmless(callback: Callable[..., None]) -> Callable[..., None]:
    """Log what a callback raises; it would end paho's network thread."""

    @functools.wraps(callback)
    def guarded(*arguments: object) -> None:
        try:
            callback(*arguments)
        except Exception:
            _log.exception("MQTT callback failed", callback=callback.__name__)

    return guarded


def _properties(packet: int) -> Properties:
    return Properties(packet)  # type: ignore[no-untyped-call]
