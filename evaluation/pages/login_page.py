"""Logging in and out, the first page, one's own password."""

import hmac
import secrets

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from edge.errors import BadInputError
from evaluation.pages.accounts import Account
from evaluation.pages.calendar import months_of
from evaluation.pages.desk import Desk
from evaluation.pages.forms import body_of, read_form
from evaluation.pages.journal import Who
from evaluation.pages.reception import (
    COOKIE,
    Visit,
    client_of,
    frame,
    keep_language,
    language_of,
)
from evaluation.pages.refusal import Refusal
from evaluation.pages.render import page
from evaluation.pages.roles import EVERY_TENANT
from evaluation.pages.words import text
from evaluation.registry import tenants

BEFORE = "evaluation_before"
"""A cookie whose value the login form repeats: there is no session yet that could have a token."""


class LoginPage:
    """`/login`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, request: Request) -> Response:
        """Show the form, or take it."""
        if request.method != "POST":
            return self._form(request, "", 200)
        form = read_form(request.headers.get("content-type", ""), await body_of(request))
        before = request.cookies.get(BEFORE, "")
        if not before or not hmac.compare_digest(before.encode(), form.text("before").encode()):
            language = language_of(request)
            return self._form(request, text("error", language), 403)
        name, password = form.text("name").strip().lower(), form.text("password")
        return await run_in_threadpool(self._log_in, request, name, password)

    def _log_in(self, request: Request, name: str, password: str) -> Response:
        desk, address, language = self._desk, client_of(request), language_of(request)
        wait_s = desk.tries.retry_after_s(address, name)
        if wait_s:
            desk.journal.note_look(Who("", address), "login", "too many tries")
            return self._form(request, text("wait_s", language, wait_s), 429)
        desk.tries.failed(address, name)
        account = desk.accounts.log_in(name, password)
        if account is None:
            # A name nobody has may be a password in the wrong field: it is not written down.
            known = name if desk.accounts.find(name) else "?"
            desk.journal.note(Who(known, address), "login", result="wrong password")
            return self._form(request, text("wrong", language), 401)
        desk.tries.succeeded(address, name)
        token = desk.sessions.begin(account.name)
        desk.journal.note(Who(account.name, address), "login")
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=desk.secure)
        answer.delete_cookie(BEFORE, httponly=True, samesite="strict", secure=desk.secure)
        return answer

    def _form(self, request: Request, error: str, status: int) -> Response:
        before = request.cookies.get(BEFORE) or secrets.token_urlsafe(16)
        values = frame(request, language_of(request)) | {"error": error, "before": before}
        answer = page("login.html", values, status)
        answer.set_cookie(BEFORE, before, httponly=True, samesite="strict",
                          secure=self._desk.secure)  # fmt: skip
        keep_language(request, answer)
        return answer


def log_out(desk: Desk, visit: Visit) -> Response:
    """End the session."""
    desk.sessions.end(visit.request.cookies.get(COOKIE))
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=desk.secure)
    return answer


def first_page(desk: Desk, visit: Visit) -> Response:
    """Go to the latest month of the first tenant; say what is missing where there is none."""
    with desk.database.reading() as connection:
        for tenant in tenants_of(visit.account, tenants(connection)):
            months = months_of(connection, tenant, desk.now_ms())
            if months:
                return RedirectResponse(f"/t/{tenant}/{months[0].name}", 303)
    return page("error.html", visit.values(zh=text("nothing_yet", "zh"),
                                           en=text("nothing_yet", "en")))  # fmt: skip


def tenants_of(account: Account, known: list[str]) -> list[str]:
    """Return the tenants that somebody may see."""
    if EVERY_TENANT in account.roles:
        return known
    return sorted(account.roles)


def password_page(desk: Desk, visit: Visit) -> Response:
    """Show the form for one's own password, or take it."""
    if visit.request.method != "POST":
        return page("password.html", visit.values())
    wait_s = desk.tries.retry_after_s(visit.address, visit.account.name)
    if wait_s:
        raise Refusal(429, result="too many tries")
    desk.tries.failed(visit.address, visit.account.name)
    if desk.accounts.log_in(visit.account.name, visit.form.text("old")) is None:
        raise BadInputError(f"{text('wrong', 'en')} {text('wrong', 'zh')}")
    desk.tries.succeeded(visit.address, visit.account.name)
    desk.accounts.set_password(visit.account.name, visit.form.text("new"))
    return RedirectResponse("/login", 303)
