"""One MQTT 5 connection with paho: a new client each time, and every answer read.

paho reports a publish as done whatever the reason code of its PUBACK, keeps
messages in memory across reconnects, and lets an exception in a callback kill
its network thread. So nothing here outlives the connection it was made for,
the acknowledgements are read by reason code, and callbacks cannot raise.
"""

import contextlib
import functools
import socket
import threading
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.adapters.mqtt_settings import MqttSettings, failure_sentence, tls_context
from edge.errors import BrokerError
from edge.vocabulary import Message, Receipt

FAILURE = 0x80
"""Reason codes from here on are refusals."""
LEAVE_TIMEOUT_S = 2.0

_log = structlog.get_logger(__name__)


class Connection:
    """One connection from CONNECT to its end; never reused."""

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        *,
        clean_start: bool,
        will: Message | None = None,
        on_message: Callable[[str, bytes, bool], None] | None = None,
    ) -> None:
        """Connect and wait for the broker's answer. Raises BrokerError."""
        self._settings = settings
        self._on_message = on_message
        self._changed = threading.Condition()
        self._connack: ReasonCode | None = None
        self._answers: dict[int, ReasonCode] = {}
        self._ended: str | None = None
        self._client = self._new_client(client_id, will)
        try:
            self._open(clean_start)
        except BaseException:
            self.abort()
            raise

    @property
    def up(self) -> bool:
        """Whether the connection has not ended."""
        return self._ended is None

    def publish(self, message: Message) -> Receipt:
        """Publish and wait for the answer; without one in time the connection is ended.

        Ending it is what keeps a message that timed out from staying in paho's
        queue beside its own repetition.
        """
        info = self._client.publish(
            message.topic,
            message.payload,
            qos=message.qos,
            retain=message.retain,
            properties=_properties(PacketTypes.PUBLISH, message),
        )
        answer = self._wait_for_answer(info.mid, self._settings.publish_timeout_s)
        if answer is None:
            self.abort()
            return Receipt.LOST
        if answer.value >= FAILURE:
            _log.warning("publish refused", topic=message.topic, reason=str(answer))
            return Receipt.REFUSED
        return Receipt.ACCEPTED

    def subscribe(self, topic_filter: str) -> None:
        """Subscribe with QoS 1. Raises BrokerError when it is not allowed.

        The connection survives a refusal, not the lack of an answer.
        """
        answer: ReasonCode | None = None
        reason = "no answer"
        try:
            _, mid = self._client.subscribe(topic_filter, options=SubscribeOptions(qos=1))
            if mid is not None:
                answer = self._wait_for_answer(mid, self._settings.connect_timeout_s)
            if answer is None:
                self.abort()
        except ValueError as error:
            reason = str(error)
        if answer is None or answer.value >= FAILURE:
            raise BrokerError(
                f"{self._settings.address}: subscribing to {topic_filter!r} failed "
                f"({answer or reason}); check the filter and the broker's access list"
            )

    def leave(self) -> None:
        """End the connection in order, so that the broker sends no will."""
        self._client.disconnect()
        with self._changed:
            self._changed.wait_for(lambda: self._ended is not None, LEAVE_TIMEOUT_S)
        self.abort()

    def abort(self) -> None:
        """End the connection whatever its state; the broker then sends the will. Idempotent."""
        self._end("ended by this device")
        sock = self._client.socket()
        if sock is not None:
            # Wakes paho's thread out of its select, which closes the socket and ends.
            _shut_down(sock)
        # paho forgets its thread when that ends, between its own check and join.
        with contextlib.suppress(AttributeError):
            self._client.loop_stop()
        # Its wake-up sockets too: an error on its way up may keep the client alive for long.
        with contextlib.suppress(AttributeError):
            self._client._reset_sockets()
        self._forget_callbacks()

    def _forget_callbacks(self) -> None:
        # They refer back here; without the circle paho frees its sockets at once.
        client = self._client
        client.on_connect = client.on_disconnect = client.on_publish = None
        client.on_subscribe = client.on_message = None

    def _open(self, clean_start: bool) -> None:
        settings = self._settings
        properties = _new_properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = settings.session_expiry_s
        try:
            self._client.connect(
                settings.host,
                settings.port,
                keepalive=settings.keepalive_s,
                clean_start=clean_start,
                properties=properties,
            )
        except (OSError, ValueError) as error:
            raise BrokerError(f"{settings.address}: {failure_sentence(error, settings)}") from error
        self._client.loop_start()
        self._wait_for_connack()

    def _wait_for_connack(self) -> None:
        settings = self._settings
        with self._changed:
            self._changed.wait_for(
                lambda: self._connack is not None or self._ended is not None,
                settings.connect_timeout_s,
            )
        if self._connack is None:
            reason = "closed the connection without an answer" if self._ended else "does not answer"
            raise BrokerError(
                f"{settings.address}: the other side {reason}; "
                "is an MQTT 5 broker listening there, with TLS if it is asked for?"
            )
        if self._connack.value >= FAILURE:
            raise BrokerError(
                f"{settings.address}: the broker refused the connection ({self._connack}); "
                "check user name, password and client certificate"
            )

    def _wait_for_answer(self, mid: int, timeout_s: float) -> ReasonCode | None:
        with self._changed:
            self._changed.wait_for(
                lambda: mid in self._answers or self._ended is not None, timeout_s
            )
            return self._answers.pop(mid, None)

    def _new_client(self, client_id: str, will: Message | None) -> mqtt.Client:
        settings = self._settings
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            protocol=mqtt.MQTTv5,
            reconnect_on_failure=False,
        )
        client.connect_timeout = settings.connect_timeout_s
        if settings.username is not None:
            client.username_pw_set(settings.username, settings.password)
        if not settings.insecure_lab:
            client.tls_set_context(tls_context(settings))
        if will is not None:
            client.will_set(
                will.topic,
                will.payload,
                will.qos,
                will.retain,
                properties=_properties(PacketTypes.WILLMESSAGE, will),
            )
        client.on_connect = _harmless(self._connected)
        client.on_disconnect = _harmless(self._disconnected)
        client.on_publish = _harmless(self._published)
        client.on_subscribe = _harmless(self._subscribed)
        client.on_message = _harmless(self._received)
        return client

    def _connected(
        self, _client: object, _data: object, _flags: object, reason: ReasonCode, *_rest: object
    ) -> None:
        with self._changed:
            self._connack = reason
            self._changed.notify_all()

    def _disconnected(
        self, _client: object, _data: object, _flags: object, reason: ReasonCode, *_rest: object
    ) -> None:
        self._end(str(reason))

    def _published(
        self, _client: object, _data: object, mid: int, reason: ReasonCode, *_rest: object
    ) -> None:
        with self._changed:
            self._answers[mid] = reason
            self._changed.notify_all()

    def _subscribed(
        self, _client: object, _data: object, mid: int, reasons: list[ReasonCode], *_rest: object
    ) -> None:
        with self._changed:
            self._answers[mid] = reasons[0]
            self._changed.notify_all()

    def _received(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        if self._on_message is not None:
            self._on_message(message.topic, bytes(message.payload), message.retain)

    def _end(self, reason: str) -> None:
        with self._changed:
            if self._ended is None:
                self._ended = reason
            self._changed.notify_all()


def _harmless(callback: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(callback)
    def guarded(*arguments: object) -> None:
        try:
            callback(*arguments)
        except Exception:
            _log.exception("MQTT callback failed", callback=callback.__name__)

    return guarded


def _new_properties(packet: int) -> Properties:
    return Properties(packet)  # type: ignore[no-untyped-call]


def _properties(packet: int, message: Message) -> Properties:
    properties = _new_properties(packet)
    properties.PayloadFormatIndicator = 1
    properties.ContentType = "application/json"
    if message.expiry_s is not None:
        properties.MessageExpiryInterval = message.expiry_s
    if message.properties:
        properties.UserProperty = list(message.properties)
    return properties


def _shut_down(sock: Any) -> None:
    with contextlib.suppress(OSError):  # The other side may have been faster.
        sock.shutdown(socket.SHUT_RDWR)
