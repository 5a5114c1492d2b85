"""Around every request of the API: who asks, whether they may, what is written down of it."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from edge.setup_page.answers import Refusal, object_in, refused
from edge.setup_page.audit_log import AuditLog
from edge.setup_page.guard import client_of
from edge.setup_page.login import Logins
from edge.setup_page.sessions import Session

COOKIE = "lobbycount_session"
_CHANGES = {"POST", "PUT"}


class Visit(NamedTuple):
    """One request of somebody who is logged in."""

    request: Request
    session: Session
    body: bytes

    def said(self) -> dict[str, Any]:
        """Return the JSON object that was sent. Raises Refusal."""
        return object_in(self.request, self.body)


Answering = Callable[[Visit], Response]
"""Answers a visit, on a worker thread; may raise Refusal."""
Endpoint = Callable[[Request], Awaitable[Response]]


class Reception:
    """Makes endpoints that ask for a login, and for the session's token on changes."""

    def __init__(self, logins: Logins, audit: AuditLog) -> None:
        self._logins, self._audit = logins, audit

    def only_logged_in(self, what: str, answering: Answering, *, polled: bool = False) -> Endpoint:
        """Guard an endpoint. what: the word for the audit.

        polled: the page asks for it all the time, so it keeps no session from idling and is
        written down rarely.
        """

        async def endpoint(request: Request) -> Response:
            return await self._answer(what, answering, polled, request)

        return endpoint

    async def _answer(
        self, what: str, answering: Answering, polled: bool, request: Request
    ) -> Response:
        address = client_of(request.scope)
        try:
            body = await request.body()
            session = self._session_of(request, touch=not polled)
            answer = await run_in_threadpool(answering, Visit(request, session, body))
        except Refusal as refusal:
            self._audit.note(address, what, refusal.result, always=False)
            return refused(refusal)
        result = "ok" if answer.status_code < HTTPStatus.BAD_REQUEST else "failed"
        self._audit.note(address, what, result, always=not polled)
        return answer

    def _session_of(self, request: Request, *, touch: bool) -> Session:
        session = self._logins.session(request.cookies.get(COOKIE), touch=touch)
        if session is None:
            raise Refusal(401, result="not logged in")
        if request.method in _CHANGES and not session.accepts(request.headers.get("x-csrf-token")):
            raise Refusal(
                403,
                "页面已过期，请刷新后重试",
                "This page is out of date; reload it and try again",
                result="no csrf token",
            )
        return session
