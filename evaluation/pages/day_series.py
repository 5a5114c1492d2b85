"""Visits of a month by day above the share of the opening time that was looked at."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

from evaluation.pages.svg import (
    GRADE_COLOURS,
    HATCH,
    INK,
    MUTED,
    RULE,
    group,
    label,
    line,
    picture,
    rect,
)
from evaluation.pages.words import text

DAY, LEFT, TOP, HIGH, STRIP = 24.0, 44.0, 12.0, 140.0, 34.0
BAR = "#3d8dc4"
_BASE = TOP + HIGH
_STRIP_TOP = _BASE + 26
HEIGHT = _STRIP_TOP + STRIP + 34
_STEPS = (1, 2, 5)
_SUNDAY, _SATURDAY = 6, 5


@dataclass(frozen=True, slots=True)
class Days:
    """A month by day. coverage: of the opening time, 0..1; None on a day that is closed.

    visits: None where nobody looked. grades: from which coverage on a figure is reliable, and
    estimated.
    """

    first: date
    visits: Sequence[int | None]
    coverage: Sequence[float | None]
    grades: tuple[float, float]


def day_series(of: Days, language: str, says: str, link: Callable[[int], str]) -> Markup:
    """Return the plot. link: where the records of a day are, counted from 0."""
    top = nice(max((each for each in of.visits if each), default=1))
    width = LEFT + DAY * len(of.visits) + 4
    days = [
        group(*_day(of, n, top), title=_hint(of, n, language), href=link(n))
        for n in range(len(of.visits))
    ]
    return picture(width, HEIGHT, says, *_axis(top, width, of.grades), *days, *_key(language))


def nice(most: float) -> int:
    """Return a round number that is not less."""
    power = 1
    while True:
        for step in _STEPS:
            if step * power >= most:
                return step * power
        power *= 10


def _hint(of: Days, n: int, language: str) -> str:
    when, visits, cov = of.first.replace(day=n + 1), of.visits[n], of.coverage[n]
    if cov is None:
        return f"{when} {text('closed', language)}"
    if visits is None or cov == 0:
        return f"{when} {text('nobody_looked', language)}"
    covered = f"{text('coverage', language)} {100 * cov:.0f}%"
    return f"{when} {visits} {text('visits', language)}, {covered}"


def _day(of: Days, n: int, top: int) -> list[Markup]:
    x, visits, cov = LEFT + DAY * n, of.visits[n], of.coverage[n]
    weekday = of.first.replace(day=n + 1).weekday()
    colour = MUTED if weekday >= _SATURDAY else INK
    parts = [
        # So that all of a day can be hit, not only what is drawn of it.
        rect(x, TOP, DAY, HEIGHT - TOP - 30, fill="#ffffff", fill_opacity=0),
        label(x + DAY / 2, _BASE + 16, n + 1, text_anchor="middle", font_size=11, fill=colour),
    ]
    if weekday == _SUNDAY:
        parts.append(line(x + DAY, _BASE, x + DAY, _BASE + 20, stroke=RULE))
    if cov is None:
        return [*parts, label(x + DAY / 2, _BASE - 4, "–", text_anchor="middle")]
    if visits is None or cov == 0:
        unseen = rect(x + 2, TOP, DAY - 4, HIGH, fill=HATCH, stroke=RULE)
        return [*parts, unseen, rect(x + 2, _STRIP_TOP, DAY - 4, STRIP, fill=HATCH, stroke=RULE)]
    high = HIGH * visits / top
    # What nobody saw of the day stands above what was seen, as far as the share goes.
    lacking = min(HIGH - high, high * (1 / cov - 1))
    if lacking > 1:
        parts.append(rect(x + 3, _BASE - high - lacking, DAY - 6, lacking, fill=HATCH, stroke=RULE))
    return [
        *parts,
        rect(x + 3, _BASE - high, DAY - 6, high, fill=BAR),
        *_covered(x, cov, of.grades),
    ]


def _covered(x: float, cov: float, grades: tuple[float, float]) -> list[Markup]:
    reliable, estimated = grades
    grade = "reliable" if cov >= reliable else "estimated" if cov >= estimated else "not_rated"
    high = STRIP * cov
    return [
        rect(x + 2, _STRIP_TOP, DAY - 4, STRIP, fill=HATCH),
        rect(x + 2, _STRIP_TOP + STRIP - high, DAY - 4, high, fill=GRADE_COLOURS[grade]),
    ]


def _axis(top: int, width: float, grades: tuple[float, float]) -> list[Markup]:
    marks = [(top, TOP), (top / 2, TOP + HIGH / 2), (0, _BASE)]
    reliable = _STRIP_TOP + STRIP * (1 - grades[0])
    return [
        *(line(LEFT, y, width, y, stroke=RULE) for _, y in marks),
        *(label(LEFT - 6, y + 4, f"{n:g}", text_anchor="end") for n, y in marks),
        line(LEFT, reliable, width, reliable, stroke=RULE),
        label(LEFT - 6, _STRIP_TOP + 10, "100%", text_anchor="end", font_size=11),
        label(LEFT - 6, _STRIP_TOP + STRIP, "0", text_anchor="end", font_size=11),
    ]


def _key(language: str) -> list[Markup]:
    """Return what the marks mean, in a row below."""
    y, x, items = HEIGHT - 12, LEFT, []
    marks = (
        ("closed", None),
        ("visits", BAR),
        ("coverage", GRADE_COLOURS["reliable"]),
        ("nobody_looked", HATCH),
    )
    for name, fill in marks:
        said = text(name, language)
        if fill is None:
            items.append(label(x + 4, y, "–"))
        else:
            items.append(rect(x, y - 10, 16, 12, fill=fill, stroke=RULE))
        items.append(label(x + 22, y, said, fill=INK))
        x += 48 + (13 if language == "zh" else 7) * len(said)
    return items
