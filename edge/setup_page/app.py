"""The page as an ASGI app: its files, its API, and the gate before them."""

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from edge.setup_page.answers import Refusal, refused
from edge.setup_page.audit_log import AuditLog
from edge.setup_page.device import Device
from edge.setup_page.doctor_api import DoctorApi
from edge.setup_page.door import Door
from edge.setup_page.drawings_api import DrawingsApi
from edge.setup_page.guard import Guard
from edge.setup_page.hosts import own_names
from edge.setup_page.login import Logins
from edge.setup_page.login_api import LoginApi
from edge.setup_page.public_pages import public_pages
from edge.setup_page.reception import Reception
from edge.setup_page.state_api import StateApi
from edge.setup_page.tally_api import TallyApi
from edge.setup_page.tally_desk import TallyDesk


def build_app(
    device: Device,
    desk: TallyDesk,
    logins: Logins,
    door: Door,
    audit: AuditLog,
    *,
    monotonic: Callable[[], float],
    secure: bool = False,
) -> ASGIApp:
    """Join the parts. secure: see LoginApi."""
    reception = Reception(logins, audit)
    app = Starlette(
        routes=[
            *public_pages(device, audit),
            *LoginApi(device, logins, door, audit, monotonic, secure=secure).routes(reception),
            *StateApi(device, door, monotonic, desk.state).routes(reception),
            *DrawingsApi(device).routes(reception),
            *DoctorApi(device).routes(reception),
            *TallyApi(desk).routes(reception),
        ],
        exception_handlers={HTTPException: _in_words, Exception: _in_words},
    )
    app.router.redirect_slashes = False
    return Guard(app, audit, own_names())


async def _in_words(_request: Request, error: Exception) -> Response:
    """Answer what Starlette itself refuses, such as a path that there is not, and what fails."""
    if isinstance(error, Refusal):
        return refused(error)
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    return refused(Refusal(status, headers=dict(headers) if headers else None))
