"""A centre's own scores over up to twelve closed months: the line that is beside any rank."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from evaluation.pages.svg import (
    GRADE_COLOURS,
    HATCH,
    RULE,
    element,
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
    known: list[tuple[float, Point]] = []
    for x, point in zip(at, points, strict=True):
        if point is None:
            continue
        if is_large:
            inside.append(label(x, height - 6, point.month[2:], text_anchor="middle", font_size=11))
        if point.value is None:
            inside.append(rect(x - step / 3, above, step / 1.5, high, fill=HATCH, stroke=RULE))
        else:
            known.append((x, point))
    if known:
        inside += _marks(known, step, y, radius=4 if is_large else 2)
    return picture(width, height, says, *inside, kind="trend large" if is_large else "trend")


def _scale(width: float, left: float, y: Callable[[float], float]) -> list[Markup]:
    marks = (0, 50, 100)
    return [
        *(line(left - 6, y(n), width, y(n), stroke=RULE) for n in marks),
        *(label(left - 10, y(n) + 4, n, text_anchor="end") for n in marks),
    ]


def _marks(
    known: list[tuple[float, Point]], step: float, y: Callable[[float], float], *, radius: float
) -> list[Markup]:
    """Return line, whiskers and dots, a path each: a league has hundreds of trends."""
    whiskers = "".join(f"M{x:g} {y(p.low or 0):.1f}V{y(p.high or 0):.1f}" for x, p in known)
    dots = "".join(f"M{x:g} {y(p.value or 0):.1f}h0" for x, p in known if p.is_closed)
    way, last = "", 0.0
    for x, point in known:
        way += f"{'L' if way and x - last <= step else 'M'}{x:g} {y(point.value or 0):.1f}"
        last = x
    hollow = [(x, y(p.value or 0)) for x, p in known if not p.is_closed]
    return [
        element("path", d=whiskers, stroke=COLOUR, stroke_opacity=0.45, fill="none"),
        element("path", d=way, stroke=COLOUR, stroke_width=1.5, fill="none"),
        element("path", d=dots, stroke=COLOUR, stroke_width=2 * radius, stroke_linecap="round"),
        *(element("circle", cx=x, cy=at, r=radius, stroke=COLOUR, fill="#ffffff")
          for x, at in hollow),
    ]  # fmt: skip
