"""Users of a tenant, for its admins; and the journal."""

from starlette.responses import RedirectResponse, Response

from edge.errors import BadInputError
from evaluation.pages.accounts import Account
from evaluation.pages.calendar import zone_of
from evaluation.pages.desk import Desk
from evaluation.pages.journal import MOST_SHOWN
from evaluation.pages.reception import Visit
from evaluation.pages.refusal import Refusal
from evaluation.pages.render import page
from evaluation.pages.roles import EVERY_TENANT, ROLE_WORDS, Role, role_in
from evaluation.pages.words import text


def people_page(desk: Desk, visit: Visit) -> Response:
    """Show the users of a tenant."""
    people = [each for each in desk.accounts.all() if role_in(each.roles, visit.tenant)]
    values = visit.values(
        people=[(each, _role(each, visit), _may_change(visit, each)) for each in people],
        roles=ROLE_WORDS,
    )
    return page("people.html", values)


def change_people(desk: Desk, visit: Visit) -> Response:
    """Add a user, or change one."""
    name, act = visit.form.text("about").strip().lower(), visit.form.text("act")
    if act == "add":
        desk.accounts.add(name, visit.form.text("password"), visit.tenant, _asked_role(visit))
        return _back(visit)
    account = desk.accounts.find(name)
    if account is None or role_in(account.roles, visit.tenant) is None:
        raise Refusal(404)
    is_self = account.name == visit.account.name
    if is_self and act in {"role", "disable"}:
        raise _said("not_yourself")
    if not _may_change(visit, account):
        raise _said("of_more")
    if act == "role":
        role = _asked_role(visit) if visit.form.text("role") else None
        desk.accounts.set_role(name, visit.tenant, role)
    elif act == "password":
        desk.accounts.set_password(name, visit.form.text("password"))
    elif act in {"disable", "enable"}:
        desk.accounts.disable(name, is_disabled=act == "disable")
    else:
        raise Refusal(400)
    return _back(visit)


def journal_page(desk: Desk, visit: Visit) -> Response:
    """Show the last entries of a tenant's journal; those of all to an admin of all."""
    of_all = visit.account.roles.get(EVERY_TENANT) is Role.ADMIN
    entries = desk.journal.latest(None if of_all else visit.tenant)
    with desk.database.reading() as connection:
        zone = zone_of(connection, visit.tenant)
    return page("journal.html", visit.values(entries=entries, most=MOST_SHOWN, zone=zone))


def _may_change(visit: Visit, account: Account) -> bool:
    """Whether the visitor administers every tenant that the account has a role in."""
    return all(role_in(visit.account.roles, tenant) is Role.ADMIN for tenant in account.roles)


def _role(account: Account, visit: Visit) -> Role | None:
    return role_in(account.roles, visit.tenant)


def _asked_role(visit: Visit) -> Role:
    try:
        return Role(visit.form.text("role"))
    except ValueError:
        raise Refusal(400) from None


def _said(name: str) -> BadInputError:
    return BadInputError(f"{text(name, 'en')} {text(name, 'zh')}")


def _back(visit: Visit) -> Response:
    return RedirectResponse(f"/t/{visit.tenant}/people", 303)
