"""Serving the pages: one process, TLS of its own or, in a lab, none."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import structlog
import uvicorn

from edge.setup_page.connection import Connection
from evaluation.assessment.scheme import Scheme
from evaluation.database import Database
from evaluation.pages.app import build_app
from evaluation.pages.desk import desk_of

REQUEST_S = 120.0
"""A request, its answer and the wait for the next one; a file over a slow line takes a while."""
MOST_AT_ONCE = 64
_log = structlog.get_logger(__name__)


class _Connection(Connection):
    def _wind_up(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(REQUEST_S, self.transport.abort)


def serve(
    database: Database,
    scheme: Scheme,
    host: str,
    port: int,
    names: frozenset[str],
    *,
    tls: tuple[Path, Path] | None,
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
) -> None:
    """Serve until stopped by a signal. tls: certificate and key. Raises OSError."""
    desk = desk_of(database, scheme, now_ms, secure=tls is not None)
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
    with desk.keeper:
        asyncio.run(_run(settings))


async def _run(settings: uvicorn.Config) -> None:
    server = uvicorn.Server(settings)
    task = asyncio.create_task(server.serve())
    while not server.started and not task.done():
        await asyncio.sleep(0.02)
    if server.started:
        port = server.servers[0].sockets[0].getsockname()[1]
        _log.info("pages.open", host=settings.host, port=port)
    await task
