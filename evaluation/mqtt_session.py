"""What the receiver does on a connection: take messages, publish acks, acknowledge, in this order.

A PUBACK goes out when `acknowledge` is called. Until then the broker keeps the message in this
client's session, and no more than `receive_maximum` of them are here at a time, which is what
bounds the memory.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from paho.mqtt.client import MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.adapters.mqtt_settings import MqttSettings
from edge.errors import BrokerError
from edge.vocabulary import Message
from evaluation.mqtt_link import FAILURE, PAHO_WINDOW, MqttLink, SessionSettings, properties_of

_RETAINED_ALWAYS, _RETAINED_ONCE = 0, 1


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as it came. `mid` is 0 for QoS 0, which needs no acknowledgement.

    is_live: it came as it was published; else the broker had kept it.
    expiry_s: how long it holds from then on; None: for ever.
    """

    topic: str
    payload: bytes
    mid: int
    received_ms: int = 0
    is_live: bool = True
    expiry_s: int | None = None


class MqttSession:
    """One connection, with the subscriptions and the messages that the broker keeps beyond it."""

    def __init__(self, broker: MqttSettings, settings: SessionSettings) -> None:
        """Connect and subscribe. Raises BrokerError."""
        self._address = broker.address
        self._arrived: deque[Delivery] = deque()
        self._changed = threading.Condition()
        self._link = MqttLink(broker, settings, self._received, self._changed)
        try:
            retained = _RETAINED_ALWAYS if settings.retained_always else _RETAINED_ONCE
            for topic_filter in settings.filters:
                self._subscribe(topic_filter, retained)
        except BaseException:
            self._link.abort()
            raise

    @property
    def ended(self) -> str | None:
        """Why the connection ended; None while it is up."""
        return self._link.ended

    @property
    def is_resumed(self) -> bool:
        """Whether the broker still knew this client, so that it missed nothing."""
        return self._link.is_resumed

    def take(self, most: int, wait_s: float, linger_s: float) -> list[Delivery]:
        """Return what has arrived: wait for a first message, then a little for more.

        Empty when nothing came in `wait_s` or the connection ended.
        """
        link, arrived = self._link, self._arrived
        with self._changed:
            self._changed.wait_for(lambda: arrived or link.ended, wait_s)
            if arrived:
                self._changed.wait_for(lambda: len(arrived) >= most or link.ended, linger_s)
            if link.ended:
                return []  # the broker delivers them again, and these could not be acknowledged
            return [arrived.popleft() for _ in range(min(most, len(arrived)))]

    def publish(self, messages: Sequence[Message]) -> list[Message]:
        """Publish all at once and wait until each is answered; return those refused.

        Raises BrokerError when the connection ends meanwhile.
        """
        allowed = self._link.allowed
        at_a_time = len(messages) if allowed >= PAHO_WINDOW else allowed
        starts = range(0, len(messages), max(1, at_a_time))
        return [r for at in starts for r in self._publish(messages[at : at + at_a_time])]

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Tell the broker that these are done with; it forgets them."""
        for delivery in deliveries:
            if delivery.mid:
                self._link.client.ack(delivery.mid, 1)

    def leave(self) -> None:
        """End the connection in order; the broker keeps the session."""
        self._link.leave()

    def _publish(self, messages: Sequence[Message]) -> list[Message]:
        mids = []
        for message in messages:
            properties = properties_of(PacketTypes.PUBLISH)
            if not message.packed:
                properties.PayloadFormatIndicator = 1
            properties.ContentType = "application/json"
            if message.expiry_s is not None:
                properties.MessageExpiryInterval = message.expiry_s
            properties.UserProperty = list(message.properties)
            info = self._link.client.publish(
                message.topic, message.payload, message.qos, message.retain, properties
            )
            mids.append(info.mid)
        answers = self._link.answers_to(mids, "what was published was not taken")
        pairs = zip(messages, answers, strict=True)
        return [message for message, answer in pairs if answer.value >= FAILURE]

    def _subscribe(self, topic_filter: str, retained: int) -> None:
        options = SubscribeOptions(qos=1, retainHandling=retained)
        try:
            _, mid = self._link.client.subscribe(topic_filter, options=options)
        except ValueError as error:
            raise BrokerError(f"{topic_filter!r} is no topic filter ({error})") from error
        if mid is None:
            raise BrokerError(f"{self._address}: the connection ended at once")
        [answer] = self._link.answers_to([mid], "the subscription was not answered")
        if answer.value >= FAILURE:
            raise BrokerError(
                f"{self._address}: subscribing to {topic_filter!r} failed ({answer}); "
                "check the broker's access list"
            )

    def _received(self, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "(a topic that is not UTF-8)"
        delivery = Delivery(
            topic,
            bytes(message.payload),
            message.mid if message.qos else 0,
            time.time_ns() // 1_000_000,
            not message.retain,
            getattr(message.properties, "MessageExpiryInterval", None),
        )
        with self._changed:
            self._arrived.append(delivery)
            self._changed.notify_all()
