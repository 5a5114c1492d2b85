"""A month's state and its revisions: what was closed, by whom and why; comparing; closing."""

from starlette.responses import RedirectResponse, Response

from edge.errors import BadInputError
from evaluation.closing import State, close
from evaluation.pages.compare import differences
from evaluation.pages.desk import Desk
from evaluation.pages.drafts import Kept
from evaluation.pages.month_view import DRAFT, MonthView, month_view
from evaluation.pages.reception import Visit
from evaluation.pages.refusal import Refusal
from evaluation.pages.render import page
from evaluation.rollup import RollUp

MOST_REASON = 500


def month_page(desk: Desk, visit: Visit) -> Response:
    """Show the state of a month, its revisions, and what may be done."""
    view = month_view(desk, visit)
    draft = _draft(desk, visit, view)
    last = view.month.closed[-1] if view.month.closed else None
    may_close = view.month.state in {State.IN_REVIEW, State.FROZEN}
    values = visit.values(
        **view.values(),
        draft=draft,
        last=last,
        is_same=last is not None and last.digest == draft.digest,
        may_close=may_close,
    )
    return page("month.html", values)


def compare_page(desk: Desk, visit: Visit) -> Response:
    """Show what differs between two revisions, or a revision and the draft."""
    view = month_view(desk, visit)
    one, other = (_which(desk, visit, view, visit.asked(end)) for end in ("from", "to"))
    found = differences(one.report, other.report, visit.language)
    values = visit.values(**view.values(), one=one, two=other, found=found)
    return page("compare.html", values)


def make_revision(desk: Desk, visit: Visit) -> Response:
    """Keep the month as it is now, if it is what the evaluator looked at."""
    view = month_view(desk, visit)
    if view.month.state not in {State.IN_REVIEW, State.FROZEN}:
        raise BadInputError(
            f"{view.month.name} is not over, or waits for late data: look again on the 4th"
            f" {view.month.name} 尚未结束或仍在等待补传，请下月 4 日起操作"
        )
    reason = visit.form.text("reason")
    if len(reason) > MOST_REASON or not reason.isprintable():
        raise BadInputError(
            f"a reason has up to {MOST_REASON} characters, in one line"
            f" 原因最多 {MOST_REASON} 个字，写在一行"
        )
    RollUp(desk.database).run()
    made = desk.drafts.renewed(visit.tenant, view.month.name)
    if made is None:
        raise Refusal(404)
    if made.digest != visit.form.text("digest"):
        raise BadInputError(
            "the data has changed since you looked; look at it again, then close it"
            " 在您查看之后数据又有变化，请重新核对后再操作"
        )
    close(desk.database, made.report, made_by=visit.account.name, reason=reason)
    return RedirectResponse(f"/t/{visit.tenant}/{view.month.name}/state", 303)


def _draft(desk: Desk, visit: Visit, view: MonthView) -> Kept:
    desk.keeper.ask(visit.tenant, view.month.name)
    draft = desk.drafts.draft(visit.tenant, view.month.name)
    if draft is None:
        raise Refusal(404)
    return draft


def _which(desk: Desk, visit: Visit, view: MonthView, said: str) -> Kept:
    if said == DRAFT:
        return _draft(desk, visit, view)
    known = {str(each.number): each for each in view.month.closed}
    kept = desk.drafts.closed(visit.tenant, known[said]) if said in known else None
    if kept is None:
        raise Refusal(404, "没有这个修订", "There is no such revision")
    return kept
