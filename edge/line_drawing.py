"""The lines as a drawing, without any picture of the camera: SVG text. Pure.

Where feet were is shown in cells of a twentieth of the picture's width, and only where at
least `FEWEST` different people walked: single ways cannot be read from it (docs/line-doctor.md).
"""

from collections.abc import Iterator, Sequence
from math import hypot
from xml.sax.saxutils import escape

import numpy as np

from edge.foot_paths import Ints, Paths
from edge.line_doctor import Diagnosis
from edge.vocabulary import Anchor, Point

COLUMNS, ROWS = 20, 12
FEWEST = 5
_WIDTH = 960.0
_GOOD, _BAD, _UNKNOWN, _FEET = "#0a7d34", "#c62828", "#616161", "#1565c0"
_ARROW = 46.0
_BORDER, _LEGEND = 110, 150


def heat(paths: Paths, anchor: Anchor = Anchor.BOTTOM_CENTRE) -> Ints:
    """Count the different people in each of ROWS × COLUMNS cells; 0 where they are too few."""
    spots = paths.anchors(anchor) / np.array([paths.aspect, 1.0])
    column = np.clip((spots[:, 0] * COLUMNS).astype(np.intp), 0, COLUMNS - 1)
    row = np.clip((spots[:, 1] * ROWS).astype(np.intp), 0, ROWS - 1)
    visits = np.unique(np.stack([paths.owner, row * COLUMNS + column], axis=1), axis=0)
    counts = np.bincount(visits[:, 1], minlength=ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    return np.where(counts >= FEWEST, counts, 0)


def drawing(diagnoses: Sequence[Diagnosis], paths: Paths, anchor: Anchor) -> str:
    """Return an SVG document: frame, feet, present and suggested lines with 进 IN."""
    height = _WIDTH / paths.aspect
    view = f"{-_BORDER} {-_BORDER} {_WIDTH + 2 * _BORDER:.0f} {height + _BORDER + _LEGEND:.0f}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{view}"'
        ' font-family="sans-serif" font-size="18">',
        '<rect x="-110" y="-110" width="100%" height="100%" fill="#fff"/>',
        *_cells(heat(paths, anchor), height),
        f'<rect width="{_WIDTH:.0f}" height="{height:.1f}" fill="none" stroke="#333"/>',
    ]
    for each in diagnoses:
        colour = _colour(each)
        line = [(x * _WIDTH, y * height) for x, y in each.line.points]
        parts += _line(line, each.line.entry, colour, each.line.id, dashed=each.is_bad)
        if each.suggestion is not None:
            told = each.suggestion
            better = [(x * _WIDTH, y * height) for x, y in told.points]
            entry = _entry(better, told.entry)
            parts += _line(better, entry, _GOOD, f"{each.line.id} 建议 suggested", low=True)
    return "\n".join([*parts, *_legend(height), "</svg>", ""])


def _colour(diagnosis: Diagnosis) -> str:
    if diagnosis.is_bad:
        return _BAD
    return _GOOD if diagnosis.is_judged else _UNKNOWN


def _cells(counts: Ints, height: float) -> Iterator[str]:
    most = max(1, int(counts.max()))
    wide, high = _WIDTH / COLUMNS, height / ROWS
    for row, column in np.argwhere(counts):
        shade = 0.08 + 0.42 * counts[row, column] / most
        yield (
            f'<rect x="{column * wide:.1f}" y="{row * high:.1f}" width="{wide:.1f}"'
            f' height="{high:.1f}" fill="{_FEET}" fill-opacity="{shade:.2f}"/>'
        )


def _line(
    path: Sequence[Point],
    entry: int,
    colour: str,
    label: str,
    *,
    dashed: bool = False,
    low: bool = False,
) -> Iterator[str]:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in path)
    dashes = ' stroke-dasharray="10 7"' if dashed else ""
    yield (f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="5"{dashes}/>')
    (x0, y0), (x1, y1) = path[0], path[-1]
    length = hypot(x1 - x0, y1 - y0) or 1.0
    inward = (-entry * (y1 - y0) / length, entry * (x1 - x0) / length)
    middle = _middle(path)
    tip = (middle[0] + _ARROW * inward[0], middle[1] + _ARROW * inward[1])
    yield (
        f'<line x1="{middle[0]:.1f}" y1="{middle[1]:.1f}" x2="{tip[0]:.1f}" y2="{tip[1]:.1f}"'
        f' stroke="{colour}" stroke-width="4"/>'
    )
    yield f'<polygon points="{_head(tip, inward)}" fill="{colour}"/>'
    away = 26 + 16 * abs(inward[0])
    beyond = (tip[0] + away * inward[0], tip[1] + away * inward[1] + 6)
    yield _text(beyond, "进 IN", colour, "middle")
    x, y = (max if low else min)(path, key=lambda p: p[1])
    place = (min(max(x, 90), _WIDTH - 90), y + 24 if low else y - 10)
    yield _text(place, label, colour, "middle")


def _head(tip: Point, way: Point) -> str:
    across = (-way[1], way[0])
    corners = [
        (tip[0] + 12 * way[0], tip[1] + 12 * way[1]),
        (tip[0] + 8 * across[0], tip[1] + 8 * across[1]),
        (tip[0] - 8 * across[0], tip[1] - 8 * across[1]),
    ]
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)


def _middle(path: Sequence[Point]) -> Point:
    if len(path) % 2:
        return path[len(path) // 2]
    a, b = path[len(path) // 2 - 1], path[len(path) // 2]
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2


def _entry(path: Sequence[Point], word: str) -> int:
    heading = {"up": (0, -1), "down": (0, 1), "left": (-1, 0), "right": (1, 0)}[word]
    (x0, y0), (x1, y1) = path[0], path[-1]
    return 1 if (x1 - x0) * heading[1] - (y1 - y0) * heading[0] > 0 else -1


def _legend(height: float) -> Iterator[str]:
    told = [
        (_GOOD, "绿色实线：合适或建议的线 green: fine, or suggested"),
        (_BAD, "红色虚线：现在的线，会数错 red, dashed: the present line, miscounts"),
        (_UNKNOWN, "灰色：看到的人太少，不能判断 grey: too few people seen to judge"),
        (_FEET, f"蓝色：至少 {FEWEST} 人走过的地方 blue: where at least {FEWEST} people walked"),
    ]
    for number, (colour, text) in enumerate(told):
        yield _text((0, height + 52 + 24 * number), text, colour, "start")


def _text(place: Point, text: str, colour: str, anchor: str) -> str:
    return (
        f'<text x="{place[0]:.1f}" y="{place[1]:.1f}" fill="{colour}" text-anchor="{anchor}"'
        f' paint-order="stroke" stroke="#fff" stroke-width="4">{escape(text)}</text>'
    )
