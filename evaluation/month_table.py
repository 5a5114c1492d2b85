"""A month on a terminal: best scores first, what is not rated last and with its reason."""

from rich import box
from rich.table import Table

from evaluation.assessment.words import GRADE_WORDS, REASON_WORDS, Grade, Reason
from evaluation.month_report import Report, best_first


def table_of(found: Report) -> Table:
    """Return the centres of a report, by size class and score."""
    sections = ("flow", "project", "service")
    scheme = f"{found['scheme']['name']} {found['scheme']['version']}"
    title = f"{found['tenant']} {found['month']} · {scheme}"
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name, width in (("site", 8), ("class", 6), ("rank", 7), ("score", 5), ("", 8)):
        table.add_column(name, no_wrap=True, min_width=width)
    for name in (*sections, "flags"):
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    table.add_column("name", overflow="ellipsis", no_wrap=True)
    for site in sorted(found["sites"], key=lambda site: (_class(site), best_first(site))):
        score = site["score"]
        words = GRADE_WORDS[Grade(score["grade"])][0]
        why = REASON_WORDS[Reason(score["reason"])][0] if score["reason"] else ""
        points = (_points(site["sections"][each]) for each in sections)
        table.add_row(
            site["site"], site["size_class"] or "-", _rank(site["rank"]), _points(score), words,
            *points, str(len(site["flags"]) or ""), " ".join((site["name"], why)).strip(),
        )  # fmt: skip
    return table


def _class(site: Report) -> str:
    return site["size_class"] or "~"


def _rank(rank: list[int] | None) -> str:
    if rank is None:
        return "-"
    best, worst, of = rank
    return f"{best}/{of}" if best == worst else f"{best}-{worst}/{of}"


def _points(figure: Report) -> str:
    value = figure["value"]
    return "-" if value is None else f"{value:.1f}"
