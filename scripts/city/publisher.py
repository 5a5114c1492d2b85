"""Publishes for the devices of a city and waits until the backend has committed everything."""

import json
import threading
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.vocabulary import Message

WAIT_S = 600.0
QUEUED = 200
"""Messages on their way at a time; the broker holds back as many for a receiver that is busy."""


class Publisher:
    """One connection for all devices of the city; their acks are listened to."""

    def __init__(self, host: str, port: int, tenant: str) -> None:
        """Connect. Raises OSError."""
        self._changed = threading.Condition()
        self._upto: dict[str, int] = {}
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, "demo-city", protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.on_message = self._acked
        self._client.on_publish = self._published
        self._on_the_way = 0
        self._client.connect(host, port)
        self._client.subscribe(f"pc/v1/{tenant}/+/ack", qos=1)
        self._client.loop_start()

    def send(self, messages: Iterable[Message]) -> None:
        """Publish, no faster than the broker takes it."""
        for message in messages:
            with self._changed:
                self._changed.wait_for(lambda: self._on_the_way < QUEUED, WAIT_S)
                self._on_the_way += 1
            self._client.publish(message.topic, message.payload, qos=1)

    def wait_for(self, expected: Mapping[str, int]) -> bool:
        """Wait until every stream is committed up to its last number; by stream."""
        with self._changed:
            return self._changed.wait_for(
                lambda: all(self._upto.get(s, 0) >= n for s, n in expected.items()), WAIT_S
            )

    def _acked(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        ack = json.loads(message.payload)
        with self._changed:
            self._upto[ack["stream"]] = ack["upto"]
            self._changed.notify_all()

    def _published(self, *_: Any) -> None:
        with self._changed:
            self._on_the_way -= 1
            self._changed.notify_all()

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()
