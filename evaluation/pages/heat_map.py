"""Mean visits by weekday and hour. Hatched where nobody looked: that is not a zero."""

from collections.abc import Callable, Sequence

from markupsafe import Markup

from evaluation.pages.svg import HATCH, INK, RULE, blue, group, label, picture, rect
from evaluation.pages.words import LANGUAGES, WEEKDAYS, text

CELL, ROW, LEFT, TOP = 34.0, 26.0, 40.0, 20.0
_KEY, _KEY_WIDTH = 36.0, 340.0
Hours = Sequence[Sequence[float | None]]


def heat_map(hours: Hours, language: str, says: str, link: Callable[[int, int], str]) -> Markup:
    """Return the map. hours: 7 lists of 24, None where nothing was covered.

    link: where the records of a weekday and an hour are.
    """
    most = max((each for day in hours for each in day if each is not None), default=0.0) or 1.0
    shown = shown_hours(hours)
    cells = [
        group(
            *_cell(hours[day][hour], most, LEFT + CELL * at, TOP + ROW * day),
            title=_hint(hours[day][hour], day, hour, language),
            href=link(day, hour),
        )
        for day in range(7)
        for at, hour in enumerate(shown)
    ]
    names = WEEKDAYS[LANGUAGES.index(language)]
    rows = [
        label(LEFT - 6, TOP + ROW * day + 17, names[day], text_anchor="end") for day in range(7)
    ]
    columns = [
        label(LEFT + CELL * at + CELL / 2, TOP - 6, hour, text_anchor="middle")
        for at, hour in enumerate(shown)
    ]
    width = max(LEFT + CELL * len(shown) + 2, LEFT + _KEY_WIDTH)
    below = TOP + 7 * ROW + 12
    return picture(width, below + _KEY, says, *rows, *columns, *cells, *_key(most, below, language))


def shown_hours(hours: Hours) -> range:
    """Return the hours from the first to the last with a visit, or that nobody looked at.

    The night, in which nobody comes, is left out; all hours where nothing is known at all.
    """
    busy = [hour for day in hours for hour, each in enumerate(day) if each]
    return range(max(0, min(busy) - 1), min(24, max(busy) + 2)) if busy else range(7, 20)


def _hint(mean: float | None, day: int, hour: int, language: str) -> str:
    when = f"{WEEKDAYS[LANGUAGES.index(language)][day]} {hour:02}:00"
    return f"{when} {text('nobody_looked', language) if mean is None else f'{mean:.1f}'}"


def _cell(mean: float | None, most: float, x: float, y: float) -> list[Markup]:
    if mean is None:
        return [rect(x + 0.5, y + 0.5, CELL - 1, ROW - 1, fill=HATCH, stroke=RULE)]
    colour, ink = blue(mean / most)
    said = _short(mean)
    return [
        rect(x + 0.5, y + 0.5, CELL - 1, ROW - 1, fill=colour if mean else "#ffffff", stroke=RULE),
        label(x + CELL / 2, y + 17, said, fill=ink, text_anchor="middle", font_size=11),
    ]


def _short(mean: float) -> str:
    return f"{mean:.0f}" if mean >= 10 or mean == 0 else f"{mean:.1f}"


def _key(most: float, y: float, language: str) -> list[Markup]:
    boxes = [rect(LEFT + 24 * n, y, 24, 12, fill=blue((n + 0.5) / 7)[0]) for n in range(7)]
    right = LEFT + 24 * 7
    return [
        *boxes,
        label(LEFT, y + 26, "0", fill=INK),
        label(right, y + 26, f"{most:.0f}", fill=INK, text_anchor="end"),
        rect(right + 24, y, 24, 12, fill=HATCH, stroke=RULE),
        label(right + 54, y + 11, text("nobody_looked", language), fill=INK),
    ]
