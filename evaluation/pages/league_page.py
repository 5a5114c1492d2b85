"""The league: every centre by size class, with its rank as a span and its score as a range."""

from typing import Any

from starlette.responses import Response

from evaluation.month_report import Report, best_first
from evaluation.pages.answers import key_of
from evaluation.pages.desk import Desk
from evaluation.pages.downloads import as_download, report_table
from evaluation.pages.month_view import MonthView, month_view, trends
from evaluation.pages.range_bar import range_bar
from evaluation.pages.reception import Visit
from evaluation.pages.render import NOTHING, grade, page, points, reason
from evaluation.pages.svg import DEFINITIONS
from evaluation.pages.trend_line import Point, trend_line
from evaluation.pages.words import text


def league_page(desk: Desk, visit: Visit) -> Response:
    """Show the league of a month."""
    view = month_view(desk, visit)
    found = trends(desk, visit, view)
    rows = {
        site["site"]: _row(site, view, found[site["site"]], visit.language)
        for site in view.kept.report["sites"]
    }
    values = visit.values(
        **view.values(), classes=classes(view.kept.report), rows=rows, definitions=DEFINITIONS
    )
    return page("league.html", values)


def printed_page(desk: Desk, visit: Visit) -> Response:
    """Show the report of a month as it is printed."""
    view = month_view(desk, visit)
    rows = {
        site["site"]: _row(site, view, [], visit.language) for site in view.kept.report["sites"]
    }
    values = visit.values(
        **view.values(), classes=classes(view.kept.report), rows=rows, definitions=DEFINITIONS,
        answers=view.answers,
    )  # fmt: skip
    return page("printed.html", values)


def league_csv(desk: Desk, visit: Visit) -> Response:
    """Return a month's report as a table."""
    view = month_view(desk, visit)
    which = view.kept.revision
    name = f"{visit.tenant}-{view.month.name}-{'draft' if which is None else f'r{which}'}.csv"
    return as_download(name, *report_table(view.kept.report, visit.language))


def classes(report: Report) -> list[dict[str, Any]]:
    """Return the size classes that have a centre, each with its centres from best to worst."""
    found = []
    floor = 0
    for size in report["scheme"]["size_classes"]:
        sites = [each for each in report["sites"] if each["size_class"] == size["id"]]
        if sites:
            scored = sum(each["score"]["value"] is not None for each in sites)
            found.append(
                {**size, "from": floor, "sites": sorted(sites, key=best_first), "scored": scored}
            )
        floor = size["below"] or 0
    sites = [each for each in report["sites"] if each["size_class"] is None]
    if sites:
        none = {"id": None, "below": None, "from": 0, "scored": 0}
        found.append({**none, "zh": text("no_class", "zh"), "en": text("no_class", "en"),
                      "sites": sorted(sites, key=best_first)})  # fmt: skip
    return found


def _row(site: Report, view: MonthView, trend: list[Point | None], language: str) -> dict[str, Any]:
    flags = site["flags"]
    open_ = [each for each in flags if (site["site"], key_of(each)) not in view.answers]
    return {
        "bar": range_bar(site["score"], score_words(site, language)),
        "trend": trend_line(trend, trend_words(trend, language)) if trend else "",
        "flags": len(flags),
        "unanswered": len(open_),
    }


def score_words(site: Report, language: str) -> str:
    """Return a score as one reads it out."""
    score, said = site["score"], grade(site["score"]["grade"], language)
    if score["value"] is None:
        why = reason(score["reason"], language)
        return f"{said}: {why}" if why else said
    span = f"{points(score['low'])}–{points(score['high'])}"
    return f"{points(score['value'])} ({span}) {said}"


def trend_words(trend: list[Point | None], language: str) -> str:
    """Return a trend as one reads it out."""
    told = (
        f"{point.month} {NOTHING if point.value is None else points(point.value)}"
        for point in trend
        if point is not None
    )
    return f"{text('trend', language)}: {', '.join(told)}"
