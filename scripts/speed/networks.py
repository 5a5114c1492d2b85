"""What is prepared before anything is timed: ultralytics' network, and the boxes it is given."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge.vocabulary import FloatArray
from speed import library
from speed.clips import BUNDLED, FOLDER
from speed.job import Job
from speed.made_clips import read
from speed.stages import Stopwatch

Given = Sequence[FloatArray]
"""For each used picture (N, 6): corners in pixels, score, class 0."""
YAML = "yolo11n.yaml"
_PICTURES, _EVERY = 8, 90


def yolo_path(version: str, suffix: str) -> Path:
    """Return where the network without real weights is kept, by ultralytics' version."""
    return FOLDER / f"yolo11n-random-{version}{suffix}"


def yolo(path: str | Path) -> Any:
    """Open a network with ultralytics, which then reports nothing to anybody."""
    from ultralytics import YOLO, settings  # noqa: PLC0415 - only beside the peers

    settings.update({"sync": False})
    return YOLO(path, task="detect")


def make_yolo(job: Job) -> None:
    """Build the network from its description, with random weights; save it and its export.

    Its normalisations are set to what they see on a few pictures. Left as they are, values
    would fade from layer to layer, and processors are slow at numbers next to zero.
    """
    import torch  # noqa: PLC0415 - only beside the peers

    torch.manual_seed(1)
    model = yolo(YAML)
    for layer in model.model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None
    pictures = [p for i, p in enumerate(read(BUNDLED)) if i % _EVERY == 0][:_PICTURES]
    tensors = [np.ascontiguousarray(p[:, :, ::-1].transpose(2, 0, 1)) for p in pictures]
    model.model.train()
    with torch.no_grad():
        model.model(torch.from_numpy(np.stack(tensors)).float() / 255)
    model.model.eval()
    path = Path(job.network).with_suffix(".pt")
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path)
    yolo(path).export(format="onnx", imgsz=640, device="cpu")


def export_yolo(job: Job) -> None:
    """Export real weights."""
    yolo(job.network).export(format="onnx", imgsz=640, device="cpu")


def given_path(job: Job, net: library.Network) -> Path:
    """Return where the boxes of a network in a clip are kept."""
    parts = (job.clip.path, job.fps, net.name, net.floor, net.path.stat().st_size)
    return (
        FOLDER
        / f"given-{job.clip.name}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:12]}.npz"
    )


def make_given(job: Job) -> None:
    """Look at every used picture with the fp32 network and keep the boxes."""
    net = next(each for each in library.NETWORKS if each.name == job.network)
    watch = Stopwatch()
    detector = library.Detector(net, job.threads, watch)
    rows = []
    for _, picture in library.pictures(job, watch):
        boxes, scores = detector.detect(picture)
        best = np.argsort(-scores, kind="stable")
        rows.append(np.column_stack([boxes[best], scores[best], np.zeros(len(best))]))
    ends = np.cumsum([len(r) for r in rows])
    path = Path(job.given)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, rows=np.concatenate(rows).astype(np.float32), ends=ends)


def read_given(path: str) -> Given:
    """Read what `make_given` wrote."""
    with np.load(path) as file:
        return np.split(file["rows"], file["ends"][:-1])


TASKS: dict[str, Callable[[Job], None]] = {
    "make-yolo": make_yolo,
    "export-yolo": export_yolo,
    "make-given": make_given,
}
