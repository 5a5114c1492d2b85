"""ultralytics' `model.track` on a clip, through torch or ONNX Runtime, counted by LineZone.

Unless weights are given, the network has random ones: it costs the same, but its boxes
mean nothing. Then its own postprocessing runs on what it says, and its tracker gets the
boxes of another network for that picture instead, made beforehand and not counted.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnxruntime
from accuracy.peer_rules import rule_of
from accuracy.peer_types import Tracked

from edge.vocabulary import Crossing
from speed.job import Job, used_frames
from speed.library import PEER, footage_of
from speed.meter import Meter
from speed.networks import Given, read_given, yolo
from speed.stages import Stopwatch

SIDE = 640


def run(job: Job, meter: Meter, stopwatch: Stopwatch) -> list[Crossing]:
    """Count the clip."""
    _limit_sessions(job.threads)
    import torch  # noqa: PLC0415 - only beside the peers

    model = yolo(job.network)
    model.add_callback("on_predict_start", lambda _: torch.set_num_threads(job.threads))
    used = _used(job)
    _time_loader(stopwatch, used)
    rule = rule_of(PEER, PEER.defaults, footage_of(job.clip, job.fps))
    counted: list[Crossing] = []
    results = model.track(
        source=job.clip.path,
        stream=True,
        persist=True,
        classes=[0],
        imgsz=SIDE,
        device="cpu",
        verbose=False,
        tracker="bytetrack.yaml",
        predictor=_predictor(stopwatch, read_given(job.given) if job.given else None),
    )
    for index, result in zip(used, results, strict=False):
        with stopwatch.time("count"):
            counted += rule(_tracked(index / job.clip.fps, result.boxes))
        if meter.tick(index):
            stopwatch.clear()
    if torch.get_num_threads() != job.threads:
        raise RuntimeError(f"torch used {torch.get_num_threads()} threads, not {job.threads}")
    return counted


def _tracked(at: float, boxes: Any) -> Tracked:
    if boxes.id is None:
        return Tracked(at, np.zeros((0, 4)), np.zeros(0, np.int64))
    return Tracked(at, boxes.xyxy.numpy().astype(np.float64), boxes.id.numpy().astype(np.int64))


def _used(job: Job) -> list[int]:
    import cv2  # noqa: PLC0415

    capture = cv2.VideoCapture(job.clip.path)
    length = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()
    return used_frames(length, job.clip.fps, job.fps)


def _limit_sessions(threads: int) -> None:
    """Give every session the wanted threads; ultralytics leaves them to ONNX Runtime."""
    plain = onnxruntime.InferenceSession

    def limited(model: Any, sess_options: Any = None, **kwargs: Any) -> Any:
        options = sess_options or onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        return plain(model, options, **kwargs)

    onnxruntime.InferenceSession = limited


def _time_loader(stopwatch: Stopwatch, used: list[int]) -> None:
    """Time the reading of pictures, and have it grab past those that are not due."""
    from ultralytics.data.loaders import LoadImagesAndVideos  # noqa: PLC0415

    steps: Iterator[int] = iter(np.diff([-1, *used]).tolist())
    plain = LoadImagesAndVideos.__next__

    def timed(loader: Any) -> Any:
        loader.vid_stride = next(steps, 1)
        with stopwatch.time("decode"):
            return plain(loader)

    LoadImagesAndVideos.__next__ = timed


def _predictor(stopwatch: Stopwatch, given: Given | None) -> type:
    import torch  # noqa: PLC0415
    from ultralytics.models.yolo.detect import DetectionPredictor  # noqa: PLC0415
    from ultralytics.trackers.byte_tracker import BYTETracker  # noqa: PLC0415

    stopwatch.wrap(BYTETracker, "update", "track")

    class Timed(DetectionPredictor):
        """The library's own predictor, timed; other boxes go to its tracker."""

        def preprocess(self, im: Any) -> Any:
            with stopwatch.time("preprocess"):
                return super().preprocess(im)

        def inference(self, im: Any, *args: Any, **kwargs: Any) -> Any:
            with stopwatch.time("inference"):
                return super().inference(im, *args, **kwargs)

        def postprocess(self, *args: Any, **kwargs: Any) -> Any:
            with stopwatch.time("outputs"):
                results = super().postprocess(*args, **kwargs)
            if given is not None:
                results[0].update(boxes=torch.from_numpy(given[self.seen]))
            return results

    return Timed
