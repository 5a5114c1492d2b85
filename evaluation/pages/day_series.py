"""Visits of a month by day above the share of the opening time that was looked at."""

from collections.abc import Callable, Sequence
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
_BASE = TOP + HIGH
_STRIP_TOP = _BASE + 26
HEIGHT = _STRIP_TOP + STRIP + 34
_STEPS = (1, 2, 5)


def day_series(
    visits: Sequence[int | None],
    coverage: Sequence[float | None],
    first: date,
    grades: tuple[float, float],
    language: str,
    says: str,
    link: Callable[[int], str],
) -> Markup:
    """Return the plot. visits, coverage: by day; coverage None on a day that is closed.

    grades: from which coverage on a figure is reliable, and estimated. link: of a day from 0.
    """
    top = nice(max((each for each in visits if each), default=1))
    width = LEFT + DAY * len(visits) + 4
    days = [
        _day(n, visits[n], coverage[n], top, first, grades, language, link(n))
        for n in range(len(visits))
    ]
    return picture(
        width, HEIGHT, says, *_axis(top, width, grades, language), *days, *_key(language)
    )


def nice(most: float) -> int:
    """Return a round number that is not less."""
    power = 1
    while True:
        for step in _STEPS:
            if step * power >= most:
                return step * power
        power *= 10


def _day(
    n: int, visits: int | None, cov: float | None, top: int, first: date,
    grades: tuple[float, float], language: str, href: str,
) -> Markup:  # fmt: skip
    x, when = LEFT + DAY * n, first.replace(day=n + 1)
    weekend = when.weekday() >= 5
    number = label(
        x + DAY / 2, _BASE + 16, n + 1, text_anchor="middle", font_size=11,
        fill=MUTED if weekend else INK,
    )  # fmt: skip
    if cov is None:
        mark = label(x + DAY / 2, _BASE - 4, "–", text_anchor="middle")
        return group(number, mark, title=f"{when} {text('closed', language)}", href=href)
    if visits is None or cov == 0:
        unseen = rect(x + 2, TOP, DAY - 4, HIGH, fill=HATCH, stroke=RULE)
        strip = rect(x + 2, _STRIP_TOP, DAY - 4, STRIP, fill=HATCH, stroke=RULE)
        hint = f"{when} {text('nobody_looked', language)}"
        return group(number, unseen, strip, title=hint, href=href)
    high = HIGH * visits / top
    bar = rect(x + 3, _BASE - high, DAY - 6, high, fill="#3d8dc4")
    # What nobody saw of the day stands above what was seen, as far as the share goes.
    lacking = min(HIGH - high, HIGH * visits / top * (1 / cov - 1)) if cov < 1 else 0.0
    more = rect(x + 3, _BASE - high - lacking, DAY - 6, lacking, fill=HATCH, stroke=RULE)
    hint = (
        f"{when} {visits} {text('visits', language)}, {text('coverage', language)} {100 * cov:.0f}%"
    )
    parts = (number, bar, more) if lacking > 1 else (number, bar)
    return group(*parts, *_covered(x, cov, grades), title=hint, href=href)


def _covered(x: float, cov: float, grades: tuple[float, float]) -> list[Markup]:
    reliable, estimated = grades
    grade = "reliable" if cov >= reliable else "estimated" if cov >= estimated else "not_rated"
    high = STRIP * cov
    return [
        rect(x + 2, _STRIP_TOP, DAY - 4, STRIP, fill=HATCH),
        rect(x + 2, _STRIP_TOP + STRIP - high, DAY - 4, high, fill=GRADE_COLOURS[grade]),
    ]


def _axis(top: int, width: float, grades: tuple[float, float], language: str) -> list[Markup]:
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
    y, items = HEIGHT - 12, []
    words = [
        ("#3d8dc4", text("visits", language)),
        (HATCH, text("nobody_looked", language)),
        (None, f"– {text('closed', language)}"),
    ]
    x = LEFT
    for fill, said in words:
        if fill is not None:
            items.append(rect(x, y - 10, 16, 12, fill=fill, stroke=RULE))
            x += 22
        items.append(label(x, y, said, fill=INK))
        x += 14 * len(said) if language == "zh" else 8 * len(said) + 14
    return items
