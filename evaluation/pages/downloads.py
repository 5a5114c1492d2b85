"""Tables to take away: the report of a month, the records of a site."""

from starlette.responses import Response

from evaluation.month_report import Report
from evaluation.pages.csv_text import Cell, csv_text
from evaluation.pages.render import grade, reason
from evaluation.pages.words import text

SECTIONS = ("flow", "project", "service")


def as_download(name: str, heading: list[str], rows: list[list[Cell]]) -> Response:
    """Return a table as a file. name: of ASCII letters, digits, `-` and `.`."""
    return Response(
        csv_text(heading, rows).encode(),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


def report_table(report: Report, language: str) -> tuple[list[str], list[list[Cell]]]:
    """Return heading and rows of a report; an empty cell is a figure that nobody has.

    A rank is three columns: `1 / 9` would be taken for a date.
    """
    head = [text(name, language) for name in (
        "site", "site_name", "area", "size_class", "residents", "open_days", "rank_best",
        "rank_worst", "rank_of", "score", "score_low", "score_high", "grade", "reason",
    )]  # fmt: skip
    head += [f"{text(each, language)} {text('points', language)}" for each in SECTIONS]
    for each in report["scheme"]["indicators"]:
        name = f"{each['id']} {each[language]}"
        more = [text(word, language) for word in ("points", "grade")]
        head += [name, f"{name} ↓", f"{name} ↑", *(f"{name} {word}" for word in more)]
    return [*head, text("flags", language)], [
        _row(site, report, language) for site in report["sites"]
    ]


def _row(site: Report, report: Report, language: str) -> list[Cell]:
    score = site["score"]
    row: list[Cell] = [
        site["site"], site["name"], site["area"], site["size_class"], site["residents"],
        site["open_days"], *(site["rank"] or [None] * 3), score["value"], score["low"],
        score["high"], grade(score["grade"], language), reason(score["reason"], language),
        *(site["sections"][each]["value"] for each in SECTIONS),
    ]  # fmt: skip
    for each in report["scheme"]["indicators"]:
        of = site["indicators"][each["id"]]
        figure = of["figure"]
        row += [
            figure["value"], figure["low"], figure["high"], of["points"]["value"],
            grade(figure["grade"], language),
        ]  # fmt: skip
    return [*row, "; ".join(flag["code"] for flag in site["flags"])]
