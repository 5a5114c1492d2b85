"""One MQTT 5 connection with paho: a new client each time, and every answer read.

paho reports a publish as done whatever the reason code of its PUBACK, keeps
messages in memory across reconnects, and lets an exception in a callback kill
its network thread. So nothing here outlives the connection it was made for,
the acknowledgements are read by reason code, and callbacks cannot raise.
"""

import threading
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.adapters import mqtt_packets, mqtt_reasons
from edge.adapters.mqtt_client import end_client, harmless, new_client
from edge.adapters.mqtt_reasons import FAILURE, Answer, answer_of
from edge.adapters.mqtt_settings import (
    MqttSettings,
    failure_sentence,
    silent_end_sentence,
)
from edge.errors import BrokerError
from edge.vocabulary import Message, Receipt

LEAVE_TIMEOUT_S = 2.0
_Said = Properties | None

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
        self._connack: Answer | None = None
        self._answers: dict[int, Answer] = {}
        self._ended: str | None = None
        self._refused: str | None = None
        self._largest_packet: int | None = None
        self._socket: object = None
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

    @property
    def trouble(self) -> str:
        """Why the connection ended or, before that, why the last publish was refused."""
        return self._ended or self._refused or "unknown"

    def publish(self, message: Message) -> Receipt:
        """Publish and wait for the answer; without one in time the connection is ended.

        Ending it is what keeps a message that timed out from staying in paho's
        queue beside its own repetition. A packet larger than the broker takes is not sent.
        """
        properties = mqtt_packets.publish_properties(message)
        size = mqtt_packets.publish_size(message, properties)
        if self._largest_packet is not None and size > self._largest_packet:
            self._refused = f"the broker takes packets of {self._largest_packet} bytes at most"
            _log.warning("publish too large", topic=message.topic, size=size, reason=self._refused)
            return Receipt.TOO_LARGE
        info = self._client.publish(
            message.topic,
            message.payload,
            qos=message.qos,
            retain=message.retain,
            properties=properties,
        )
        answer = self._wait_for_answer(info.mid, self._settings.publish_timeout_s)
        if answer is None:
            self._end(f"no acknowledgement within {self._settings.publish_timeout_s:g} s")
            self.abort()
            return Receipt.LOST
        if answer.is_refusal:
            self._refused = str(answer)
            _log.warning("publish refused", topic=message.topic, reason=str(answer))
            return Receipt.REFUSED
        return Receipt.ACCEPTED

    def subscribe(self, topic_filter: str) -> None:
        """Subscribe with QoS 1. Raises BrokerError when it is not allowed.

        The connection survives a refusal, not the lack of an answer.
        """
        answer: Answer | None = None
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
        end_client(self._client)

    def _open(self, clean_start: bool) -> None:
        settings = self._settings
        try:
            self._client.connect(
                settings.host,
                settings.port,
                keepalive=settings.keepalive_s,
                clean_start=clean_start,
                properties=mqtt_packets.connect_properties(settings.session_expiry_s),
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
            raise BrokerError(f"{settings.address}: {self._no_answer()}")
        if self._connack.is_refusal:
            raise BrokerError(
                f"{settings.address}: {mqtt_reasons.refused_connection(self._connack)}"
            )

    def _no_answer(self) -> str:
        failure: OSError | None = getattr(self._socket, "failure", None)
        if failure is not None:
            return failure_sentence(failure, self._settings)
        return silent_end_sentence(
            self._settings,
            "closed the connection without an answer" if self._ended else "does not answer",
        )

    def _wait_for_answer(self, mid: int, timeout_s: float) -> Answer | None:
        with self._changed:
            self._changed.wait_for(
                lambda: mid in self._answers or self._ended is not None, timeout_s
            )
            return self._answers.pop(mid, None)

    def _new_client(self, client_id: str, will: Message | None) -> mqtt.Client:
        settings = self._settings
        client = new_client(settings, client_id)
        if will is not None:
            client.will_set(
                will.topic,
                will.payload,
                will.qos,
                will.retain,
                properties=mqtt_packets.will_properties(will, settings.will_delay_s),
            )
        client.on_socket_open = harmless(self._opened)
        client.on_connect = harmless(self._connected)
        client.on_disconnect = harmless(self._disconnected)
        client.on_publish = harmless(self._published)
        client.on_subscribe = harmless(self._subscribed)
        client.on_message = harmless(self._received)
        return client

    def _opened(self, _client: object, _data: object, sock: object) -> None:
        self._socket = sock  # paho forgets it when it fails, and with it the reason

    def _connected(
        self, _: object, __: object, ___: object, reason: ReasonCode, properties: _Said
    ) -> None:
        with self._changed:
            self._connack = answer_of(reason, properties)
            self._largest_packet = getattr(properties, "MaximumPacketSize", None)
            self._changed.notify_all()

    def _disconnected(
        self, _: object, __: object, how: Any, reason: ReasonCode, properties: _Said
    ) -> None:
        if how.is_disconnect_packet_from_server:
            self._end(mqtt_reasons.ended_connection(answer_of(reason, properties)))
        else:
            self._end(mqtt_reasons.ENDED_SILENTLY)

    def _published(
        self, _: object, __: object, mid: int, reason: ReasonCode, properties: _Said
    ) -> None:
        self._answered(mid, answer_of(reason, properties))

    def _subscribed(
        self, _: object, __: object, mid: int, reasons: list[ReasonCode], properties: _Said
    ) -> None:
        self._answered(mid, answer_of(reasons[0], properties))

    def _answered(self, mid: int, answer: Answer) -> None:
        with self._changed:
            self._answers[mid] = answer
            self._changed.notify_all()

    def _received(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        if self._on_message is not None:
            self._on_message(message.topic, bytes(message.payload), message.retain)

    def _end(self, reason: str) -> None:
        with self._changed:
            if self._ended is None:
                self._ended = reason
            self._changed.notify_all()
