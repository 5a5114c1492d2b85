"""The records behind a figure: of a day, or of a weekday and hour, or the whole month's as CSV."""

from typing import Any

from starlette.responses import Response

from evaluation.pages.calendar import month_in
from evaluation.pages.csv_text import Cell
from evaluation.pages.desk import Desk
from evaluation.pages.downloads import as_download
from evaluation.pages.month_view import MonthView, month_view
from evaluation.pages.provenance import COLUMNS, devices_at, records_of, windows
from evaluation.pages.reception import Visit
from evaluation.pages.render import moment, page
from evaluation.pages.site_page import site_of
from evaluation.pages.words import LANGUAGES, WEEKDAYS, text

MOST_SHOWN = 500
MOST_IN_FILE = 50_000


def records_page(desk: Desk, visit: Visit) -> Response:
    """Show the records of a part of a site's month."""
    view = month_view(desk, visit)
    site = site_of(view, visit)
    part = _part(visit, view)
    rows = _records(desk, view, site["site"], part, MOST_SHOWN)
    values = visit.values(
        **view.values(), site=site, rows=rows, most=MOST_SHOWN, when=_words(part, view, visit),
        asked=visit.request.url.query,
    )  # fmt: skip
    return page("records.html", values)


def records_csv(desk: Desk, visit: Visit) -> Response:
    """Return them as a table."""
    view = month_view(desk, visit)
    site = site_of(view, visit)["site"]
    rows = _records(desk, view, site, _part(visit, view), MOST_IN_FILE)
    head = ["place", "begin", "end", *COLUMNS]
    times = (
        {"begin": moment(row["t0_ms"], view.zone), "end": moment(row["t1_ms"], view.zone)}
        for row in rows
    )
    table: list[list[Cell]] = [
        [({**row, **more})[name] for name in head] for row, more in zip(rows, times, strict=True)
    ]
    return as_download(f"{visit.tenant}-{view.month.name}-{site}-records.csv", head, table)


def _records(
    desk: Desk, view: MonthView, site: str, part: dict[str, int | None], limit: int
) -> list[dict[str, Any]]:
    month = month_in(view.zone, view.month.name)
    times = windows(month, **part)
    with desk.database.reading() as connection:
        return records_of(connection, devices_at(connection, site, month, view.zone), times, limit)


def _part(visit: Visit, view: MonthView) -> dict[str, int | None]:
    days = month_in(view.zone, view.month.name).days
    day = _number(visit.asked("day"), days + 1)
    return {
        "day": None if not day else day - 1,
        "weekday": _number(visit.asked("weekday"), 7),
        "hour": _number(visit.asked("hour"), 24),
    }


def _number(said: str, below: int) -> int | None:
    return int(said) if said.isascii() and said.isdecimal() and int(said[:6]) < below else None


def _words(part: dict[str, int | None], view: MonthView, visit: Visit) -> str:
    names = WEEKDAYS[LANGUAGES.index(visit.language)]
    day, weekday, hour = part["day"], part["weekday"], part["hour"]
    told = [
        view.month.name if day is None else f"{view.first_day.replace(day=day + 1)}",
        "" if weekday is None else names[weekday],
        "" if hour is None else f"{hour:02}:00–{hour + 1:02}:00",
    ]
    return " ".join(each for each in told if each) or text("all_month", visit.language)
