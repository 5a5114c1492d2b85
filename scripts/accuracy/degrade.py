"""Labelled boxes made worse on purpose, to see how much a system can bear. Seeded by name.

miss10 … miss40   each box is missing with that probability, in every frame anew
burst20           a fifth of the boxes is missing, in runs of half a second on average
jitter05, 10      every side moves by a normal error of 5, 10 % of the width or height
false             one false box a frame on average, person-sized, anywhere, living 1–3 frames
mixed             miss20, jitter05 and false together
"""

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from accuracy.clips import Labels
from edge.vocabulary import Detections, FloatArray

LABEL_SCORE = 0.95
PERSON_SCORES = (0.35, 0.95)
FALSE_SCORES = (0.20, 0.65)


@dataclass(frozen=True, slots=True)
class Harm:
    """What is done to the labels.

    miss: share of boxes left out, in runs of `run_s` seconds on average (0: independent).
    jitter: standard deviation of a side, as a share of the box's width or height.
    false_boxes: mean number in a frame; people then get scores that overlap with theirs.
    """

    miss: float = 0.0
    run_s: float = 0.0
    jitter: float = 0.0
    false_boxes: float = 0.0


HARMS = {
    "miss10": Harm(miss=0.1),
    "miss20": Harm(miss=0.2),
    "miss30": Harm(miss=0.3),
    "miss40": Harm(miss=0.4),
    "burst20": Harm(miss=0.2, run_s=0.5),
    "jitter05": Harm(jitter=0.05),
    "jitter10": Harm(jitter=0.10),
    "false": Harm(false_boxes=1.0),
    "mixed": Harm(miss=0.2, jitter=0.05, false_boxes=1.0),
}


def degrade(
    frames: Sequence[Labels], fps: float, aspect: float, harm: Harm, seed: str
) -> list[Detections]:
    """Return the labels as detections after the harm; the same for the same seed."""
    chance = np.random.default_rng(crc32(seed.encode()))
    absent: dict[int, bool] = {}
    ghosts: list[tuple[FloatArray, float, int]] = []
    result = []
    for frame in frames:
        seen = np.array([not _missing(int(i), absent, harm, fps, chance) for i in frame.ids], bool)
        boxes = _jittered(frame.boxes[seen], harm.jitter, chance)
        scores = np.full(len(boxes), LABEL_SCORE)
        if harm.false_boxes:
            scores = chance.uniform(*PERSON_SCORES, len(boxes))
            ghosts = [(box, score, left - 1) for box, score, left in ghosts if left > 1]
            ghosts += _ghosts(frame.boxes, harm.false_boxes / 2, chance)
            boxes = np.concatenate([boxes, *(box[None] for box, _, _ in ghosts)])
            scores = np.concatenate([scores, [score for _, score, _ in ghosts]])
        result.append(Detections(boxes, scores.astype(np.float32), aspect))
    return result


def _missing(
    person: int, absent: dict[int, bool], harm: Harm, fps: float, chance: np.random.Generator
) -> bool:
    """Decide for one box: a two-state chain with the wanted share and mean run."""
    if not harm.run_s or person not in absent:
        gone = bool(chance.random() < harm.miss)
    elif absent[person]:
        gone = bool(chance.random() >= 1 / (harm.run_s * fps))
    else:
        gone = bool(chance.random() < harm.miss / (1 - harm.miss) / (harm.run_s * fps))
    absent[person] = gone
    return gone


def _jittered(boxes: FloatArray, jitter: float, chance: np.random.Generator) -> FloatArray:
    if not jitter:
        return boxes
    size = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    moved = boxes + chance.normal(0.0, jitter, boxes.shape) * size
    low, high = np.minimum(moved[:, :2], moved[:, 2:]), np.maximum(moved[:, :2], moved[:, 2:])
    return np.concatenate([low, high], axis=1).astype(np.float32)


def _ghosts(
    boxes: FloatArray, rate: float, chance: np.random.Generator
) -> list[tuple[FloatArray, float, int]]:
    """New false boxes of one frame, person-sized; they live two frames on average."""
    if not len(boxes):
        return []
    found = []
    for _ in range(int(chance.poisson(rate))):
        like = boxes[int(chance.integers(len(boxes)))]
        size = like[2:] - like[:2]
        low = chance.random(2) * np.maximum(1.0 - size, 0.0)
        box = np.concatenate([low, low + size]).astype(np.float32)
        found.append((box, float(chance.uniform(*FALSE_SCORES)), int(chance.integers(1, 4))))
    return found
