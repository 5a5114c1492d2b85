"""One HTTP connection to the page, and how long it may take."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_S = 20.0
"""A request, its answer and the wait for the next one take no longer, or the connection ends."""


class Connection(H11Protocol):
    """uvicorn's, which would wait for ever for the end of a request."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin the watch."""
        super().connection_made(transport)
        self._wind_up()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop it."""
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Give the next request the whole time."""
        super().on_response_complete()
        self._wind_up()

    def _wind_up(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(REQUEST_S, self.transport.abort)
