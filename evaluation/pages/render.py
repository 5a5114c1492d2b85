"""Templates into pages; everything that is put into one is escaped unless it is Markup of ours."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from evaluation.assessment.words import GRADE_WORDS, REASON_WORDS, Grade, Reason
from evaluation.pages.answers import key_of
from evaluation.pages.words import LANGUAGES, SHARES, part_name

_HERE = Path(__file__).parent
STYLE = (_HERE / "static" / "pages.css").read_bytes()
STYLE_MARK = hashlib.sha256(STYLE).hexdigest()[:12]
SHARE_KINDS = frozenset({
    "active_hours", "space_use", "implementation", "attendance", "coverage_of_audiences",
    "praise_rate", "timeliness",
})  # fmt: skip
NOTHING = "—"

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(template: str, values: Mapping[str, Any], status: int = 200) -> HTMLResponse:
    """Return a page. values: `language` among them."""
    text = _ENVIRONMENT.get_template(template).render(style_mark=STYLE_MARK, **values)
    return HTMLResponse(text, status)


def points(value: float | None) -> str:
    """Return points as they are shown; a dash where there are none."""
    return NOTHING if value is None else f"{value:.1f}"


def quantity(value: float | None, kind: str) -> str:
    """Return the value of an indicator of a kind: a share in per cent, a rate as it is."""
    if value is None:
        return NOTHING
    return f"{100 * value:.1f}%" if kind in SHARE_KINDS else f"{value:.2f}"


def part(item: tuple[str, float | None], language: str) -> str:
    """Return a part of a figure with its name."""
    name, value = item
    if value is None:
        said = NOTHING
    elif name in SHARES:
        said = f"{100 * value:.1f}%"
    else:
        said = f"{value:,.1f}".removesuffix(".0")
    return f"{part_name(name, language)} {said}"


def goal(value: float, kind: str) -> str:
    """Return a floor or a target."""
    return f"{100 * value:g}%" if kind in SHARE_KINDS else f"{value:g}"


def rank(place: list[int] | None) -> str:
    """Return a rank as a span, `2–4 / 9`."""
    if place is None:
        return NOTHING
    best, worst, of = place
    return f"{best} / {of}" if best == worst else f"{best}–{worst} / {of}"


def grade(name: str, language: str) -> str:
    """Return the word of a grade."""
    return GRADE_WORDS[Grade(name)][LANGUAGES.index(language)]


def reason(name: str | None, language: str) -> str:
    """Return why a figure is not rated or only estimated."""
    if name not in set(Reason):
        return name or ""  # of a report that a later version kept
    return REASON_WORDS[Reason(name)][LANGUAGES.index(language)]


def moment(at_ms: int, zone: ZoneInfo | None = None) -> str:
    """Return a time as people write it."""
    return f"{datetime.fromtimestamp(at_ms / 1000, zone):%Y-%m-%d %H:%M}"


_ENVIRONMENT.filters |= {
    "points": points, "quantity": quantity, "part": part, "goal": goal, "rank": rank,
    "grade": grade, "reason": reason, "moment": moment, "flag_key": key_of,
}  # fmt: skip
