"""`/api/session`, `/api/login`, `/api/logout`: what somebody may ask who is not logged in."""

from collections.abc import Callable
from http import HTTPStatus
from math import ceil

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge.sealing import iso_utc
from edge.setup_page.answers import Refusal, nothing, object_in, refused, word_in
from edge.setup_page.audit_log import AuditLog
from edge.setup_page.device import Device
from edge.setup_page.door import Door
from edge.setup_page.guard import client_of
from edge.setup_page.login import Logins, TooManyTriesError
from edge.setup_page.reception import COOKIE, Reception, Visit


class LoginApi:
    """Their endpoints."""

    def __init__(
        self,
        device: Device,
        logins: Logins,
        door: Door,
        audit: AuditLog,
        monotonic: Callable[[], float],
        *,
        secure: bool,
    ) -> None:
        """secure: whether the page is served over TLS; then its cookie never travels without."""
        self._device, self._logins, self._door = device, logins, door
        self._audit, self._monotonic, self._secure = audit, monotonic, secure

    def routes(self, reception: Reception) -> list[Route]:
        """Return them."""
        logout = reception.only_logged_in("logout", self._logout)
        return [
            Route("/api/session", self._session),
            Route("/api/login", self._login, methods=["POST"]),
            Route("/api/logout", logout, methods=["POST"]),
        ]

    async def _session(self, request: Request) -> Response:
        token, now = request.cookies.get(COOKIE), self._monotonic()
        session = self._logins.session(token, touch=False)
        device = self._device.current().device
        expires_at = (
            iso_utc(self._device.now_ms() + ceil(session.expires_in_s(now)) * 1000)
            if session
            else None
        )
        still = self._device.current().setup_page.still
        return JSONResponse(
            {
                "logged_in": session is not None,
                "csrf": session.csrf if session else None,
                "expires_at": expires_at,
                "device": {"id": device.id, "name": device.name},
                "still_allowed": bool(session and still and session.may_see_stills(now)),
                "retry_after_s": self._logins.retry_after_s(client_of(request.scope)),
            }
        )

    async def _login(self, request: Request) -> Response:
        address = client_of(request.scope)
        try:
            pin = word_in(object_in(request, await request.body()), "pin", "12345678")
            token = await run_in_threadpool(self._logins.try_pin, address, pin)
            if token is None:
                raise Refusal(401, "PIN 不正确", "This is not the PIN", result="wrong pin")
        except TooManyTriesError as error:
            wait = error.retry_after_s
            self._audit.note(address, "login", "too many tries", always=False)
            return refused(_wait(wait))
        except Refusal as refusal:
            tried = refusal.status_code == HTTPStatus.UNAUTHORIZED
            self._audit.note(address, "login", refusal.result, always=tried)
            return refused(refusal)
        self._door.hold()
        self._audit.note(address, "login", "ok")
        answer = nothing()
        answer.set_cookie(
            COOKIE, token, path="/", httponly=True, samesite="strict", secure=self._secure
        )
        return answer

    def _logout(self, visit: Visit) -> Response:
        self._logins.end(visit.request.cookies.get(COOKIE))
        answer = nothing()
        answer.delete_cookie(
            COOKIE, path="/", httponly=True, samesite="strict", secure=self._secure
        )
        return answer


def _wait(wait_s: int) -> Refusal:
    return Refusal(
        429,
        f"错误次数过多，请 {wait_s} 秒后再试",
        f"Too many wrong PINs; try again in {wait_s} s",
        headers={"retry-after": str(wait_s)},
        more={"retry_after_s": wait_s},
    )
