"""A subscriber that reconnects: what the `listen` verb reads from."""

import queue
import random
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import structlog

from edge.adapters.mqtt_connection import Connection
from edge.adapters.mqtt_settings import MqttSettings
from edge.errors import BrokerError

SESSION_EXPIRY_S = 300
"""How long the broker keeps what was missed while this subscriber was away."""
POLL_S = 0.2
RETRY_MIN_S = 0.5
RETRY_MAX_S = 30.0

Received = tuple[str, bytes, bool]

_log = structlog.get_logger(__name__)


def listen(
    settings: MqttSettings,
    topic_filter: str,
    stop: threading.Event,
    on_ready: Callable[[], None] = lambda: None,
) -> Iterator[Received]:
    """Yield (topic, payload, retained) until `stop` is set; `on_ready` is called once subscribed.

    Raises BrokerError when the first connection fails; later ones are retried.
    """
    settings = replace(settings, session_expiry_s=SESSION_EXPIRY_S)
    client_id = f"listener-{secrets.token_hex(6)}"
    received: queue.SimpleQueue[Received] = queue.SimpleQueue()
    connection: Connection | None = _subscribed(settings, client_id, topic_filter, received)
    on_ready()
    try:
        while not stop.is_set():
            if connection is None or not connection.up:
                if connection is not None:
                    _log.warning("connection lost", error=connection.trouble)
                    connection.abort()
                connection = _reconnected(settings, client_id, topic_filter, received, stop)
            try:
                yield received.get(timeout=POLL_S)
            except queue.Empty:
                continue
    finally:
        if connection is not None:
            connection.leave()


def _subscribed(
    settings: MqttSettings,
    client_id: str,
    topic_filter: str,
    received: queue.SimpleQueue[Received],
) -> Connection:
    connection = Connection(
        settings,
        client_id,
        clean_start=False,
        on_message=lambda *message: received.put(message),
    )
    try:
        connection.subscribe(topic_filter)
    except BrokerError:
        connection.abort()
        raise
    return connection


def _reconnected(
    settings: MqttSettings,
    client_id: str,
    topic_filter: str,
    received: queue.SimpleQueue[Received],
    stop: threading.Event,
) -> Connection | None:
    wait_s = RETRY_MIN_S
    # Listeners of a street office start again together; that is no secret to be kept.
    while not stop.wait(wait_s * random.uniform(0.5, 1.0)):  # noqa: S311
        try:
            return _subscribed(settings, client_id, topic_filter, received)
        except BrokerError as error:
            _log.warning("cannot listen", error=str(error))
        wait_s = min(2 * wait_s, RETRY_MAX_S)
    return None
