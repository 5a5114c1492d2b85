"""A centre's own scores over up to twelve closed months: the line that is beside any rank."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from evaluation.pages.svg import (
    GRADE_COLOURS,
    HATCH,
    RULE,
    element,
    group,
    label,
    line,
    picture,
    rect,
)

MONTHS = 12
COLOUR = GRADE_COLOURS["reliable"]


@dataclass(frozen=True, slots=True)
class Point:
    """A month's score; value None: not rated. is_closed: or a draft."""

    month: str
    value: float | None
    low: float | None
    high: float | None
    is_closed: bool = True


def trend_line(points: Sequence[Point | None], says: str, *, is_large: bool = False) -> Markup:
    """Return the line, the oldest month first; None: no report of that month.

    A month that was not rated is hatched, and the line does not go through it.
    """
    width, height, step = (620.0, 150.0, 46.0) if is_large else (124.0, 30.0, 10.0)
    below = 24.0 if is_large else 2.0
    above = 10.0 if is_large else 2.0
    high = height - below - above
    left = 40.0 if is_large else 4.0

    def y(value: float) -> float:
        return above + high * (1 - value / 100)

    at = [left + step * n + step / 2 for n in range(len(points))]
    inside = _scale(width, left, y) if is_large else []
    for x, point in zip(at, points, strict=True):
        if is_large and point is not None:
            inside.append(label(x, height - 6, point.month[2:], text_anchor="middle", font_size=11))
        if point is not None and point.value is None:
            inside.append(rect(x - step / 3, above, step / 1.5, high, fill=HATCH, stroke=RULE))
    ends = [
        None if p is None or p.value is None else (x, y(p.value))
        for x, p in zip(at, points, strict=True)
    ]
    inside += [line(*a, *b, stroke=COLOUR, stroke_width=1.5) for a, b in pairwise(ends) if a and b]
    inside += [
        _dot(p, end, (y(p.low or 0), y(p.high or 0)), 4 if is_large else 2.2)
        for end, p in zip(ends, points, strict=True)
        if end and p
    ]
    return picture(width, height, says, *inside, kind="trend large" if is_large else "trend")


def _scale(width: float, left: float, y: Callable[[float], float]) -> list[Markup]:
    marks = (0, 50, 100)
    return [
        *(line(left - 6, y(n), width, y(n), stroke=RULE) for n in marks),
        *(label(left - 10, y(n) + 4, n, text_anchor="end") for n in marks),
    ]


def _dot(point: Point, at: tuple[float, float], ends: tuple[float, float], radius: float) -> Markup:
    x, y = at
    dot = element(
        "circle", cx=x, cy=y, r=radius, stroke=COLOUR, fill=COLOUR if point.is_closed else "#ffffff"
    )
    whisker = line(x, ends[0], x, ends[1], stroke=COLOUR, stroke_opacity=0.45)
    return group(whisker, dot, title=f"{point.month}: {point.value:.1f}")
