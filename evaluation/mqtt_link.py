"""One MQTT 5 connection of the backend's side, from CONNECT to its end; never reused.

As on the device answers are read by their reason code, because paho reports success whatever
they say, and callbacks cannot raise, because that would end its network thread.
"""

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.adapters.mqtt_client import end_client, harmless, new_client
from edge.adapters.mqtt_settings import MqttSettings, failure_sentence
from edge.errors import BrokerError

FAILURE = 0x80
"""Reason codes from here on are refusals."""
LARGEST_PACKET = 1 << 20
"""Bytes. A device's largest batch has about a tenth of it; the broker drops what is larger."""
PAHO_WINDOW = 20
"""Publishes that paho has on their way at a time; it takes no notice of what a broker allows."""
LEAVE_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """How the receiver is known to the broker, and how much it takes at a time.

    retained_always: what the broker keeps comes at every connect, not at the first one only.
    """

    client_id: str
    filters: tuple[str, ...]
    expiry_s: int
    receive_maximum: int
    retained_always: bool = False


class MqttLink:
    """A connection with `manual_ack`: nothing is acknowledged that was not asked for."""

    def __init__(
        self,
        broker: MqttSettings,
        settings: SessionSettings,
        on_message: Callable[[mqtt.MQTTMessage], None],
        changed: threading.Condition,
    ) -> None:
        """Connect. Raises BrokerError.

        on_message: called on another thread, perhaps before this returns: a session that is
        resumed has messages waiting.
        changed: notified whenever something was answered or the connection ended.
        """
        self._broker, self._settings, self._on_message = broker, settings, on_message
        self._changed = changed
        self.ended: str | None = None
        """Why the connection ended; None while it is up."""
        self.is_resumed = False
        """Whether the broker still knew this client, so that it missed nothing."""
        self.allowed = PAHO_WINDOW
        """How many publishes at a time the broker takes."""
        self._answers: dict[int, ReasonCode] = {}
        self._connack: ReasonCode | None = None
        self.client = self._new_client()
        try:
            self._open()
        except BaseException:
            self.abort()
            raise

    def leave(self) -> None:
        """End the connection in order; the broker keeps the session."""
        self.client.disconnect()
        with self._changed:
            self._changed.wait_for(lambda: self.ended is not None, LEAVE_TIMEOUT_S)
        self.abort()

    def abort(self) -> None:
        """End the connection whatever its state. Idempotent."""
        self._end("ended by this receiver")
        end_client(self.client)

    def _open(self) -> None:
        broker = self._broker
        properties = properties_of(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = self._settings.expiry_s
        properties.ReceiveMaximum = self._settings.receive_maximum
        properties.MaximumPacketSize = LARGEST_PACKET
        try:
            self.client.connect(
                broker.host,
                broker.port,
                keepalive=broker.keepalive_s,
                clean_start=False,
                properties=properties,
            )
        except (OSError, ValueError) as error:
            raise BrokerError(f"{broker.address}: {failure_sentence(error, broker)}") from error
        self.client.loop_start()
        self._wait_for(
            lambda: self._connack is not None, "is an MQTT 5 broker listening there, with TLS?"
        )
        if self._connack is not None and self._connack.value >= FAILURE:
            raise BrokerError(
                f"{broker.address}: the broker refused the connection ({self._connack}); "
                "check user name, password and client certificate"
            )

    def answers_to(self, mids: Collection[int], otherwise: str) -> list[ReasonCode]:
        """Return the answers to these packets, in order. Raises BrokerError without them."""
        self._wait_for(lambda: all(mid in self._answers for mid in mids), otherwise)
        return [self._answers.pop(mid) for mid in mids]

    def _wait_for(self, predicate: Callable[[], bool], otherwise: str) -> None:
        timeout_s = self._broker.publish_timeout_s
        with self._changed:
            self._changed.wait_for(lambda: predicate() or self.ended is not None, timeout_s)
            if predicate():
                return
            reason = self.ended or "no answer in time"
        self.abort()
        raise BrokerError(f"{self._broker.address}: {reason}; {otherwise}")

    def _new_client(self) -> mqtt.Client:
        broker = self._broker
        client = new_client(broker, self._settings.client_id, manual_ack=True)
        client.on_connect = harmless(self._connected)
        client.on_disconnect = harmless(self._disconnected)
        client.on_publish = harmless(self._published)
        client.on_subscribe = harmless(self._subscribed)
        client.on_message = harmless(self._received)
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
            self.allowed = getattr(properties, "ReceiveMaximum", PAHO_WINDOW)
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

    def _received(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        self._on_message(message)

    def _answer(self, mid: int, reason: ReasonCode) -> None:
        with self._changed:
            self._answers[mid] = reason
            self._changed.notify_all()

    def _end(self, reason: str) -> None:
        with self._changed:
            if self.ended is None:
                self.ended = reason
            self._changed.notify_all()


def properties_of(packet: int) -> Properties:
    """Return empty MQTT 5 properties of a kind of packet."""
    return Properties(packet)  # type: ignore[no-untyped-call]
