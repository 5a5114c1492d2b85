"""Serving the pages: one process, TLS of its own or, in a lab, none."""

import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import structlog
import uvicorn

from edge.errors import BadInputError
from edge.setup_page.connection import Connection
from evaluation.pages.app import build_app
from evaluation.pages.desk import Desk

REQUEST_S = 120.0
"""A request, its answer and the wait for the next one; a file over a slow line takes a while."""
MOST_AT_ONCE = 64
BEAT_S = 15
HANGS_AFTER_S = 120.0
_log = structlog.get_logger(__name__)


class _Connection(Connection):
    def _wind_up(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(REQUEST_S, self.transport.abort)


def listener(host: str, port: int) -> socket.socket:
    """Return a socket that listens. port: 0 takes a free one. Raises BadInputError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise BadInputError(
            f"{host}:{port} cannot be listened at ({error.strerror}); e.g. --port 8444"
            " 无法监听此端口"
        ) from None


def server_of(
    desk: Desk,
    names: frozenset[str],
    tls: tuple[Path, Path] | None = None,
    beat: Callable[[], None] = lambda: None,
) -> uvicorn.Server:
    """Return a server that does not run yet. Raises BadInputError.

    tls: certificate and key. beat: called while the loop goes round that answers requests.
    """

    async def alive() -> None:
        beat()

    settings = uvicorn.Config(
        build_app(desk, names),
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
        callback_notify=alive,
        timeout_notify=BEAT_S,
        ssl_certfile=tls and tls[0],
        ssl_keyfile=tls and tls[1],
    )
    try:
        settings.load()
    except (OSError, ssl.SSLError) as error:
        raise BadInputError(
            f"certificate and key cannot be used ({error}); both are PEM 证书或私钥无法使用"
        ) from None
    return uvicorn.Server(settings)


def serve(desk: Desk, server: uvicorn.Server, listening: socket.socket) -> None:
    """Serve until a signal stops it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn stops in good order at the first one, then raises it once more.
        signal.signal(number, _stop)
    host, port = listening.getsockname()[:2]
    with desk.keeper:
        _log.info("pages.open", host=host, port=port)
        server.run(sockets=[listening])


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)
