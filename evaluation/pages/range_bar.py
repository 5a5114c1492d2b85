"""A score with the range in which the true one lies: a bar from 0 to 100 with a whisker."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from evaluation.pages.svg import GRADE_COLOURS, GROUND, HATCH, INK, RULE, line, picture, rect

WIDTH, HEIGHT = 200.0, 22.0
_BAR, _CAP = 12.0, 4.0


def range_bar(figure: Mapping[str, Any], says: str) -> Markup:
    """Return the bar; all of it hatched where there is no score."""
    top = (HEIGHT - _BAR) / 2
    if figure["value"] is None:
        track = rect(0.5, top, WIDTH - 1, _BAR, fill=HATCH, stroke=RULE)
        return picture(WIDTH, HEIGHT, says, track, kind="bar")
    ends = [_x(figure["low"]), _x(figure["high"])]
    low, value, high = (_x(figure[each]) for each in ("low", "value", "high"))
    colour, middle = GRADE_COLOURS[figure["grade"]], HEIGHT / 2
    is_sure = figure["grade"] == "reliable"
    return picture(
        WIDTH,
        HEIGHT,
        says,
        rect(0, top, WIDTH, _BAR, fill=GROUND),
        *(line(_x(n), top, _x(n), top + _BAR, stroke=RULE) for n in (25, 50, 75)),
        rect(
            0.5, top, value, _BAR, fill=colour, fill_opacity=None if is_sure else 0.35,
            stroke=colour, stroke_dasharray=None if is_sure else "4 2",
        ),
        line(low, middle, high, middle, stroke_width=2),
        *(line(x, middle - _CAP, x, middle + _CAP, stroke=INK, stroke_width=2) for x in ends),
        kind="bar",
    )  # fmt: skip


def _x(points: float) -> float:
    return 1 + points / 100 * (WIDTH - 2)
