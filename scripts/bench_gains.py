"""What gate, region and INT8 each bring, and what each changes in the counts, clip by clip.

    scripts/bench gains [--fps 8] [--json]

Each is switched by itself against the product as it is without a `person_height`: gate on,
everything looked at, INT8. The region needs one: for each line it is the median height of the
labelled people who stand within a height of it, and each line is counted by itself, as in a
lobby with one door. Cost is processor time of the detector per picture, one thread.

`dimmed` asks the hardest of the gate: contrast 0.4, and noise of 3 grey levels on every pixel.
The clip without labels is compared with what is counted on it without the gate. So are, on
every clip, twelve short lines with a region each (`doors`): on a busy square nothing is still
for long, at a door that is a tenth of the picture it often is.
"""

import argparse
import hashlib
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from accuracy.clips import SHARED, Clip, known, labels_of, lines_of, truth_of
from rich.console import Console
from rich.table import Table

from edge.adapters.camera_opencv import ClipSource
from edge.adapters.detector_gated import GatedDetector
from edge.adapters.detector_onnx import OnnxDetector
from edge.adapters.model_catalog import ModelEntry, load_catalog
from edge.config_drawings import LineSection
from edge.counting import Counter
from edge.gating import Gate
from edge.ports import Detector
from edge.regions import EVERYTHING, Interest
from edge.scoring import LineScore, Truth, overall, score
from edge.tracking import Tracker, TrackerSettings
from edge.vocabulary import Crossing, Detections, Frame, Image, Line

ROOT = Path(__file__).resolve().parent.parent
FP32 = ROOT / "models" / "recipes" / ".work" / "nanodet-g-416-fp32.onnx"
QUIET = SHARED / "one-by-one" / "one-by-one-person-detection.mp4"
QUIET_LINES = 9
DOOR, DOOR_HEIGHT = 0.1, 0.08
MATCH_S = 0.6
DIM, NOISE = 0.4, 3.0

Row = dict[str, Any]
Change = Callable[[Image, int], Image]


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to run the detector."""

    name: str
    gate: bool = True
    region: bool = False
    fp32: bool = False
    dimmed: bool = False


VARIANTS = (
    Variant("product"),
    Variant("gate off", gate=False),
    Variant("region on", region=True),
    Variant("INT8 off", fp32=True),
    Variant("dimmed", dimmed=True),
    Variant("dimmed, gate off", gate=False, dimmed=True),
)


class Timed:
    """A detector and the processor time it takes."""

    def __init__(self, inner: Detector) -> None:
        self._inner, self.seconds, self.pictures = inner, 0.0, 0

    def detect(self, frame: Frame) -> Detections:
        began = time.process_time()
        found = self._inner.detect(frame)
        self.seconds += time.process_time() - began
        self.pictures += 1
        return found

    def attend(self, interest: Interest) -> None:
        self._inner.attend(interest)

    def forget(self) -> None:
        self._inner.forget()


@dataclass(slots=True)
class Run:
    """What one pass over a clip gave."""

    crossings: list[Crossing]
    pictures: int
    seconds: float
    looked: int


def main() -> None:
    options = _options()
    cv2.setNumThreads(1)
    clips = [clip for clip in known() if clip.pictures and clip.pictures.exists()]
    rows: list[Row] = []
    for clip in clips:
        rows += _labelled(clip, options.fps)
        rows += _doors(clip.name, clip.pictures or Path(), options.fps)
        print(f"{clip.name} done", file=sys.stderr)
    if QUIET.exists():
        rows += _unlabelled(QUIET, options.fps)
        rows += _doors(QUIET.stem, QUIET, options.fps)
    if not rows:
        raise SystemExit("There are no clips with pictures in ../shared/data.")
    print(json.dumps(rows)) if options.json else Console().print(_table(rows, options.fps))


def _labelled(clip: Clip, fps: float) -> Iterator[Row]:
    lines = lines_of(clip)
    truth = truth_of(clip, lines)
    for variant in VARIANTS:
        if variant.fp32 and not FP32.exists():
            print(f"INT8 off: run models/recipes/nanodet_g.py first ({FP32})", file=sys.stderr)
            continue
        runs, scores = [], []
        # By itself each line has a region of its own; without one, all are counted in one pass.
        for some in [[line] for line in lines] if variant.region else [lines]:
            tall = _height_at(clip, some[0]) if variant.region else None
            run = _run(clip.pictures or Path(), fps, some, variant, tall)
            runs.append(run)
            scores += _scores(truth, run.crossings, some)
        yield _row(clip.name, variant, runs, scores)


def _unlabelled(path: Path, fps: float) -> Iterator[Row]:
    lines = [
        _line(f"{way}{n}", n / (QUIET_LINES + 1), way)
        for n in range(1, QUIET_LINES + 1)
        for way in "vh"
    ]
    for name, dimmed in (("lines", False), ("lines, dimmed", True)):
        plain = _run(path, fps, lines, Variant("", gate=False, dimmed=dimmed), None)
        gated = _run(path, fps, lines, Variant("", dimmed=dimmed), None)
        yield from _compared(path.stem, name, [plain], [gated])


def _doors(clip: str, path: Path, fps: float) -> Iterator[Row]:
    places = list(product((0.2, 0.4, 0.6, 0.8), (0.4, 0.6, 0.8)))
    plain, gated = [], []
    for number, (x, y) in enumerate(places):
        ends = [[x, y - DOOR / 2], [x, y + DOOR / 2]]
        section = {"id": f"door-{number}", "points": ends, "in": "right"}
        lines = [LineSection.model_validate(section).line()]
        plain.append(_run(path, fps, lines, Variant("", gate=False, region=True), DOOR_HEIGHT))
        gated.append(_run(path, fps, lines, Variant("", region=True), DOOR_HEIGHT))
    yield from _compared(clip, "doors", plain, gated)


def _compared(clip: str, name: str, plain: Sequence[Run], gated: Sequence[Run]) -> Iterator[Row]:
    same = sum(
        _matched(one.crossings, other.crossings) for one, other in zip(plain, gated, strict=True)
    )
    for variant, runs in ((f"{name}, gate off", plain), (name, gated)):
        yield {
            "clip": clip, "variant": variant, **_cost(runs),
            "counted": sum(len(run.crossings) for run in runs), "same_as_without_gate": same,
        }  # fmt: skip


def _line(name: str, at: float, way: str) -> Line:
    ends = [[at, 0.0], [at, 1.0]] if way == "v" else [[0.0, at], [1.0, at]]
    section = {"id": name, "points": ends, "in": "right" if way == "v" else "down"}
    return LineSection.model_validate(section).line()


def _run(
    pictures: Path, fps: float, lines: Sequence[Line], variant: Variant, tall: float | None
) -> Run:
    catalog = load_catalog()
    entry = catalog.entry()
    inner: Detector = OnnxDetector(
        *((_as_fp32(entry), FP32) if variant.fp32 else (entry, catalog.path(entry)))
    )
    gate = Gate()
    timed = Timed(GatedDetector(inner, gate) if variant.gate else inner)
    points = [point for line in lines for point in line.points]
    timed.attend(Interest(points, tall) if tall else EVERYTHING)
    tracker = Tracker(TrackerSettings(sure_score=entry.sure_score), first_id=1)
    counter, crossings, at = Counter(lines), [], 0.0
    source = ClipSource(pictures, fps, speed="max")
    try:
        for frame in source.frames():
            seen = replace(frame, image=_dim(frame.image, frame.index)) if variant.dimmed else frame
            tracks = tracker.update(timed.detect(seen), at := seen.at)
            crossings += counter.update(tracks).live
    finally:
        source.close()
    crossings += counter.finish(at).live
    looked = gate.counts.looked if variant.gate else timed.pictures
    return Run(crossings, timed.pictures, timed.seconds, looked)


def _as_fp32(entry: ModelEntry) -> ModelEntry:
    content = FP32.read_bytes()
    return replace(entry, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def _dim(image: Image, index: int) -> Image:
    noise = np.random.default_rng(index).normal(0, NOISE, image.shape)
    return np.clip(image * DIM + noise, 0, 255).astype(np.uint8)


def _height_at(clip: Clip, line: Line) -> float:
    """Return the median height of the labelled people whose feet are within one of the line."""
    width, height = clip.size
    aspect = width / height
    ends = np.array(line.points, np.float64) * [aspect, 1.0]
    tall: list[float] = []
    for people in labels_of(clip):
        for x0, _, x1, y1, h in ((*box, box[3] - box[1]) for box in people.boxes.tolist()):
            feet = np.array([(x0 + x1) / 2 * aspect, y1])
            if min(_distance(feet, a, b) for a, b in pairwise(ends)) < h:
                tall.append(h)
    return statistics.median(tall)


def _distance(point: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    along = np.clip((point - a) @ (b - a) / max(1e-12, (b - a) @ (b - a)), 0, 1)
    return float(np.linalg.norm(point - a - along * (b - a)))


def _scores(truth: Truth, crossings: Sequence[Crossing], lines: Sequence[Line]) -> list[LineScore]:
    ids = {line.id for line in lines}
    part = replace(
        truth,
        certain=tuple(c for c in truth.certain if c.line in ids),
        doubtful=tuple(c for c in truth.doubtful if c.line in ids),
    )
    return score(part, crossings, sorted(ids))


def _matched(one: Sequence[Crossing], other: Sequence[Crossing]) -> int:
    left, same = list(other), 0
    for crossing in one:
        near = [
            c for c in left
            if (c.line, c.outcome) == (crossing.line, crossing.outcome)
            and abs(c.at - crossing.at) <= MATCH_S
        ]  # fmt: skip
        if near:
            left.remove(min(near, key=lambda c: abs(c.at - crossing.at)))
            same += 1
    return same


def _cost(runs: Sequence[Run]) -> Row:
    pictures = sum(run.pictures for run in runs)
    return {
        "cpu_ms_per_picture": round(1000 * sum(run.seconds for run in runs) / pictures, 2),
        "looked": round(sum(run.looked for run in runs) / pictures, 3),
    }


def _row(clip: str, variant: Variant, runs: Sequence[Run], scores: Sequence[LineScore]) -> Row:
    whole = overall(scores)
    return {
        "clip": clip, "variant": variant.name, **_cost(runs),
        "true": sum(s.true for s in scores), "counted": sum(s.counted for s in scores),
        "misses": sum(s.true - s.matched for s in scores),
        "false_counts": sum(s.counted - s.matched for s in scores), "f1": round(whole.f1, 3),
    }  # fmt: skip


def _table(rows: Sequence[Row], fps: float) -> Table:
    table = Table(title=f"{fps:g} pictures a second, one thread")
    columns = ("clip", "variant", "CPU ms", "looked", "true", "counted", "misses", "false", "F1")
    for name in columns:
        table.add_column(name, justify="left" if name in columns[:2] else "right")
    for row in rows:
        f1 = f"{row['f1']:.3f}" if "f1" in row else f"{row['same_as_without_gate']} the same"
        values = [row.get(name, "") for name in ("true", "counted", "misses", "false_counts")]
        table.add_row(
            row["clip"], row["variant"], f"{row['cpu_ms_per_picture']:.2f}",
            f"{row['looked']:.0%}", *map(str, values), f1,
        )  # fmt: skip
    return table


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fps", type=float, default=8.0)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
