"""The labelled clips of ../shared/data: where they are, how they run, which lines lie over them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from edge.assembly import configured_lines
from edge.config import load
from edge.config_drawings import LineSection
from edge.scoring import Truth, load_truth
from edge.vocabulary import FloatArray, Line

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
SHARED = ROOT.parent / "shared" / "data"
CACHE = ROOT / "out" / "bench"
LINES = DATA / "bench-lines.yaml"
PETS09_CONFIG = DATA / "pets09-eight-lines.yaml"


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled clip.

    texts: detections given as text, by detector.
    frames: how many are used, where the labels are not good to the end.
    """

    name: str
    fps: float
    size: tuple[int, int]
    labels: Path
    pictures: Path | None = None
    texts: Mapping[str, Path] = field(default_factory=dict)
    frames: int | None = None


def known(shared: Path = SHARED) -> list[Clip]:
    """Every clip whose labels are here.

    Frame rates are those of the data sets; the labels of the MOT15 clips come without
    a seqinfo, theirs are from the MOTChallenge pages. The auditorium's is that of the
    CAMPUS recordings; it is labelled up to frame 5090, and once more in frame 5457, where
    everybody has moved, so it ends with its detections.
    """
    full, tud = (1920, 1080), shared / "tud"
    mot15, mot17, pets = shared / "mot15-gt", shared / "mot17", shared / "pets09-s2l1"
    hall = shared / "auditorium-IP5"
    frcnn = "det_sort_frcnn.txt"
    clips = [
        Clip(
            "PETS09",
            10.0,
            (768, 576),
            pets / "gt.txt",
            pets / "vtest.avi",
            {"frcnn": pets / frcnn},
        ),
        *(
            Clip(
                name,
                25.0,
                (640, 480),
                tud / f"{name}.gt.txt",
                tud / f"{name}.mp4",
                {"frcnn": tud / f"{name}.{frcnn}"},
            )
            for name in ("TUD-Campus", "TUD-Stadtmitte")
        ),
        *(
            Clip(
                name,
                30.0,
                full,
                mot17 / name / "gt.txt",
                texts={"yolox": mot17 / name / "det.txt"},
            )
            for name in ("MOT17-02", "MOT17-09")
        ),
        Clip(
            "auditorium-IP5",
            30.0,
            full,
            hall / "gt.txt",
            texts={"yolov8n": hall / "det_yolov8n_c50.txt"},
            frames=5099,
        ),
        Clip(
            "Venice-2",
            30.0,
            full,
            mot15 / "Venice-2.gt.txt",
            texts={"frcnn": mot15 / f"Venice-2.{frcnn}"},
        ),
        Clip("ADL-Rundle-6", 30.0, full, mot15 / "ADL-Rundle-6.gt.txt"),
        Clip("KITTI-17", 10.0, (1224, 370), mot15 / "KITTI-17.gt.txt"),
    ]
    return [clip for clip in clips if clip.labels.exists()]


def lines_of(clip: Clip) -> list[Line]:
    """Return the committed lines of a clip."""
    if clip.name == "PETS09":
        return configured_lines(load(PETS09_CONFIG))
    document = YAML(typ="safe").load(LINES.read_text(encoding="utf-8"))
    return [LineSection.model_validate(line).line() for line in document[clip.name]]


def truth_of(clip: Clip, lines: Sequence[Line]) -> Truth:
    """Return the true crossings of the lines, by the rule of edge.scoring."""
    truth = load_truth(clip.labels, lines, clip.fps, clip.size)
    return truth if clip.frames is None else until(truth, (clip.frames - 1) / clip.fps)


def until(truth: Truth, end_s: float) -> Truth:
    """Leave out what happened after the moment."""
    certain, doubtful = (
        tuple(c for c in pool if c.at <= end_s) for pool in (truth.certain, truth.doubtful)
    )
    return Truth(certain, doubtful)


def read_rows(path: Path) -> list[list[float]]:
    """Read MOT text: frame, id, left, top, width, height, score or flag."""
    text = path.read_text(encoding="utf-8")
    return [[float(v) for v in row.split(",")[:7]] for row in text.split()]


@dataclass(frozen=True, slots=True)
class Labels:
    """The people of one frame: ids (N,), boxes (N, 4) normalised, not clipped."""

    ids: FloatArray
    boxes: FloatArray


def labels_of(clip: Clip) -> list[Labels]:
    """Return the labelled people frame by frame, from frame 0."""
    rows = [r for r in read_rows(clip.labels) if r[6] != 0]
    return _by_frame(rows, clip.size)[: clip.frames]


def _by_frame(rows: Sequence[Sequence[float]], size: tuple[int, int]) -> list[Labels]:
    frames: dict[int, list[Sequence[float]]] = defaultdict(list)
    for row in rows:
        frames[int(row[0]) - 1].append(row)
    return [_labels(frames.get(i, []), size) for i in range(max(frames) + 1)]


def _labels(rows: Sequence[Sequence[float]], size: tuple[int, int]) -> Labels:
    table = np.array(rows, np.float64).reshape(-1, 7)
    corners = np.concatenate([table[:, 2:4], table[:, 2:4] + table[:, 4:6]], axis=1)
    boxes = corners / np.array([*size, *size], np.float64)
    return Labels(table[:, 1].astype(np.float32), boxes.astype(np.float32))
