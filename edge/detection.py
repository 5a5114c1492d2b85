"""From a network's raw output to people: decoding, suppression.

Pure numpy. Boxes inside this module are x0 y0 x1 y1 in pixels of the network's
input until `Letterbox.undo` turns them into 0..1 of the picture. Only candidates
at or above the score floor are decoded, a few hundred of thousands of cells.

Sources: the distance bins are the "general distribution" of Generalized Focal
Loss (Li et al. 2020) as NanoDet uses it; the grid decode is that of YOLOX (Ge
et al. 2021); the ultralytics layouts are those its ONNX export documents.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from edge.letterbox import Letterbox
from edge.vocabulary import Detections, FloatArray

MOST_CANDIDATES = 500
"""Of a crowd of a hundred people a detector gives about as many boxes above the floor."""


class Candidates(NamedTuple):
    """Boxes (N, 4) in input pixels and their scores (N,), in no order."""

    boxes: FloatArray
    scores: FloatArray


class Family(StrEnum):
    """The kinds of network output that can be decoded."""

    NANODET = "nanodet"
    YOLOX = "yolox"
    ULTRALYTICS_RAW = "ultralytics-raw"
    ULTRALYTICS_E2E = "ultralytics-e2e"


@dataclass(frozen=True, slots=True)
class Head:
    """What is needed to read a network's output.

    strides: input pixels per cell, one per level; unused by ULTRALYTICS_E2E.
    classes: how many classes are scored; person: which of them is a person.
    bins: distances 0 … bins − 1 in cells that each side is spread over (NANODET only).
    rows: how many boxes come out (ULTRALYTICS_E2E only).
    """

    family: Family
    strides: tuple[int, ...]
    classes: int
    person: int
    bins: int = 0
    rows: int = 0

    def output_shapes(self, height: int, width: int) -> tuple[tuple[int, ...], ...]:
        """Return the shape of each output, in order, for an input of this size."""
        cells = [(height // stride) * (width // stride) for stride in self.strides]
        match self.family:
            case Family.NANODET:
                scores = [(1, count, self.classes) for count in cells]
                return (*scores, *((1, count, 4 * self.bins) for count in cells))
            case Family.YOLOX:
                return ((1, sum(cells), 5 + self.classes),)
            case Family.ULTRALYTICS_RAW:
                return ((1, 4 + self.classes, sum(cells)),)
            case Family.ULTRALYTICS_E2E:
                return ((1, self.rows, 6),)

    def decode(
        self, outputs: Sequence[FloatArray], height: int, width: int, floor: float
    ) -> Candidates:
        """Return the people scoring at least `floor`; outputs are shaped as `output_shapes`."""
        match self.family:
            case Family.NANODET:
                return decode_nanodet(outputs, self, height, width, floor)
            case Family.YOLOX:
                return decode_yolox(outputs[0], self, height, width, floor)
            case Family.ULTRALYTICS_RAW:
                return decode_ultralytics_raw(outputs[0], self, floor)
            case Family.ULTRALYTICS_E2E:
                return decode_ultralytics_e2e(outputs[0], self, floor)


def decode_nanodet(
    outputs: Sequence[FloatArray], head: Head, height: int, width: int, floor: float
) -> Candidates:
    """Decode class scores (1, cells, classes) per level, then 4 × bins logits per level.

    A side lies as many cells from the cell's centre as the softmax over its
    bins expects. Sides come left, top, right, bottom.
    """
    levels = len(head.strides)
    scores = np.concatenate([level[0, :, head.person] for level in outputs[:levels]])
    (cells,) = np.nonzero(scores >= floor)
    corners, strides = _grid(head.strides, height, width)
    step = strides[cells, None]
    logits = np.concatenate([level[0] for level in outputs[levels:]])[cells]
    centres = (corners[cells] + np.float32(0.5)) * step
    distances = _expected_bin(logits.reshape(len(cells), 4, logits.shape[1] // 4)) * step
    boxes = np.concatenate([centres - distances[:, :2], centres + distances[:, 2:]], axis=1)
    return Candidates(boxes, scores[cells])


def _expected_bin(logits: FloatArray) -> FloatArray:
    """Return the mean of 0, 1, 2 … under the softmax of the last axis."""
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    bins = np.arange(logits.shape[-1], dtype=np.float32)
    return np.asarray(weights @ bins / weights.sum(axis=-1), np.float32)


def decode_yolox(
    output: FloatArray, head: Head, height: int, width: int, floor: float
) -> Candidates:
    """Decode (1, cells, 5 + classes): centre offset, log size, objectness, class scores.

    Offsets and sizes are in cells; the score is objectness × class score.
    """
    rows = output[0]
    scores = rows[:, 4] * rows[:, 5 + head.person]
    (cells,) = np.nonzero(scores >= floor)
    corners, strides = _grid(head.strides, height, width)
    step = strides[cells, None]
    centres = (rows[cells, :2] + corners[cells]) * step
    return Candidates(_corners(centres, np.exp(rows[cells, 2:4]) * step), scores[cells])


@lru_cache(maxsize=4)
def _grid(strides: tuple[int, ...], height: int, width: int) -> tuple[FloatArray, FloatArray]:
    """Return each cell's column and row (N, 2) and its stride (N,), level after level."""
    corners, steps = [], []
    for stride in strides:
        rows, columns = np.mgrid[: height // stride, : width // stride]
        corners.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        steps.append(np.full(rows.size, stride))
    return np.concatenate(corners).astype(np.float32), np.concatenate(steps).astype(np.float32)


def decode_ultralytics_raw(output: FloatArray, head: Head, floor: float) -> Candidates:
    """Decode (1, 4 + classes, N) of v8 and v11: centre, size, class scores after sigmoid."""
    columns = output[0]
    scores = columns[4 + head.person]
    (found,) = np.nonzero(scores >= floor)
    boxes = columns[:4, found].T
    return Candidates(_corners(boxes[:, :2], boxes[:, 2:]), scores[found])


def decode_ultralytics_e2e(output: FloatArray, head: Head, floor: float) -> Candidates:
    """Decode (1, N, 6) of an end-to-end head: x0 y0 x1 y1 score class, already suppressed."""
    rows = output[0]
    found = rows[(rows[:, 4] >= floor) & (rows[:, 5] == head.person)]
    return Candidates(found[:, :4], found[:, 4])


def _corners(centres: FloatArray, sizes: FloatArray) -> FloatArray:
    return np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1, dtype=np.float32)


def suppress(boxes: FloatArray, scores: FloatArray, max_iou: float) -> list[int]:
    """Return the indices to keep, best first: greedy non-maximum suppression.

    A box goes when it overlaps a better one that stays by more than `max_iou`. Of more than
    `MOST_CANDIDATES` boxes only the best are looked at.
    """
    order = np.argsort(-scores, kind="stable")[:MOST_CANDIDATES]
    ranked = boxes[order]
    low = np.maximum(ranked[:, None, :2], ranked[None, :, :2])
    high = np.minimum(ranked[:, None, 2:], ranked[None, :, 2:])
    sides = np.maximum(high - low, 0)
    overlap = sides[..., 0] * sides[..., 1]
    areas = (ranked[:, 2] - ranked[:, 0]) * (ranked[:, 3] - ranked[:, 1])
    # As a product, so that two boxes without area do not divide by zero.
    covers = overlap > max_iou * (areas[:, None] + areas - overlap)
    gone = np.zeros(len(order), bool)
    kept: list[int] = []
    for rank, index in enumerate(order.tolist()):
        if not gone[rank]:
            kept.append(index)
            gone |= covers[rank]
    return kept


def people(candidates: Candidates, letterbox: Letterbox, max_iou: float | None) -> Detections:
    """Suppress duplicates (unless `max_iou` is None) and go back to the picture, best first.

    A box that lies wholly in the padding has no area left and is dropped.
    """
    if max_iou is None:
        order = np.argsort(-candidates.scores, kind="stable")
    else:
        order = np.array(suppress(candidates.boxes, candidates.scores, max_iou), np.intp)
    boxes = letterbox.undo(candidates.boxes[order])
    visible = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    return Detections(boxes[visible], candidates.scores[order][visible], letterbox.aspect)
