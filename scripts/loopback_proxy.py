"""A TCP proxy on loopback that counts bytes and spoils the connection on demand.

For tests and benches: what a device meets on a bad network, between it and its broker.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Literal

Fault = Literal["none", "cut", "black_hole", "swallow_pubacks"]
HOST = "127.0.0.1"
PUBACK = 4
CHUNK_BYTES = 65_536


class LoopbackProxy:
    """Forwards connections to a port; `fault` says how it fails, from the next byte on.

    cut: connections are reset, new ones too. black_hole: nothing arrives and nobody is told.
    swallow_pubacks: of MQTT, everything arrives but the broker's acknowledgements.
    """

    def __init__(self, port: int) -> None:
        """Listen on a free port (`port`) and forward to the given one on loopback."""
        self._target = port
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self.up_bytes = self.down_bytes = 0
        self._fault: Fault = "none"
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def fault(self) -> Fault:
        """How it fails now."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        healed_hole = self._fault == "black_hole" and fault != "black_hole"
        self._fault = fault
        if fault == "cut" or healed_hole:  # after a hole both sides are out of step
            self._reset_all()

    def close(self) -> None:
        """End everything."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._reset_all()

    def __enter__(self) -> "LoopbackProxy":
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End everything."""
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._fault == "cut":
                _reset(client)
                continue
            try:
                server = socket.create_connection((HOST, self._target), timeout=5)
            except OSError:
                _reset(client)
                continue
            server.settimeout(None)
            with self._lock:
                self._open |= {client, server}
            for pump in (self._up, self._down):
                threading.Thread(target=pump, args=(client, server), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        def forward(data: bytes) -> None:
            self.up_bytes += len(data)
            server.sendall(data)

        self._pump(client, server, forward)

    def _down(self, client: socket.socket, server: socket.socket) -> None:
        packets = _Packets()

        def forward(data: bytes) -> None:
            for packet in packets.feed(data):
                if self._fault == "swallow_pubacks" and packet[0] >> 4 == PUBACK:
                    continue
                self.down_bytes += len(packet)
                client.sendall(packet)

        self._pump(server, client, forward)

    def _pump(
        self, source: socket.socket, sink: socket.socket, forward: Callable[[bytes], None]
    ) -> None:
        try:
            while data := source.recv(CHUNK_BYTES):
                if self._fault != "black_hole":
                    forward(data)
        except OSError:
            pass
        with self._lock:
            self._open -= {source, sink}
        _reset(source)
        _reset(sink)

    def _reset_all(self) -> None:
        with self._lock:
            opened, self._open = self._open, set()
        for each in opened:
            _reset(each)


class _Packets:
    """Cuts a stream of bytes into MQTT control packets (MQTT 5, section 2.1)."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        self._rest += data
        found = []
        while (length := _packet_length(self._rest)) is not None and length <= len(self._rest):
            found.append(self._rest[:length])
            self._rest = self._rest[length:]
        return found


def _packet_length(data: bytes) -> int | None:
    """Return the length of the first packet; None while that cannot be known."""
    remaining, shift = 0, 0
    for index, byte in enumerate(data[1:5], start=1):
        remaining |= (byte & 0x7F) << shift
        if byte < 0x80:
            return index + 1 + remaining
        shift += 7
    return None


def _reset(sock: socket.socket) -> None:
    """Close with RST, and wake a thread that reads from it."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
