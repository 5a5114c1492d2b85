"""What is fed to every system: detections of one clip by one detector, at a frame rate.

The detector's name says where they are from: a model of the catalog (run once over the
pictures, kept under out/bench by its hash), a text file beside the labels, `labels` (the
true boxes), or one of the harms of `degrade`.

`sure_score` is the product's only setting that depends on the detector ("from here on at
least half of the detections are people"). Rule: a catalog model has the catalog's; the
labels and their harms have the tracker's default; a public text detector has the lowest
tenth from which on, on the *other* clips of that detector, at least half of every tenth's
detections are a labelled person (IoU 0.5, each person once); with fewer than two other
clips there is nothing to read it from, and it has the default.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from accuracy.clips import CACHE, Clip, labels_of, lines_of, read_rows, truth_of, until
from accuracy.degrade import HARMS, LABEL_SCORE, degrade
from edge.adapters.camera_opencv import ClipSource
from edge.adapters.detector_onnx import OnnxDetector
from edge.adapters.model_catalog import load_catalog
from edge.scoring import Truth
from edge.tracking import TrackerSettings
from edge.vocabulary import Detections, FloatArray, Line

LABELS = "labels"
WEAKEST = 0.10
"""Text detections below are dropped for all: ByteTrack's own floor, YOLOX goes down to 0.01."""
HARMED_S = 60.0
"""Of a longer clip only the beginning is degraded, nine times over."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The detections of one used frame, `at` seconds on the clip's own time base."""

    at: float
    detections: Detections


@dataclass(slots=True)
class Footage:
    """One clip as one detector sees it at one frame rate, with its lines and their truth."""

    clip: str
    detector: str
    fps: float
    size: tuple[int, int]
    lines: Sequence[Line]
    truth: Truth
    samples: Sequence[Sample]
    sure_score: float
    _digest: str = field(default="", repr=False)

    @property
    def kind(self) -> str:
        """Which of the three parts of the report it belongs to."""
        return kind_of(self.detector)

    @property
    def digest(self) -> str:
        """Hash of what a system is given, and of the truth."""
        if not self._digest:
            lines = [(line.id, line.points, line.entry) for line in self.lines]
            sha = hashlib.sha256(repr((float(self.fps), self.size, lines)).encode())
            for pool in (self.truth.certain, self.truth.doubtful):
                sha.update(repr([(c.line, str(c.outcome), c.at) for c in pool]).encode())
            for sample in self.samples:
                sha.update(repr((sample.at, len(sample.detections))).encode())
                sha.update(sample.detections.boxes.tobytes())
                sha.update(sample.detections.scores.tobytes())
            self._digest = sha.hexdigest()[:16]
        return self._digest


def kind_of(detector: str) -> str:
    """Which of the three parts of the report these detections belong to."""
    if detector == LABELS:
        return "true boxes"
    return "degraded" if detector in HARMS else "real detectors"


def chosen_frames(count: int, clip_fps: float, fps: float) -> list[int]:
    """Return the frames nearest to the ticks of the wanted rate; all of them where it is higher."""
    if fps >= clip_fps:
        return list(range(count))
    ticks = np.arange(0, int(count / clip_fps * fps) + 1) / fps
    nearest = np.floor(ticks * clip_fps + 0.5).astype(int)
    return [int(i) for i in nearest if i < count]


def sampled(every: Sequence[Detections], clip_fps: float, fps: float) -> list[Sample]:
    """Keep the frames of the wanted rate, with the clip's own times."""
    return [Sample(i / clip_fps, every[i]) for i in chosen_frames(len(every), clip_fps, fps)]


def detectors_of(clip: Clip, model: str) -> list[str]:
    """Name every kind of detections there is for a clip."""
    seen = [model] if clip.pictures and clip.pictures.exists() else []
    seen += [name for name, path in clip.texts.items() if path.exists()]
    return [*seen, LABELS, *HARMS]


def footage(
    clip: Clip, detector: str, fps: float, others: Sequence[Clip] = (), *, strict: bool = False
) -> Footage:
    """Prepare a clip; `others` are the clips that a text detector's sure score is read from.

    strict: take what is doubtful in the truth for certain.
    """
    lines = lines_of(clip)
    truth = truth_of(clip, lines)
    truth = truth.strict() if strict else truth
    if detector in HARMS:
        samples = _harmed(clip, detector, fps)
        truth = until(truth, samples[-1].at)
        sure = TrackerSettings().sure_score
    elif detector == LABELS:
        samples = sampled(_true_boxes(clip), clip.fps, fps)
        sure = TrackerSettings().sure_score
    elif detector in clip.texts:
        samples = sampled(from_text(clip.texts[detector], clip), clip.fps, fps)
        sure = sure_score([c for c in others if c.name != clip.name], detector)
    else:
        every, sure = by_model(clip, detector)
        samples = sampled(every, clip.fps, fps)
    return Footage(clip.name, detector, fps, clip.size, lines, truth, samples, sure)


def by_model(clip: Clip, model: str) -> tuple[list[Detections], float]:
    """Return what a model of the catalog sees in every picture, and its sure score."""
    return from_model(clip, model), load_catalog().entry(model).sure_score


def _true_boxes(clip: Clip) -> list[Detections]:
    aspect = clip.size[0] / clip.size[1]
    return [
        Detections(people.boxes, np.full(len(people.boxes), LABEL_SCORE, np.float32), aspect)
        for people in labels_of(clip)
    ]


def _harmed(clip: Clip, harm: str, fps: float) -> list[Sample]:
    """Return the labels after a harm, which strikes the used frames only."""
    labels = labels_of(clip)[: int(HARMED_S * clip.fps)]
    used = chosen_frames(len(labels), clip.fps, fps)
    width, height = clip.size
    seed = f"{clip.name} {harm} {fps:g}"
    rate = min(fps, clip.fps)
    seen = degrade([labels[i] for i in used], rate, width / height, HARMS[harm], seed)
    return [Sample(i / clip.fps, d) for i, d in zip(used, seen, strict=True)]


def from_text(path: Path, clip: Clip) -> list[Detections]:
    """Read MOT detections, one entry for each frame of the clip, best first."""
    rows = [r for r in read_rows(path) if r[6] >= WEAKEST]
    length = max(len(labels_of(clip)), *(int(r[0]) for r in rows))
    frames: list[list[list[float]]] = [[] for _ in range(length)]
    for row in rows:
        frames[int(row[0]) - 1].append(row)
    width, height = clip.size
    ranked = [sorted(f, key=lambda r: -r[6]) for f in frames[: clip.frames]]
    return [_from_rows(f, width, height) for f in ranked]


def _from_rows(rows: list[list[float]], width: int, height: int) -> Detections:
    table = np.array(rows, np.float64).reshape(len(rows), 7)
    corners = np.concatenate([table[:, 2:4], table[:, 2:4] + table[:, 4:6]], axis=1)
    boxes = np.clip(corners / [width, height, width, height], 0.0, 1.0).astype(np.float32)
    inside = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    return Detections(boxes[inside], table[inside, 6].astype(np.float32), width / height)


def from_model(clip: Clip, model: str) -> list[Detections]:
    """Run a model of the catalog over every picture, or take what it said the last time."""
    catalog = load_catalog()
    entry = catalog.entry(model)
    if clip.pictures is None:
        raise ValueError(f"{clip.name} has no pictures")
    kept = CACHE / f"detections-{clip.name}-{entry.hash}-{entry.score_floor:g}.npz"
    aspect = clip.size[0] / clip.size[1]
    if kept.exists():
        with np.load(kept) as file:
            boxes, scores, ends = file["boxes"], file["scores"], file["ends"]
    else:
        found = _run_model(clip.pictures, clip.fps, OnnxDetector(entry, catalog.path(entry)))
        boxes = np.concatenate([d.boxes for d in found])
        scores = np.concatenate([d.scores for d in found])
        ends = np.cumsum([len(d) for d in found])
        CACHE.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(kept, boxes=boxes, scores=scores, ends=ends)
    pieces = zip(np.split(boxes, ends[:-1]), np.split(scores, ends[:-1]), strict=True)
    return [Detections(b, s, aspect) for b, s in pieces]


def _run_model(pictures: Path, fps: float, detector: OnnxDetector) -> list[Detections]:
    source = ClipSource(pictures, fps, speed="max")
    try:
        return [detector.detect(frame) for frame in source.frames()]
    finally:
        source.close()


def sure_score(clips: Sequence[Clip], detector: str) -> float:
    """Read a text detector's sure score off labelled clips, by the rule above."""
    hits, total = np.zeros(10), np.zeros(10)
    labelled = [clip for clip in clips if detector in clip.texts]
    if len(labelled) < 2:
        return TrackerSettings().sure_score
    for clip in labelled:
        for found, labels in zip(
            from_text(clip.texts[detector], clip), labels_of(clip), strict=False
        ):
            tenths = np.minimum((found.scores * 10).astype(int), 9)
            total += np.bincount(tenths, minlength=10)
            hits += np.bincount(tenths[_right(found, labels.boxes)], minlength=10)
    doubtful = np.flatnonzero((hits < total / 2) & (total > 0))
    return float(doubtful[-1] + 1) / 10 if len(doubtful) else WEAKEST


def _right(found: Detections, people: FloatArray) -> list[int]:
    """Which detections are somebody, each person once, best detection first (IoU 0.5)."""
    overlap = iou(found.boxes, people)
    right = []
    for i in np.argsort(-found.scores, kind="stable"):
        if len(people) and overlap[i].max() >= 0.5:
            overlap[:, overlap[i].argmax()] = 0.0
            right.append(int(i))
    return right


def iou(a: FloatArray, b: FloatArray) -> FloatArray:
    """Intersection over union of (N, 4) and (M, 4) normalised boxes of one picture."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0.0, None), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (a, b)]
    return np.asarray(shared / np.maximum(areas[0][:, None] + areas[1] - shared, 1e-12))
