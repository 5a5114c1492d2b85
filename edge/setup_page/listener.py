"""The listening socket of the page: how many connections there may be, before anything is read.

Each is a file of the process that counts, which may only have so many.
"""

import socket
from typing import Any

MOST_CONNECTIONS = 32
MOST_PER_ADDRESS = 12
"""A browser opens six."""
BACKLOG = 16


class Listener(socket.socket):
    """A TCP socket that hangs up on who comes when there are too many."""

    def __init__(self, host: str, port: int) -> None:
        """Listen. Raises OSError naming the address, when it cannot be had."""
        super().__init__(socket.AF_INET, socket.SOCK_STREAM)
        self._taken: list[tuple[str, socket.socket]] = []
        try:
            self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.bind((host, port))
            self.listen(BACKLOG)
        except OSError as error:
            self.close()
            raise OSError(
                error.errno, f"{host}:{port} cannot be listened at ({error.strerror});"
                " set another one, e.g. setup_page: {port: 8091}"
            ) from error  # fmt: skip

    def accept(self) -> tuple[socket.socket, Any]:
        """Take the next connection. Raises ConnectionAbortedError when it is one too many."""
        connection, peer = super().accept()
        address = str(peer[0])
        self._taken = [(of, each) for of, each in self._taken if each.fileno() >= 0]
        own = sum(of == address for of, _ in self._taken)
        if len(self._taken) >= MOST_CONNECTIONS or own >= MOST_PER_ADDRESS:
            connection.close()
            raise ConnectionAbortedError("too many connections")
        self._taken.append((address, connection))
        return connection, peer
