"""Detections from a text file instead of a camera and a model, in MOTChallenge's format.

One row a detection: frame (from 1), id (ignored), left, top, width, height in pixels, score.
A score of -1, as in some data sets, means there is none and counts as sure.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edge.errors import BadInputError
from edge.regions import Interest
from edge.vocabulary import Detections, Frame

_EXAMPLE = "a row is frame,id,left,top,width,height,score, e.g. 1,-1,12.5,40,30,80.2,0.91"
_SCORE_MISSING = -1.0

Row = tuple[float, float, float, float, float]


class MotDetections:
    """A recording of detections; it is both the source of frames and the detector.

    Its frames have no picture: they are black and cost no memory, and masks do not apply.
    """

    def __init__(
        self, path: Path, size: tuple[int, int], clip_fps: float, fps: float | None = None
    ) -> None:
        """Read a file made at `clip_fps` of pictures of `size`, width and height in pixels.

        fps: pictures a second to use, at most; None uses all.
        Raises BadInputError with file and line.
        """
        try:
            text = path.read_bytes()
            rows = _rows(path, text.decode("utf-8-sig"))
        except OSError as error:
            raise BadInputError(f"{path}: {error.strerror}; {_EXAMPLE}") from error
        except UnicodeDecodeError as error:
            raise BadInputError(f"{path}: this is not a text file; {_EXAMPLE}") from error
        if not rows:
            raise BadInputError(f"{path}: there are no detections in it; {_EXAMPLE}")
        self._rows, self._size, self._clip_fps = rows, size, clip_fps
        self._fps = min(clip_fps, fps or clip_fps)
        self.length = max(rows)
        """How many frames there are, skipped ones included."""
        self.model_hash = hashlib.sha256(text).hexdigest()[:12]
        """Stands for the model in the records."""

    def frames(self) -> Iterator[Frame]:
        """Yield the frames nearest to the ticks of the wanted rate, empty ones included."""
        width, height = self._size
        black = np.broadcast_to(np.zeros(1, np.uint8), (height, width, 3))
        ticks = int(self.length / self._clip_fps * self._fps) + 1
        for tick in range(ticks):
            index = int(tick / self._fps * self._clip_fps + 0.5)
            if index < self.length:
                yield Frame(index / self._clip_fps, index, black)

    def attend(self, interest: Interest) -> None:
        """Nothing: they come as they are."""

    def forget(self) -> None:
        """Nothing: there are no pictures behind them."""

    def detect(self, frame: Frame) -> Detections:
        """Return what the file has for a frame, best first."""
        found = sorted(self._rows.get(frame.index + 1, ()), key=lambda row: -row[4])
        table = np.array(found, np.float64).reshape(-1, 5)
        corners = np.concatenate((table[:, :2], table[:, :2] + table[:, 2:4]), axis=1)
        boxes = np.clip(corners / (*self._size, *self._size), 0.0, 1.0).astype(np.float32)
        seen = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        return Detections(boxes[seen], table[seen, 4].astype(np.float32), frame.aspect)

    def close(self) -> None:
        """Do nothing."""


def _rows(path: Path, text: str) -> dict[int, list[Row]]:
    rows: dict[int, list[Row]] = defaultdict(list)
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            frame, row = _row(line)
        except ValueError as error:
            raise BadInputError(f"{path}:{number}: {error}; {_EXAMPLE}") from None
        rows[frame].append(row)
    return rows


def _row(line: str) -> tuple[int, Row]:
    """Read one row. Raises ValueError with the reason."""
    fields = line.replace(",", " ").split()
    if len(fields) < 7:
        raise ValueError(f"{len(fields)} fields where at least 7 are needed")
    frame, _, left, top, width, height, score = (float(f) for f in fields[:7])
    numbers = (frame, left, top, width, height, score)
    if not np.isfinite(numbers).all():
        raise ValueError("a field is not a finite number")
    if frame < 1 or frame != int(frame):
        raise ValueError(f"frame {frame:g} is not a whole number from 1 on")
    if width <= 0 or height <= 0:
        raise ValueError(f"a box of {width:g} × {height:g} pixels has no area")
    score = 1.0 if score == _SCORE_MISSING else score
    if not 0 <= score <= 1:
        raise ValueError(f"score {score:g} is not between 0 and 1 (or -1 for none)")
    return int(frame), (left, top, width, height, score)
