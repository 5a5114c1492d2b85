"""A site's month: what it looks like, what each figure is made of, its flags and their answers."""

from typing import Any

from starlette.responses import RedirectResponse, Response

from edge.errors import BadInputError
from evaluation.month_report import Report
from evaluation.pages.answers import Answer, answer, key_of
from evaluation.pages.calendar import month_in
from evaluation.pages.day_series import Days, day_series
from evaluation.pages.desk import Desk
from evaluation.pages.downloads import SECTIONS
from evaluation.pages.heat_map import heat_map, shown_hours
from evaluation.pages.league_page import score_words, trend_words
from evaluation.pages.month_view import MonthView, month_view, trends
from evaluation.pages.provenance import devices_at, sources_of
from evaluation.pages.range_bar import range_bar
from evaluation.pages.reception import Visit
from evaluation.pages.refusal import Refusal
from evaluation.pages.render import page, quantity
from evaluation.pages.svg import DEFINITIONS
from evaluation.pages.trend_line import trend_line
from evaluation.pages.words import LANGUAGES, WEEKDAYS, text


def site_page(desk: Desk, visit: Visit) -> Response:
    """Show a site's month."""
    view = month_view(desk, visit)
    site = site_of(view, visit)
    trend = trends(desk, visit, view)[site["site"]]
    language = visit.language
    values = visit.values(
        **view.values(),
        site=site,
        size=_size(view.kept.report, site),
        definitions=DEFINITIONS,
        bar=range_bar(site["score"], score_words(site, language)),
        trend=trend_line(trend, trend_words(trend, language), is_large=True),
        has_trend=any(point is not None and point.is_closed for point in trend),
        plots=_plots(view, site, visit),
        indicators=_indicators(view.kept.report, site, language),
        flags=[
            (flag, view.answers.get((site["site"], key_of(flag)), [])) for flag in site["flags"]
        ],
        old_answers=_old_answers(view, site),
        sources=_sources(desk, view, site),
        section_names=SECTIONS,
    )
    return page("site.html", values)


def answer_flag(desk: Desk, visit: Visit) -> Response:
    """Keep what an evaluator says to a flag."""
    view = month_view(desk, visit)
    site, flag = site_of(view, visit), visit.form.text("about")
    if flag not in {key_of(each) for each in site["flags"]}:
        raise BadInputError("there is no such flag 没有这个标记")
    said = Answer(site["site"], flag, desk.now_ms(), visit.account.name,
                  visit.form.text("text").strip())  # fmt: skip
    with desk.database.writing() as connection:
        answer(connection, visit.tenant, view.month.name, said)
    where = f"/t/{visit.tenant}/{view.month.name}/site/{site['site']}{view.query}#flags"
    return RedirectResponse(where, 303)


def site_of(view: MonthView, visit: Visit) -> Report:
    """Return the site of the address. Raises Refusal."""
    name = visit.path("site")
    for each in view.kept.report["sites"]:
        if each["site"] == name:
            of: Report = each
            return of
    raise Refusal(404, f"没有中心 {name}", f"There is no centre {name}")


def _size(report: Report, site: Report) -> Report | None:
    sizes = report["scheme"]["size_classes"]
    return next((each for each in sizes if each["id"] == site["size_class"]), None)


def _plots(view: MonthView, site: Report, visit: Visit) -> dict[str, Any]:
    pattern, scheme, language = site["pattern"], view.kept.report["scheme"], visit.language
    base = f"/t/{visit.tenant}/{view.month.name}/site/{site['site']}/records"
    hours = pattern["hours"] or [[None] * 24] * 7
    grades = (scheme["reliable_from"], scheme["estimated_from"])
    return {
        "heat": heat_map(
            hours, language, text("visits_by_hour", language),
            lambda day, hour: f"{base}?weekday={day}&hour={hour}",
        ),
        "days": day_series(
            Days(view.first_day, pattern["days"], pattern["coverage"], grades), language,
            text("visits_by_day", language), lambda day: f"{base}?day={day + 1}",
        ),
        "hours": hours, "shown": list(shown_hours(hours)),
        "weekdays": WEEKDAYS[LANGUAGES.index(language)],
        "by_day": list(zip(pattern["days"], pattern["coverage"], strict=True)), "base": base,
    }  # fmt: skip


def _indicators(report: Report, site: Report, language: str) -> list[dict[str, Any]]:
    found = []
    for each in report["scheme"]["indicators"]:
        of = site["indicators"][each["id"]]
        floor, target = each["goals"].get(site["size_class"], (None, None))
        figure = of["figure"]
        span = ""
        if figure["value"] is not None and figure["low"] != figure["high"]:
            span = " – ".join(quantity(figure[end], each["kind"]) for end in ("low", "high"))
        words = score_words({"score": of["points"]}, language)
        found.append({
            "of": each, "figure": figure, "points": of["points"], "floor": floor,
            "target": target, "span": span, "bar": range_bar(of["points"], words),
        })  # fmt: skip
    return found


def _old_answers(view: MonthView, site: Report) -> list[Answer]:
    raised = {key_of(flag) for flag in site["flags"]}
    return [
        each
        for (of, flag), said in view.answers.items()
        if of == site["site"] and flag not in raised
        for each in said
    ]


def _sources(desk: Desk, view: MonthView, site: Report) -> list[Any]:
    month = month_in(view.zone, view.month.name)
    with desk.database.reading() as connection:
        places = devices_at(connection, site["site"], month, view.zone)
        return list(sources_of(connection, places))
