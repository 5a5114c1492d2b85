"""Around every page: who asks, in which role, in which language; what is written down of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from edge.errors import BadInputError
from evaluation.errors import StoreError
from evaluation.pages.accounts import Account
from evaluation.pages.desk import Desk
from evaluation.pages.forms import MOST_FORM_BYTES, Form, body_of, read_form
from evaluation.pages.journal import Who
from evaluation.pages.refusal import Refusal
from evaluation.pages.render import page
from evaluation.pages.roles import Role, role_in
from evaluation.pages.sessions import Session
from evaluation.pages.words import LANGUAGES, text

COOKIE = "evaluation_session"
LANGUAGE = "evaluation_language"
NO_FORM = Form({}, {})


@dataclass(frozen=True, slots=True)
class Visit:
    """A request of somebody who is logged in. tenant, role: where the page is of a tenant."""

    request: Request
    session: Session
    account: Account
    tenant: str
    role: Role
    language: str
    form: Form = NO_FORM

    @property
    def address(self) -> str:
        """Where it comes from."""
        return client_of(self.request)

    @property
    def who(self) -> Who:
        """Return whom the journal names."""
        return Who(self.account.name, self.address, self.tenant)

    def path(self, name: str) -> str:
        """Return a part of the path."""
        return str(self.request.path_params[name])

    def asked(self, name: str) -> str:
        """Return a parameter of the address; empty when it is not there."""
        return self.request.query_params.get(name, "")

    def values(self, **more: Any) -> dict[str, Any]:
        """Return what every template needs, and more."""
        return frame(self.request, self.language) | {
            "name": self.account.name, "csrf": self.session.csrf, "tenant": self.tenant,
            "may_evaluate": self.role.covers(Role.EVALUATOR),
            "may_administer": self.role.covers(Role.ADMIN),
        } | more  # fmt: skip


Answering = Callable[[Desk, Visit], Response]
"""Answers a visit, on a worker thread; may raise Refusal and BadInputError."""
Endpoint = Callable[[Request], Awaitable[Response]]


class Reception:
    """Makes endpoints that ask for a login and a role, and on changes for the form's token."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def open_to(
        self, needed: Role, what: str, answering: Answering, *, most: int = MOST_FORM_BYTES
    ) -> Endpoint:
        """Guard an endpoint. what: the word for the journal. most: bytes that may be sent."""

        async def endpoint(request: Request) -> Response:
            return await self._answer(needed, what, answering, most, request)

        return endpoint

    async def _answer(
        self, needed: Role, what: str, answering: Answering, most: int, request: Request
    ) -> Response:
        found = await run_in_threadpool(self._visit, request)
        if found is None:
            return RedirectResponse("/login", 303)
        try:
            if request.method == "POST":
                found = await self._with_form(found, most)
            if not found.role.covers(needed):
                raise Refusal(403, result="role")
            answer = await run_in_threadpool(answering, self._desk, found)
        except (Refusal, BadInputError, StoreError) as error:
            refusal = as_refusal(error)
            await run_in_threadpool(self._note, found, what, refusal.result)
            return page("error.html", found.values(zh=refusal.zh, en=refusal.en),
                        refusal.status_code)  # fmt: skip
        await run_in_threadpool(self._note, found, what, "ok")
        keep_language(request, answer)
        return answer

    def _visit(self, request: Request) -> Visit | None:
        session = self._desk.sessions.find(request.cookies.get(COOKIE))
        account = None if session is None else self._desk.accounts.find(session.name)
        if session is None or account is None:
            return None
        tenant = request.path_params.get("tenant", "")
        role = role_in(account.roles, tenant) if tenant else Role.VIEWER
        if role is None:  # says no more than of a tenant that there is not
            raise Refusal(404, result="tenant")
        return Visit(request, session, account, tenant, role, language_of(request))

    async def _with_form(self, visit: Visit, most: int) -> Visit:
        # Before a file is read there is a session; its token is in the form.
        body = await body_of(visit.request, most)
        form = read_form(visit.request.headers.get("content-type", ""), body)
        if not visit.session.accepts(form.text("csrf")):
            raise Refusal(
                403,
                "页面已过期，请刷新后重试",
                "This page is out of date; reload it and try again",
                result="no form token",
            )
        return Visit(visit.request, visit.session, visit.account, visit.tenant, visit.role,
                     visit.language, form)  # fmt: skip

    def _note(self, visit: Visit, what: str, result: str) -> None:
        parts = (visit.request.path_params.get(each) for each in ("month", "site", "kind"))
        about = " ".join([*(str(part) for part in parts if part), visit.form.text("about")]).strip()
        journal = self._desk.journal
        if visit.request.method == "POST" or result != "ok":
            journal.note(visit.who, what, about, result)
        else:
            journal.note_look(visit.who, what, about)


def as_refusal(error: Exception) -> Refusal:
    """Return an error as it is answered."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, StoreError):
        return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, result="database")
    return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), str(error), result="bad input")


def frame(request: Request, language: str) -> dict[str, Any]:
    """Return what the frame of every page needs, also where nobody is logged in."""
    other = LANGUAGES[1 - LANGUAGES.index(language)]
    return {
        "language": language,
        "other": f"{request.url.path}?{urlencode(dict(request.query_params) | {'lang': other})}",
        "t": lambda name, *values: text(name, language, *values),
        "tenant": "", "name": "", "csrf": "", "month_name": "", "zone": None,
        "may_evaluate": False, "may_administer": False, "here": request.url.path,
    }  # fmt: skip


def language_of(request: Request) -> str:
    """Return the language asked for, chosen before, or the browser's; else Chinese."""
    asked = (
        request.query_params.get("lang"),
        request.cookies.get(LANGUAGE),
        request.headers.get("accept-language", "").strip()[:2].lower(),
    )
    return next((each for each in asked if each in LANGUAGES), LANGUAGES[0])


def client_of(request: Request) -> str:
    """Return the address that is connected; what a request says of it is not believed."""
    return request.client.host if request.client else "?"


def keep_language(request: Request, answer: Response) -> None:
    """Remember a language that was asked for."""
    asked = request.query_params.get("lang")
    if asked in LANGUAGES:
        answer.set_cookie(LANGUAGE, asked, max_age=31_536_000, httponly=True, samesite="lax")
