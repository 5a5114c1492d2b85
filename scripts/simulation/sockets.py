"""One thread for the sockets of thousands of paho clients, with epoll.

paho can be driven from outside (`loop_read`, `loop_write`, `loop_misc`). A packet is written by
whoever publishes it; what does not fit into the socket, and everything that is read, is dealt
with here. `attach` makes a client of the product one of these, so that everything else about
its connection stays what runs on a device.
"""

import contextlib
import select
import threading
import time
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as mqtt

SWEEP_S = 1.0
"""Every client is looked after once in so long: keep-alive, and anything that was left to write."""
_READ = select.EPOLLIN
_WRITE = select.EPOLLIN | select.EPOLLOUT


class _Watched:
    """A client and its socket. The lock is needed because paho writes from one thread only."""

    def __init__(self, client: mqtt.Client, epoll: select.epoll) -> None:
        self.client, self._epoll = client, epoll
        self._lock = threading.RLock()
        self._write = client.loop_write
        self._is_waiting = False
        self.number = -1

    def write(self) -> mqtt.MQTTErrorCode:
        with self._lock:
            code = self._write()
            wants = self.client.want_write()
            if wants is not self._is_waiting:
                self._is_waiting = wants
                with contextlib.suppress(OSError, ValueError):  # closed meanwhile
                    self._epoll.modify(self.number, _WRITE if wants else _READ)
            return code


class Sockets:
    """Reads, writes and keeps alive. `turn` is called again and again, from one thread."""

    def __init__(self, surprised: Callable[[str], None]) -> None:
        """surprised: called with whatever nobody thought of."""
        self._epoll = select.epoll()
        self._watched: dict[int, _Watched] = {}
        self._surprised = surprised
        self._sweep_at = 0.0

    def attach(self, client: mqtt.Client) -> None:
        """Take the place of the thread that paho would start for this client."""
        watched = _Watched(client, self._epoll)
        tell = client.on_socket_open

        def opened(client: mqtt.Client, data: Any, sock: Any) -> None:
            watched.number = sock.fileno()
            self._watched[watched.number] = watched
            self._epoll.register(watched.number, _READ)
            if tell is not None:
                tell(client, data, sock)

        def closed(_client: mqtt.Client, _data: Any, sock: Any) -> None:
            number = sock.fileno()
            if self._watched.get(number) is watched:
                del self._watched[number]
                with contextlib.suppress(OSError, ValueError):
                    self._epoll.unregister(number)

        changed: Any = client
        changed.loop_write = watched.write
        changed.loop_start = changed.loop_stop = lambda: mqtt.MQTT_ERR_SUCCESS
        client.on_socket_open, client.on_socket_close = opened, closed

    def turn(self, at_most_s: float) -> None:
        """Deal with what has come, or wait for it."""
        for number, events in self._epoll.poll(at_most_s):
            watched = self._watched.get(number)
            if watched is not None:
                self._serve(watched, events)
        if time.monotonic() >= self._sweep_at:
            self._sweep_at = time.monotonic() + SWEEP_S
            for watched in list(self._watched.values()):
                self._care(watched)

    def close(self) -> None:
        """Forget everything."""
        self._epoll.close()

    def _serve(self, watched: _Watched, events: int) -> None:
        client = watched.client
        try:
            if events & ~select.EPOLLOUT:
                client.loop_read()
            if client.want_write():  # also what was published while a callback ran
                watched.write()
        except Exception as error:
            self._surprised(f"{type(error).__name__} in a connection: {error}")

    def _care(self, watched: _Watched) -> None:
        try:
            watched.client.loop_misc()
            if watched.client.want_write():
                watched.write()
        except Exception as error:
            self._surprised(f"{type(error).__name__} in a connection: {error}")
