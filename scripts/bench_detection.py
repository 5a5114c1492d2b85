#!/usr/bin/env python3
"""Average precision and speed of the detectors on a clip with ground truth, side by side.

Every model sees each frame in turn, so that all of them meet the same load on
the machine; times are of one thread and of the whole `detect` call. Precision
is averaged over all points of the curve, at an intersection over union of 0.5.
"""

import argparse
import dataclasses
import hashlib
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from edge.adapters.detector_onnx import OnnxDetector
from edge.adapters.model_catalog import load_catalog
from edge.adapters.model_entry import ModelEntry
from edge.errors import LobbyCountError
from edge.vocabulary import Detections, FloatArray, Frame

ROOT = Path(__file__).resolve().parents[1]
CLIP = ROOT.parent / "shared/data/pets09-s2l1/vtest.avi"
TRUTH = ROOT.parent / "shared/data/pets09-s2l1/gt.txt"
FP32 = ROOT / "models/recipes/.work/nanodet-g-416-fp32.onnx"
YOLOX = ROOT.parent / "shared/models/yolox_nano.onnx"
MIN_IOU = 0.5


@dataclasses.dataclass(frozen=True)
class Truth:
    """The people of one frame: boxes (N, 4) in pixels, and which of them to ignore."""

    boxes: FloatArray
    ignored: np.ndarray


@dataclasses.dataclass
class Score:
    """What one model did: per detection its score and whether it hit, and the times."""

    scores: list[float] = dataclasses.field(default_factory=list)
    hits: list[bool] = dataclasses.field(default_factory=list)
    seconds: list[float] = dataclasses.field(default_factory=list)


def read_truth(path: Path) -> dict[int, Truth]:
    """Read a MOT file: frame from 1, id, left, top, width, height, flag (0 = ignore)."""
    rows = defaultdict(list)
    for line in path.read_text("ascii").splitlines():
        values = [float(value) for value in line.split(",")]
        rows[int(values[0])].append(values[2:7])
    truths = {}
    for frame, found in rows.items():
        table = np.array(found, np.float32)
        boxes = np.concatenate([table[:, :2], table[:, :2] + table[:, 2:4]], axis=1)
        truths[frame] = Truth(boxes, table[:, 4] == 0)
    return truths


def read_frames(path: Path, limit: int | None) -> Iterator[Frame]:
    """Yield the clip's frames, numbered from 0."""
    capture = cv2.VideoCapture(str(path))
    rate = capture.get(cv2.CAP_PROP_FPS) or 10.0
    index = 0
    while limit is None or index < limit:
        read, image = capture.read()
        if not read:
            break
        yield Frame(index / rate, index, image)
        index += 1
    capture.release()
    if not index:
        raise SystemExit(f"No frame could be read from {path}.")


def match(found: Detections, size: tuple[int, int], truth: Truth) -> list[bool | None]:
    """Say for each detection whether it hit; None for one on an ignored person.

    Better detections choose first, each the free person it overlaps most.
    """
    boxes = found.boxes * np.array(size * 2, np.float32)
    free = np.ones(len(truth.boxes), bool)
    hits: list[bool | None] = [False] * len(found)
    for index in np.argsort(-found.scores, kind="stable"):
        overlaps = np.where(free, _overlaps(boxes[index], truth.boxes), 0)
        best = int(overlaps.argmax())
        if overlaps[best] >= MIN_IOU:
            hits[index] = None if truth.ignored[best] else True
            free[best] = bool(truth.ignored[best])
    return hits


def _overlaps(box: FloatArray, others: FloatArray) -> FloatArray:
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    return shared / (np.prod(box[2:] - box[:2]) + areas - shared)


def average_precision(score: Score, people: int) -> float:
    """Return the area under the precision-recall curve, all points, made monotonic."""
    order = np.argsort(-np.array(score.scores), kind="stable")
    hits = np.array(score.hits, bool)[order]
    true = np.cumsum(hits)
    precision = true / np.arange(1, len(hits) + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float((best_from_here * hits).sum() / people)


def run(
    detectors: dict[str, OnnxDetector], clip: Path, truths: dict[int, Truth], limit: int | None
) -> tuple[dict[str, Score], int]:
    """Show every frame to every detector; return their scores and how many people there were."""
    results = {name: Score() for name in detectors}
    people = 0
    nobody = Truth(np.zeros((1, 4), np.float32), np.zeros(1, bool))
    for frame in read_frames(clip, limit):
        height, width = frame.image.shape[:2]
        truth = truths.get(frame.index + 1, nobody)
        people += 0 if truth is nobody else int((~truth.ignored).sum())
        for name, detector in detectors.items():
            begin = time.perf_counter()
            found = detector.detect(frame)
            results[name].seconds.append(time.perf_counter() - begin)
            for value, hit in zip(found.scores, match(found, (width, height), truth), strict=True):
                if hit is not None:
                    results[name].scores.append(float(value))
                    results[name].hits.append(hit)
    return results, people


def models_to_compare(named: list[Path]) -> dict[str, tuple[ModelEntry, Path]]:
    """Return the shipped model and, where present, its fp32 origin and YOLOX-nano."""
    catalog = load_catalog()
    shipped = catalog.entry()
    chosen = {shipped.name: (shipped, catalog.path(shipped))}
    for path in (*named, *([FP32] if FP32.exists() else [])):
        chosen[path.stem] = (_entry_for(shipped, path), path)
    if not FP32.exists():
        print("fp32 is left out: build it with models/recipes/nanodet_g.py", file=sys.stderr)
    if YOLOX.exists():
        chosen["yolox-nano-416"] = (catalog.entry("yolox-nano-416"), YOLOX)
    return chosen


def _entry_for(like: ModelEntry, path: Path) -> ModelEntry:
    """Describe another file of the same network, whatever its hash."""
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return dataclasses.replace(
        like, name=path.stem, file=path.name, bytes=len(content), sha256=digest
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=Path, default=CLIP)
    parser.add_argument("--truth", type=Path, default=TRUTH, help="MOT gt.txt of the clip")
    parser.add_argument(
        "--model", type=Path, action="append", default=[], help="another NanoDet-g 416 file"
    )
    parser.add_argument("--floor", type=float, default=0.05, help="score floor, default 0.05")
    parser.add_argument("--frames", type=int, help="stop after so many frames")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    options = parser.parse_args()

    cv2.setNumThreads(options.threads)
    detectors = {
        name: OnnxDetector(entry, path, options.threads, options.floor)
        for name, (entry, path) in models_to_compare(options.model).items()
    }
    results, people = run(detectors, options.clip, read_truth(options.truth), options.frames)
    slowest = max(float(np.median(score.seconds)) for score in results.values())
    rows = [
        {
            "model": name,
            "ap50": round(average_precision(score, people), 4),
            "ms_median": round(float(np.median(score.seconds)) * 1000, 2),
            "times_faster_than_slowest": round(slowest / float(np.median(score.seconds)), 2),
        }
        for name, score in results.items()
    ]
    if options.json:
        print(json.dumps({"clip": options.clip.name, "people": people, "models": rows}))
        return
    print(f"{options.clip.name}: {people} people in truth, {options.threads} thread(s)")
    for row in rows:
        print(
            f"{row['model']:32} AP50 {row['ap50']:.4f}  {row['ms_median']:7.2f} ms/frame  "
            f"{row['times_faster_than_slowest']:.2f}× the slowest"
        )


if __name__ == "__main__":
    try:
        main()
    except LobbyCountError as problem:
        print(problem, file=sys.stderr)
        sys.exit(problem.exit_code)
