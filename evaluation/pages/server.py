"""Serving the pages: one process, TLS of its own or, in a lab, none."""

import asyncio
from pathlib import Path

import structlog
import uvicorn

from edge.setup_page.connection import Connection
from evaluation.pages.app import build_app
from evaluation.pages.desk import Desk

REQUEST_S = 120.0
"""A request, its answer and the wait for the next one; a file over a slow line takes a while."""
MOST_AT_ONCE = 64
_START_POLL_S = 0.02
_log = structlog.get_logger(__name__)


class _Connection(Connection):
    def _wind_up(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(REQUEST_S, self.transport.abort)


def server_of(
    desk: Desk, host: str, port: int, names: frozenset[str], tls: tuple[Path, Path] | None = None
) -> uvicorn.Server:
    """Return a server that does not run yet. tls: certificate and key. Raises OSError."""
    settings = uvicorn.Config(
        build_app(desk, names),
        host=host,
        port=port,
        http=_Connection,
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        log_level="critical",  # who looked at what is in the journal, not in the log
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=5,
        limit_concurrency=MOST_AT_ONCE,
        h11_max_incomplete_event_size=16 * 1024,
        ssl_certfile=tls and tls[0],
        ssl_keyfile=tls and tls[1],
    )
    return uvicorn.Server(settings)


def port_of(server: uvicorn.Server) -> int:
    """Return where a server that runs listens."""
    port: int = server.servers[0].sockets[0].getsockname()[1]
    return port


def serve(desk: Desk, server: uvicorn.Server) -> None:
    """Serve until stopped by a signal."""
    with desk.keeper:
        asyncio.run(_run(server))


async def _run(server: uvicorn.Server) -> None:
    task = asyncio.create_task(server.serve())
    while not server.started and not task.done():
        await asyncio.sleep(_START_POLL_S)
    if server.started:
        _log.info("pages.open", host=server.config.host, port=port_of(server))
    await task
