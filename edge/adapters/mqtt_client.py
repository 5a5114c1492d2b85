"""A paho client as both sides use it: for one connection, with callbacks that cannot raise."""

import contextlib
import functools
import socket
from collections.abc import Callable
from typing import Any, cast

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import CallbackAPIVersion

from edge.adapters.mqtt_settings import MqttSettings, tls_context

_log = structlog.get_logger(__name__)


def new_client(settings: MqttSettings, client_id: str, *, manual_ack: bool = False) -> mqtt.Client:
    """Return a client that is not connected yet; it never connects again by itself.

    manual_ack: nothing that arrives is acknowledged before `Client.ack` is called.
    """
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        client_id,
        protocol=mqtt.MQTTv5,
        reconnect_on_failure=False,
        manual_ack=manual_ack,
    )
    client.connect_timeout = settings.connect_timeout_s
    if settings.username is not None:
        client.username_pw_set(settings.username, settings.password)
    if not settings.insecure_lab:
        client.tls_set_context(tls_context(settings))
    return client


def end_client(client: mqtt.Client) -> None:
    """End its connection and its thread, whatever their state. Idempotent."""
    sock = cast(Any, client.socket())
    if sock is not None:
        # Wakes paho's thread out of its select, which closes the socket and ends.
        with contextlib.suppress(OSError):  # the other side may have been faster
            sock.shutdown(socket.SHUT_RDWR)
    # paho forgets its thread when that ends, between its own check and join.
    with contextlib.suppress(AttributeError):
        client.loop_stop()
    # Its wake-up sockets too: an error on its way up may keep the client alive for long.
    with contextlib.suppress(AttributeError):
        client._reset_sockets()
    # Callbacks refer to their owner; without the circle paho frees its sockets at once.
    client.on_connect = client.on_disconnect = client.on_publish = None
    client.on_subscribe = client.on_message = client.on_socket_open = None


def harmless(callback: Callable[..., None]) -> Callable[..., None]:
    """Log what a callback raises; it would end paho's network thread."""

    @functools.wraps(callback)
    def guarded(*arguments: object) -> None:
        try:
            callback(*arguments)
        except Exception:
            _log.exception("MQTT callback failed", callback=callback.__name__)

    return guarded
