"""Taking tables over by upload: registers by evaluators, sites and devices by admins."""

from starlette.responses import Response

from edge.errors import BadInputError
from evaluation import register_rows, registers, registry, registry_rows
from evaluation.pages.desk import Desk
from evaluation.pages.reception import Visit
from evaluation.pages.refusal import Refusal
from evaluation.pages.render import page
from evaluation.pages.roles import Role
from evaluation.pages.words import text

REGISTRY = {
    "sites": (registry_rows.site_rows, registry_rows.SITES),
    "devices": (registry_rows.device_rows, registry_rows.DEVICES),
    "days": (registry_rows.special_day_rows, registry_rows.SPECIAL_DAYS),
}
REGISTERS = {
    "activities": register_rows.ACTIVITIES,
    "ratings": register_rows.RATINGS,
    "cases": register_rows.CASES,
}


def import_page(_: Desk, visit: Visit) -> Response:
    """Show the form."""
    return _form(visit)


def take_over(desk: Desk, visit: Visit) -> Response:
    """Take a file over; say how many rows, or every mistake in it."""
    kind, file = visit.form.text("about"), visit.form.files.get("file")
    if file is None or not file.content:
        return _form(visit, error="choose a file, e.g. activities.csv 请选择文件")
    try:
        count = _taken(desk, visit, kind, file.content, file.name)
    except BadInputError as error:
        desk.journal.note(visit.who, "import", kind, "bad input")
        return _form(visit, error=str(error))
    desk.keeper.wake()
    return _form(visit, done=text("taken_over", visit.language, count))


def _taken(desk: Desk, visit: Visit, kind: str, content: bytes, name: str) -> int:
    if kind in REGISTERS:
        rows = register_rows.READERS[kind](content, name)
        month = visit.form.text("complete_for").strip() or None
        return registers.take_over(desk.database, visit.tenant, kind, rows, complete_for=month)
    if kind not in REGISTRY:
        raise Refusal(400)
    if not visit.role.covers(Role.ADMIN):
        raise Refusal(403, result="role")
    read, _ = REGISTRY[kind]
    return registry.take_over(desk.database, visit.tenant, read(content, name, visit.tenant))


def _form(visit: Visit, *, error: str = "", done: str = "") -> Response:
    kinds = dict(REGISTERS)
    if visit.role.covers(Role.ADMIN):
        kinds |= {kind: columns for kind, (_, columns) in REGISTRY.items()}
    values = visit.values(kinds=kinds, problem=error, done=done)
    return page("import.html", values, 422 if error else 200)
