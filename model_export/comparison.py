"""Whether the 8-bit network is worth having: its time and its people beside the float one's."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from edge.ports import Detector
from edge.vocabulary import Detections, FloatArray, Frame, Image

WORTH = 0.9
"""Share of the float network's time from which on 8 bits gain nothing."""
ALIKE = 0.9
"""F1 of both networks' people below which 8 bits lose too much."""
SAME_BOX_IOU = 0.5


@dataclass(frozen=True, slots=True)
class Comparison:
    """Median milliseconds for a picture, one thread; people of each at the sure score; in both."""

    pictures: int
    float_ms: float
    int8_ms: float
    float_people: int
    int8_people: int
    shared: int

    @property
    def f1(self) -> float | None:
        """How alike their people are; None when the float network saw nobody."""
        if self.float_people == 0:
            return None
        return 2 * self.shared / (self.float_people + self.int8_people)

    @property
    def against_int8(self) -> str:
        """Why the float network is kept; empty when the 8-bit one is."""
        if self.int8_ms > WORTH * self.float_ms:
            ratio = self.float_ms / self.int8_ms
            return f"INT8 gains nothing on this machine: {ratio:.2f} times as fast as fp32"
        if self.f1 is not None and self.f1 < ALIKE:
            return f"INT8 loses too much: its people agree with those of fp32 to F1 {self.f1:.3f}"
        return ""


def compare(
    exact: Detector, small: Detector, pictures: Sequence[Image], sure_score: float
) -> Comparison:
    """Show both networks the same pictures, in turn."""
    seconds: tuple[list[float], list[float]] = ([], [])
    people: tuple[list[int], list[int]] = ([], [])
    shared = 0
    for index, picture in enumerate(pictures):
        frame = Frame(float(index), index, picture[0])
        boxes = []
        for which, detector in enumerate((exact, small)):
            begin = time.perf_counter()
            found = detector.detect(frame)
            seconds[which].append(time.perf_counter() - begin)
            boxes.append(_sure(found, sure_score))
            people[which].append(len(boxes[which]))
        shared += _pairs(*boxes)
    float_ms, int8_ms = (1000 * median(each) for each in seconds)
    seen = [sum(each) for each in people]
    return Comparison(len(pictures), float_ms, int8_ms, seen[0], seen[1], shared)


def _sure(found: Detections, score: float) -> FloatArray:
    boxes: FloatArray = found.boxes[found.scores >= score]
    return boxes


def _pairs(one: FloatArray, other: FloatArray) -> int:
    """Count boxes of both that are the same person's, each used once, best overlap first."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(each[:, 2:] - each[:, :2], axis=1) for each in (one, other)]
    iou = common / np.maximum(areas[0][:, None] + areas[1][None] - common, 1e-12)
    count = 0
    while iou.size and iou.max() >= SAME_BOX_IOU:
        row, column = np.unravel_index(iou.argmax(), iou.shape)
        iou[row], iou[:, column] = 0, 0
        count += 1
    return count
