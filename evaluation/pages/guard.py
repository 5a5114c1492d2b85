"""The gate before every page: host and origin; the headers of every answer."""

import structlog
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge.setup_page.hosts import headers_of, is_known
from evaluation.pages.refusal import Refusal
from evaluation.pages.system_answers import is_of_systems, refused

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not no-referrer: with it a browser says `Origin: null` of a form, which is nobody's.
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
"""There is no script at all, so none is allowed; nothing may come from elsewhere or be framed."""
_METHODS = {"GET", "HEAD", "POST"}

_log = structlog.get_logger(__name__)


class Guard:
    """ASGI middleware: what it lets through has a known host and no foreign origin."""

    def __init__(self, app: ASGIApp, names: frozenset[str], *, secure: bool) -> None:
        """names: hosts beside addresses. secure: whether it is served over TLS."""
        self._app, self._names = app, names
        tls = {"strict-transport-security": "max-age=31536000"} if secure else {}
        self._headers = [(k.encode(), v.encode()) for k, v in (HEADERS | tls).items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever a page raises ends here."""
        if scope["type"] != "http":
            return
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                given = {name for name, _ in message["headers"]}
                more = [(k, v) for k, v in self._headers if k not in given]
                message["headers"] = [*message["headers"], *more]
            await send(message)

        try:
            self._check(scope)
            await self._app(scope, receive, sending)
        except Refusal as refusal:
            await _plainly(refusal, scope)(scope, receive, sending)
        except Exception:
            _log.exception("pages.failed")
            if not begun:
                await _plainly(Refusal(500), scope)(scope, receive, sending)

    def _check(self, scope: Scope) -> None:
        if scope["method"] not in _METHODS:
            raise Refusal(405)
        headers = headers_of(scope)
        hosts = headers.get("host", [])
        if len(hosts) != 1 or not is_known(hosts[0], self._names):
            raise Refusal(421)
        # For systems no cookie counts: a foreign page that sends a browser there gains nothing.
        if scope["method"] == "POST" and not is_of_systems(scope["path"]):
            own = f"{scope['scheme']}://{hosts[0]}"
            if headers.get("origin") != [own]:
                raise Refusal(403, "来源不符", "The request comes from another page")
            if headers.get("sec-fetch-site", ["same-origin"]) != ["same-origin"]:
                raise Refusal(403, "来源不符", "The request comes from another page")


def _plainly(refusal: Refusal, scope: Scope) -> Response:
    if is_of_systems(scope["path"]):
        return refused(refusal)
    return PlainTextResponse(f"{refusal.zh}\n{refusal.en}\n", refusal.status_code, refusal.headers)
