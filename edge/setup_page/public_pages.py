"""What anybody may read without a login: the page's own files, the privacy statement, the sign."""

import hashlib
import re
from base64 import b64encode

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from edge.privacy_statement import statement
from edge.setup_page.answers import HEADERS, Refusal, refused
from edge.setup_page.audit_log import AuditLog
from edge.setup_page.device import Device
from edge.setup_page.guard import client_of
from edge.setup_page.static_files import load_static

_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


def public_pages(device: Device, audit: AuditLog) -> list[Route]:
    """Return their routes."""
    files = load_static()

    def note(request: Request, what: str) -> None:
        audit.note(client_of(request.scope), what, "ok", always=False)

    async def page(request: Request) -> Response:
        note(request, "page")
        return files.get("index.html") or refused(Refusal(404))

    async def static(request: Request) -> Response:
        return files.get(request.path_params["path"]) or refused(Refusal(404))

    async def privacy(request: Request) -> Response:
        note(request, "privacy")
        return _document(statement(device.current()).html("en" if _english(request) else "zh"))

    async def sign(request: Request) -> Response:
        note(request, "sign")
        return _document(statement(device.current()).sign())

    return [
        Route("/", page),
        Route("/static/{path:path}", static),
        Route("/privacy", privacy),
        Route("/sign", sign),
    ]


def _english(request: Request) -> bool:
    """Whether `?lang=` or else the browser's first language says English; Chinese otherwise."""
    asked = request.query_params.get("lang") or request.headers.get("accept-language", "")
    return asked.strip().lower().startswith("en")


def _document(text: str) -> Response:
    """Return a document with a style of its own, which the policy then names by its hash."""
    style = _STYLE.search(text)
    policy = HEADERS["content-security-policy"]
    if style is not None:
        digest = b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
        policy += f"; style-src 'self' 'sha256-{digest}'"
    return HTMLResponse(text, headers={"content-security-policy": policy})
