"""Drawing what the counter saw into a video, for demos and for checking a line.

Only `replay --annotate` uses this, on a recording the user already has; the service
on the device never writes a picture.
"""

from collections import Counter as Tally
from collections.abc import Sequence
from math import hypot
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from edge.errors import BadInputError
from edge.vocabulary import Counted, Frame, Image, Line, Outcome, Point, Tracks

_LINE = (0, 220, 255)
_IN = (80, 200, 60)
_OUT = (60, 80, 230)
_BOX = (255, 180, 60)
_COASTING = (150, 150, 150)
_INK = (255, 255, 255)
_PAPER = (40, 40, 40)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FLASH_S = 0.8


class Annotator:
    """Writes an MP4 with boxes, feet, lines, the IN arrow and the counts so far."""

    def __init__(self, path: Path, fps: float, lines: Sequence[Line]) -> None:
        self._path, self._fps, self._lines = path, fps, tuple(lines)
        self._writer: cv2.VideoWriter | None = None
        self._counts: Tally[tuple[str, Outcome]] = Tally()
        self._flash: dict[str, tuple[float, Outcome]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.release()

    def write(self, frame: Frame, tracks: Tracks, counted: Counted) -> None:
        """Draw one frame. Raises BadInputError when the file cannot be written."""
        for crossing in counted.live:
            self._counts[crossing.line, crossing.outcome] += 1
            self._flash[crossing.line] = (frame.at, crossing.outcome)
        picture = frame.image.copy()
        self._draw_tracks(picture, tracks)
        for line in self._lines:
            self._draw_line(picture, line, frame.at)
        self._draw_counts(picture)
        self._open(picture).write(picture)

    def _open(self, picture: Image) -> cv2.VideoWriter:
        if self._writer is None:
            height, width = picture.shape[:2]
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._path), code, self._fps, (width, height))
            if not self._writer.isOpened():
                raise BadInputError(
                    f"{self._path}: cannot write a video there;"
                    " give a path ending in .mp4 in a folder that exists"
                )
        return self._writer

    def _draw_tracks(self, picture: Image, tracks: Tracks) -> None:
        for track in tracks.live:
            x0, y0 = _pixel(picture, (track.box[0], track.box[1]))
            x1, y1 = _pixel(picture, (track.box[2], track.box[3]))
            colour = _BOX if track.observed else _COASTING
            cv2.rectangle(picture, (x0, y0), (x1, y1), colour, 1, cv2.LINE_AA)
            cv2.circle(picture, ((x0 + x1) // 2, y1), 3, colour, -1, cv2.LINE_AA)

    def _draw_line(self, picture: Image, line: Line, at: float) -> None:
        since, outcome = self._flash.get(line.id, (-1e9, Outcome.IN))
        colour = _LINE if at - since > _FLASH_S else _IN if outcome is Outcome.IN else _OUT
        points = np.array([_pixel(picture, p) for p in line.points], np.int32)
        cv2.polylines(picture, [points], isClosed=False, color=colour, thickness=2)
        start, tip = _arrow(picture, line)
        cv2.arrowedLine(picture, start, tip, colour, 2, cv2.LINE_AA, tipLength=0.35)
        _text(picture, "IN", (tip[0] + 4, tip[1] + 4), 0.45, colour)
        _text(picture, line.id, (int(points[0][0]) + 4, int(points[0][1]) - 6), 0.4, colour)

    def _draw_counts(self, picture: Image) -> None:
        for row, line in enumerate(self._lines):
            entered = self._counts[line.id, Outcome.IN]
            left = self._counts[line.id, Outcome.OUT]
            label = f"{line.id}: in {entered} out {left}"
            _text(picture, label, (8, 20 + 20 * row), 0.5, _INK)


def _pixel(picture: Image, point: Point) -> tuple[int, int]:
    height, width = picture.shape[:2]
    return round(point[0] * width), round(point[1] * height)


def _arrow(picture: Image, line: Line) -> tuple[tuple[int, int], tuple[int, int]]:
    """Place an arrow at the middle of the line, across it, towards the inside."""
    middle = len(line.points) // 2
    a, b = (_pixel(picture, p) for p in line.points[middle - 1 : middle + 1])
    length = max(1.0, hypot(b[0] - a[0], b[1] - a[1]))
    # Right of the way a→b on the screen is (−dy, dx): y grows downwards.
    across = (-(b[1] - a[1]) / length * line.entry, (b[0] - a[0]) / length * line.entry)
    start = ((a[0] + b[0]) // 2, (a[1] + b[1]) // 2)
    return start, (round(start[0] + 34 * across[0]), round(start[1] + 34 * across[1]))


def _text(
    picture: Image, text: str, at: tuple[int, int], size: float, colour: tuple[int, int, int]
) -> None:
    (width, height), below = cv2.getTextSize(text, _FONT, size, 1)
    x, y = at
    cv2.rectangle(picture, (x - 2, y - height - 2), (x + width + 2, y + below), _PAPER, -1)
    cv2.putText(picture, text, at, _FONT, size, colour, 1, cv2.LINE_AA)
