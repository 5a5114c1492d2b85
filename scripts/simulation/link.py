"""The product's MQTT adapter on shared sockets, and what is measured at it.

Will, birth, subscriptions, reason codes and time limits are those of `edge.adapters`; only the
thread of its own, which every connection has on a device, is gone.
"""

import contextlib
import random
import re
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import paho.mqtt.client as mqtt

from edge.acks import Ack, parse_ack
from edge.adapters.broker_mqtt import MqttBroker
from edge.adapters.mqtt_connection import Connection
from edge.errors import MessageError
from edge.vocabulary import Message, Receipt

from .sockets import Sockets

_SEQ = re.compile(rb'"seq":(\d+)')
_STREAM = re.compile(rb'"stream":"([^"]+)"')


@dataclass(slots=True)
class Handed:
    """When each record was first handed to the broker, until its ack is seen.

    waited: seconds from the one to the other, and of how many records.
    """

    records: int = 0
    """Handed to the broker, repetitions included."""
    waited: list[tuple[float, int]] = field(default_factory=list)
    _first: dict[str, dict[int, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def sent(self, payload: bytes, now: float) -> None:
        """Note a batch; it is a text of the product's own, so its keys are where they are."""
        match = _STREAM.search(payload)
        numbers = [int(number) for number in _SEQ.findall(payload)]
        with self._lock:
            first = self._first.setdefault(match[1].decode() if match else "", {})
            self.records += len(numbers)
            for number in numbers:
                first.setdefault(number, now)

    def acked(self, ack: Ack | None, now: float) -> None:
        """Note what is committed for the first time; a rewind makes nothing new."""
        if ack is None:
            return
        spans = ((1, ack.upto), *ack.have)
        with self._lock:
            first = self._first.get(ack.stream, {})
            known = [n for n in first if any(a <= n <= b for a, b in spans)]
            waits: dict[float, int] = {}
            for number in known:
                since = first.pop(number)
                waits[since] = waits.get(since, 0) + 1
            self.waited += [(now - since, count) for since, count in waits.items()]


@dataclass(slots=True)
class Link:
    """What one device's connections share."""

    sockets: Sockets
    handed: Handed
    rng: random.Random
    cut_share: float = 0.0
    """The share of PUBACKs for counts that are lost, together with their connection."""
    on_ended: Callable[[], None] = lambda: None
    cut: Callable[[], None] = lambda: None
    """End the present connection, as a network does that fails."""
    connections: int = 0
    cuts: int = 0


class SharedConnection(Connection):
    """A connection without a thread of its own."""

    def __init__(self, link: Link, *arguments: Any, **named: Any) -> None:
        self._link, self._counts_on_their_way = link, False
        super().__init__(*arguments, **named)
        link.connections += 1
        link.cut = self.cut

    def publish(self, message: Message) -> Receipt:
        self._counts_on_their_way = message.topic.endswith("/counts")
        return super().publish(message)

    def _new_client(self, client_id: str, will: Message | None) -> mqtt.Client:
        client = super()._new_client(client_id, will)
        self._link.sockets.attach(client)
        return client

    def _published(self, *answer: Any) -> None:
        link = self._link
        if self._counts_on_their_way and link.rng.random() < link.cut_share:
            link.cuts += 1
            self.cut()
        else:
            super()._published(*answer)

    def cut(self) -> None:
        """End the connection as a network does that fails."""
        self._end("the simulated network failed")
        sock: Any = self._client.socket()
        if sock is not None:
            with contextlib.suppress(OSError):  # the other side may have been faster
                sock.shutdown(socket.SHUT_RDWR)  # its next read is the end of it

    def _end(self, reason: str) -> None:
        had_ended = not self.up
        super()._end(reason)
        if not had_ended:
            self._link.on_ended()


class SharedBroker(MqttBroker):
    """The product's Broker; its connections share their sockets' thread with all others."""

    def __init__(self, link: Link, *arguments: Any) -> None:
        self._link = link
        self.connection_type = partial(SharedConnection, link)
        super().__init__(*arguments)

    def publish(self, message: Message) -> Receipt:
        if message.topic.endswith("/counts"):
            self._link.handed.sent(message.payload, time.monotonic())
        return super().publish(message)

    def _received(self, topic: str, payload: bytes, retained: bool) -> None:
        if topic.endswith("/ack"):
            with contextlib.suppress(MessageError):  # the relay says so
                self._link.handed.acked(parse_ack(payload), time.monotonic())
        super()._received(topic, payload, retained)
