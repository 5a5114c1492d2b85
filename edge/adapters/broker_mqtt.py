"""The Broker port over MQTT 5: the last will, the birth messages, one publish at a time."""

import threading
from collections.abc import Callable, Mapping, Sequence

import structlog
from paho.mqtt.client import topic_matches_sub

from edge.adapters.mqtt_connection import Connection
from edge.adapters.mqtt_settings import MqttSettings
from edge.errors import BrokerError
from edge.vocabulary import Message, Receipt

Inboxes = Mapping[str, Callable[[str, bytes], None]]
"""Who takes the topic and payload of what arrives under a topic filter."""

_log = structlog.get_logger(__name__)


class MqttBroker:
    """A Broker. `will` and `birth` are asked anew for every connection.

    One lock around every publish keeps at most one message in paho.
    """

    connection_type: Callable[..., Connection] = Connection

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        will: Callable[[], Message],
        birth: Callable[[], Sequence[Message]],
        inboxes: Inboxes | None = None,
    ) -> None:
        """Prepare. inboxes: what to subscribe to; they are called on another thread."""
        self._settings = settings
        self._client_id = client_id
        self._will = will
        self._birth = birth
        self._inboxes = inboxes or {}
        self._lock = threading.RLock()
        self._connection: Connection | None = None

    @property
    def connected(self) -> bool:
        """Whether the present connection is up."""
        connection = self._connection
        return connection is not None and connection.up

    @property
    def trouble(self) -> str:
        """Why the broker refused the last publish or the connection ended, in words."""
        connection = self._connection
        return "there is no connection" if connection is None else connection.trouble

    def connect(self) -> None:
        """Connect, set the will, publish the birth messages. Raises BrokerError."""
        with self._lock:
            self._abandon()
            self._connection = self._new_connection()
            if not self._subscribed(self._connection):
                self._abandon()
                self._connection = self._new_connection()
            for message in self._birth():
                self._publish_birth(message)
        _log.info("connected to the broker", address=self._settings.address)

    def _new_connection(self) -> Connection:
        # What matters of the inboxes is retained, so there is no session worth keeping.
        return self.connection_type(
            self._settings,
            self._client_id,
            # The same session as before, or the broker would send the will when that one ends.
            clean_start=False,
            will=self._will(),
            on_message=self._received,
        )

    def _received(self, topic: str, payload: bytes, _retained: bool) -> None:
        for topic_filter, take in self._inboxes.items():
            if topic_matches_sub(topic_filter, topic):
                take(topic, payload)

    def _subscribed(self, connection: Connection) -> bool:
        """Subscribe to the inboxes; return whether the connection is fit for delivery after it."""
        for topic_filter in self._inboxes:
            try:
                connection.subscribe(topic_filter)
            except BrokerError as error:
                _log.warning("nothing will be heard", topic=topic_filter, error=str(error))
        return connection.up

    def publish(self, message: Message) -> Receipt:
        """Publish and wait for the acknowledgement of QoS 1, a bounded time."""
        with self._lock:
            if self._connection is None or not self._connection.up:
                return Receipt.LOST
            return self._connection.publish(message)

    def disconnect(self, last: Sequence[Message] = ()) -> None:
        """Publish the last messages and leave in order, so that no will is sent."""
        with self._lock:
            if self._connection is None:
                return
            for message in last:
                self.publish(message)
            if self._connection.up:
                self._connection.leave()
            self._abandon()

    def _publish_birth(self, message: Message) -> None:
        # A refused birth was logged with its reason; counts may still be allowed.
        if self.publish(message) is Receipt.LOST:
            reason = self.trouble
            self._abandon()
            raise BrokerError(
                f"{self._settings.address}: the connection ended while {message.topic} "
                f"was being published: {reason}"
            )

    def _abandon(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            self._connection = None
