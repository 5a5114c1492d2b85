"""The gate of the page, before anything of it runs: host, origin, size; headers on the way out."""

from collections.abc import Mapping
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge.setup_page.answers import HEADERS, Refusal, refused
from edge.setup_page.audit_log import AuditLog
from edge.setup_page.hosts import headers_of, is_known

MOST_BODY_BYTES = 64 * 1024
_CHANGES = {"POST", "PUT", "PATCH", "DELETE"}
_METHODS = {"GET", "HEAD", *_CHANGES}

_log = structlog.get_logger(__name__)


class Guard:
    """ASGI middleware: what it lets through has a known host, no foreign origin, a small body."""

    def __init__(self, app: ASGIApp, audit: AuditLog, names: frozenset[str]) -> None:
        """names: see `hosts.own_names`; addresses are always allowed."""
        self._app, self._audit, self._names = app, audit, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever the page raises ends here."""
        if scope["type"] != "http":
            return
        answered = _Answer(send)
        try:
            self._check(scope)
            body = await _whole_body(scope, receive)
            await self._app(scope, _replay(body), answered.send)
        except Refusal as refusal:
            self._audit.note(client_of(scope), "request", refusal.result, always=False)
            await refused(refusal)(scope, receive, answered.send)
        except Exception:
            _log.exception("setup_page.failed")
            if not answered.begun:
                await refused(Refusal(500))(scope, receive, answered.send)

    def _check(self, scope: Scope) -> None:
        headers = headers_of(scope)
        if scope["method"] not in _METHODS:
            raise Refusal(405, result="method")
        hosts = headers.get("host", [])
        if len(hosts) != 1 or not is_known(hosts[0], self._names):
            raise Refusal(421, result="foreign host")
        if scope["method"] in _CHANGES:
            if headers.get("origin") != [f"{scope['scheme']}://{hosts[0]}"]:
                raise Refusal(403, "来源不符", "The request comes from another page",
                              result="foreign origin")  # fmt: skip
            if headers.get("sec-fetch-site", ["same-origin"]) != ["same-origin"]:
                raise Refusal(403, result="foreign origin")


class _Answer:
    """Adds the headers to an answer, and knows whether it has begun."""

    def __init__(self, send: Send) -> None:
        self._send, self.begun = send, False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            given = {name for name, _ in message["headers"]}
            message["headers"] = [
                *message["headers"],
                *((k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in given),
            ]
        await self._send(message)


def client_of(scope: Mapping[str, Any]) -> str:
    """Return the address that is connected; what a request says of it is not believed."""
    client = scope.get("client")
    return str(client[0]) if client else "?"


async def _whole_body(scope: Scope, receive: Receive) -> bytes:
    """Read the body, however it is sent. Raises Refusal when it is too large."""
    for value in headers_of(scope).get("content-length", []):
        if not value.isdecimal() or int(value[:12]) > MOST_BODY_BYTES:
            raise Refusal(413, result="too large", headers={"connection": "close"})
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, result="cut off")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MOST_BODY_BYTES:
            raise Refusal(413, result="too large", headers={"connection": "close"})
        if not message.get("more_body", False):
            return b"".join(parts)


def _replay(body: bytes) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    return receive
