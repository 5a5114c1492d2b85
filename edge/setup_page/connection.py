"""One TCP connection to the page: how many there may be, and how long each may take."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_S = 20.0
"""A request, its answer and the wait for the next one take no longer, or the connection ends."""
MOST_CONNECTIONS = 32
MOST_PER_ADDRESS = 12
"""A browser opens six."""


class Connection(H11Protocol):
    """uvicorn's, which would wait for ever for the end of a request."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to listen, unless there are too many already."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS or self._neighbours() > MOST_PER_ADDRESS:
            transport.abort()
            return
        self._wind_up()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the watch."""
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Give the next request the whole time."""
        super().on_response_complete()
        self._wind_up()

    def _neighbours(self) -> int:
        """Count the connections from the same address, this one included."""
        peers = (each.transport.get_extra_info("peername") for each in self.connections)
        own = self.transport.get_extra_info("peername")
        return sum(peer is None or own is None or peer[0] == own[0] for peer in peers)

    def _wind_up(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(REQUEST_S, self.transport.abort)
