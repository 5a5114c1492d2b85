"""The Broker port over MQTT 5: the last will, the birth messages, one publish at a time."""

import threading
from collections.abc import Callable, Sequence

import structlog

from edge.adapters.mqtt_connection import Connection
from edge.adapters.mqtt_settings import MqttSettings
from edge.errors import BrokerError
from edge.vocabulary import Message, Receipt

_log = structlog.get_logger(__name__)


class MqttBroker:
    """A Broker. `will` and `birth` are asked anew for every connection.

    One lock around every publish keeps at most one message in paho.
    """

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        will: Callable[[], Message],
        birth: Callable[[], Sequence[Message]],
        inbox: tuple[str, Callable[[bytes], None]] | None = None,
    ) -> None:
        """Prepare. inbox: a topic to subscribe to and who takes its payloads, on another thread."""
        self._settings = settings
        self._client_id = client_id
        self._will = will
        self._birth = birth
        self._inbox = inbox
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
            if not self._subscribed():
                self._abandon()
                self._connection = self._new_connection()
            for message in self._birth():
                self._publish_birth(message)
        _log.info("connected to the broker", address=self._settings.address)

    def _new_connection(self) -> Connection:
        # What is subscribed to is retained, so there is no session worth keeping.
        take = self._inbox[1] if self._inbox else None
        return Connection(
            self._settings,
            self._client_id,
            # The same session as before, or the broker would send the will when that one ends.
            clean_start=False,
            will=self._will(),
            on_message=(lambda _topic, payload, _retained: take(payload)) if take else None,
        )

    def _subscribed(self) -> bool:
        """Subscribe to the inbox; without it counts can still be delivered."""
        if self._inbox is None or self._connection is None:
            return True
        try:
            self._connection.subscribe(self._inbox[0])
        except BrokerError as error:
            _log.warning("no acks from a backend", error=str(error))
            return False
        return True

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
