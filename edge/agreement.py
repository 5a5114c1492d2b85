"""Whether two detectors find the same people in a picture. Pure."""

import numpy as np

from edge.vocabulary import Detections, FloatArray

MIN_IOU = 0.8
MAX_SCORE_DIFFERENCE = 0.15
"""Between the INT8 and the fp32 file of the shipped network 0.11 was seen on real pictures."""


def disagreement(reference: Detections, found: Detections, sure_score: float) -> str | None:
    """Say in words how `found` differs from the reference; None when it is the same people.

    Each of the two must have everybody of whom the other is sure: a box that overlaps by
    MIN_IOU, with a score that differs by at most MAX_SCORE_DIFFERENCE.
    """
    for one, other, what in (
        (reference, found, "misses {} of {} people"),
        (found, reference, "finds {} of {} people who are not there"),
    ):
        sure = np.flatnonzero(one.scores >= sure_score)
        lost = sum(not _has(other, one.boxes[index], one.scores[index]) for index in sure)
        if lost:
            return what.format(lost, len(sure))
    return None


def _has(detections: Detections, box: FloatArray, score: float) -> bool:
    boxes = detections.boxes
    low, high = np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) + np.prod(box[2:] - box[:2])
    close = np.abs(detections.scores - score) <= MAX_SCORE_DIFFERENCE
    return bool((close & (shared >= MIN_IOU * (areas - shared))).any())
