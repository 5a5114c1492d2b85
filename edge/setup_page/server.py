"""The thread that serves the page while it is open. Nothing that happens in it ends the service."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import structlog
import uvicorn
from starlette.types import ASGIApp

from edge.setup_page.audit_log import AuditLog
from edge.setup_page.connection import Connection
from edge.setup_page.door import Door
from edge.setup_page.listener import BACKLOG, Listener

LOOK_S = 0.25
AGAIN_S = 30.0
"""How long after it could not listen or failed it is tried again."""
HOSTS = {"this-device": "127.0.0.1", "lan": "0.0.0.0"}  # noqa: S104  only when the config says so

_log = structlog.get_logger(__name__)


class PageServer:
    """Listens while the door is open; a context manager."""

    def __init__(
        self,
        app: ASGIApp,
        door: Door,
        audit: AuditLog,
        host: str,
        port: int,
        *,
        certificate: Path | None = None,
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare; nothing listens before it is entered.

        port: 0 takes a free one, see `port` then. certificate: PEM file with its key, for TLS.
        on_stop: called when the service ends.
        """
        self._app, self._door, self._audit = app, door, audit
        self._host, self.port = host, port
        self._certificate, self._on_stop = certificate, on_stop
        self._stop = threading.Event()
        self.listening = threading.Event()
        self._thread = threading.Thread(target=self._run, name="setup-page", daemon=True)

    def __enter__(self) -> "PageServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5.0)
        self._on_stop()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                if self._door.look():
                    self._serve()
                else:
                    self._stop.wait(LOOK_S)
            except (Exception, SystemExit) as error:
                _log.error("setup_page.down", reason=str(error) or type(error).__name__)
                self._stop.wait(AGAIN_S)

    def _serve(self) -> None:
        with Listener(self._host, self.port) as listener:
            self.port = listener.getsockname()[1]
            _log.info("setup_page.open", host=self._host, port=self.port)
            self._audit.note("-", "page", "opened")
            try:
                asyncio.run(self._until_closed(listener))
            finally:
                self.listening.clear()
        self._audit.note("-", "page", "closed")
        _log.info("setup_page.closed")

    async def _until_closed(self, listener: Listener) -> None:
        server = uvicorn.Server(self._settings())
        task = asyncio.create_task(server.serve(sockets=[listener]))
        self.listening.set()
        while not task.done() and not self._stop.is_set() and self._door.look():
            await asyncio.wait([task], timeout=LOOK_S)
        server.should_exit = True
        await task

    def _settings(self) -> uvicorn.Config:
        return uvicorn.Config(
            self._app,
            http=Connection,
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            log_level="critical",  # what visitors get wrong is in the audit, not in the log
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=2,
            h11_max_incomplete_event_size=16 * 1024,
            backlog=BACKLOG,
            ssl_certfile=self._certificate,
        )
