"""The pages as an ASGI app: which address is what, for whom."""

from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from evaluation.errors import StoreError
from evaluation.pages.desk import Desk
from evaluation.pages.fleet_page import fleet_page
from evaluation.pages.forms import MOST_FILE_BYTES
from evaluation.pages.guard import Guard
from evaluation.pages.import_page import import_page, take_over
from evaluation.pages.league_page import league_csv, league_page, printed_page
from evaluation.pages.login_page import LoginPage, first_page, log_out, password_page
from evaluation.pages.month_page import compare_page, make_revision, month_page
from evaluation.pages.people_page import change_people, journal_page, people_page
from evaluation.pages.reception import Answering, Reception, frame, language_of
from evaluation.pages.records_page import records_csv, records_page
from evaluation.pages.refusal import Refusal
from evaluation.pages.register_intake import RegisterIntake
from evaluation.pages.registers_page import registers_page
from evaluation.pages.render import STYLE, page
from evaluation.pages.roles import Role
from evaluation.pages.site_page import answer_flag, site_page
from evaluation.pages.system_answers import PATH, is_of_systems, refused

_OF_MONTH = "/t/{tenant:id}/{month:month}"
_OF_SITE = f"{_OF_MONTH}/site/{{site:id}}"
_LOOKS: tuple[tuple[str, str, Role, Answering], ...] = (
    ("/", "first page", Role.VIEWER, first_page),
    ("/password", "password", Role.VIEWER, password_page),
    (_OF_MONTH, "league", Role.VIEWER, league_page),
    (f"{_OF_MONTH}/report.csv", "report csv", Role.VIEWER, league_csv),
    (f"{_OF_MONTH}/print", "printed report", Role.VIEWER, printed_page),
    (f"{_OF_MONTH}/state", "month", Role.VIEWER, month_page),
    (f"{_OF_MONTH}/compare", "compare", Role.VIEWER, compare_page),
    (_OF_SITE, "site", Role.VIEWER, site_page),
    (f"{_OF_SITE}/records", "records", Role.VIEWER, records_page),
    (f"{_OF_SITE}/records.csv", "records csv", Role.VIEWER, records_csv),
    (f"{_OF_SITE}/registers", "registers", Role.VIEWER, registers_page),
    ("/t/{tenant:id}/fleet", "fleet", Role.VIEWER, fleet_page),
    ("/t/{tenant:id}/import", "import form", Role.EVALUATOR, import_page),
    ("/t/{tenant:id}/people", "users", Role.ADMIN, people_page),
    ("/t/{tenant:id}/journal", "journal", Role.ADMIN, journal_page),
)
_CHANGES: tuple[tuple[str, str, Role, Answering], ...] = (
    ("/logout", "logout", Role.VIEWER, log_out),
    ("/password", "password changed", Role.VIEWER, password_page),
    (f"{_OF_MONTH}/state", "revision", Role.EVALUATOR, make_revision),
    (f"{_OF_SITE}/flags", "answer", Role.EVALUATOR, answer_flag),
    ("/t/{tenant:id}/import", "import", Role.EVALUATOR, take_over),
    ("/t/{tenant:id}/people", "user changed", Role.ADMIN, change_people),
)


class IdConvertor(Convertor[str]):
    """A tenant, a site: as `edge.messages.checked_name` allows it."""

    regex = "[a-z0-9][a-z0-9-]{0,62}"

    def convert(self, value: str) -> str:
        """Return it."""
        return value

    def to_string(self, value: str) -> str:
        """Return it."""
        return value


class MonthConvertor(IdConvertor):
    """A month, `2026-01`."""

    regex = "20[0-9]{2}-(?:0[1-9]|1[0-2])"


def build_app(desk: Desk, names: frozenset[str]) -> ASGIApp:
    """Join the parts. names: hosts that may be asked for, beside addresses."""
    register_url_convertor("id", IdConvertor())
    register_url_convertor("month", MonthConvertor())
    reception = Reception(desk)
    routes = [
        Route("/pages.css", _style),
        Route("/favicon.ico", _nothing),
        Route("/login", LoginPage(desk).__call__, methods=["GET", "POST"]),
        Route(PATH, RegisterIntake(desk).__call__, methods=["POST"]),
    ]
    for path, what, role, answering in _LOOKS:
        routes.append(Route(path, reception.open_to(role, what, answering), methods=["GET"]))
    for path, what, role, answering in _CHANGES:
        most = MOST_FILE_BYTES if answering is take_over else 64 * 1024
        endpoint = reception.open_to(role, what, answering, most=most)
        routes.append(Route(path, endpoint, methods=["POST"]))
    app = Starlette(
        routes=routes,
        exception_handlers=dict.fromkeys((HTTPException, StoreError, Exception), _in_words),
    )
    app.router.redirect_slashes = False
    return Guard(app, names, secure=desk.secure)


async def _style(_: Request) -> Response:
    return Response(STYLE, media_type="text/css; charset=utf-8",
                    headers={"cache-control": "private, max-age=86400"})  # fmt: skip


async def _nothing(_: Request) -> Response:
    return Response(status_code=204)


async def _in_words(request: Request, error: Exception) -> Response:
    """Answer what Starlette itself refuses, such as a path that there is not."""
    if isinstance(error, StoreError):
        error = Refusal(503)
    elif not isinstance(error, Refusal):
        error = Refusal(error.status_code if isinstance(error, HTTPException) else 500)
    if is_of_systems(request.url.path):
        return refused(error)
    values = frame(request, language_of(request)) | {"zh": error.zh, "en": error.en}
    return page("error.html", values, error.status_code)
