"""The product's pipe: `edge.replay` joins the same stages as the service does on a device.

Pictures are decoded in the camera process, masks and all; what it uses is in the sum.
"""

import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import onnxruntime

from edge.adapters.detector_onnx import OnnxDetector
from edge.counting import Counter
from edge.replay import ReplayOptions, replay
from edge.tracking import Tracker
from edge.vocabulary import Crossing
from speed.job import Job
from speed.meter import Meter
from speed.stages import Stopwatch


def run(job: Job, meter: Meter, stopwatch: Stopwatch) -> list[Crossing]:
    """Count the clip with the product's defaults, every picture that is due."""
    _time_detector(stopwatch)
    stopwatch.wrap(Tracker, "update", "track")
    stopwatch.wrap(Counter, "update", "count")

    def on_frame(index: int, _total: int | None) -> None:
        if meter.tick(index):
            stopwatch.clear()

    config = job.clip.config(job.fps, job.threads)
    return replay(config, Path(job.clip.path), ReplayOptions(), on_frame).live


def _time_detector(stopwatch: Stopwatch) -> None:
    """Split what the detector uses at the network's run; without one it is all `gate`."""
    runs: list[tuple[float, float]] = []
    for name in ("run", "run_with_iobinding"):
        method = getattr(onnxruntime.InferenceSession, name)
        setattr(onnxruntime.InferenceSession, name, _noting(method, runs))
    detect = OnnxDetector.detect

    @wraps(detect)
    def timed(*args: Any, **kwargs: Any) -> Any:
        runs.clear()
        began = time.process_time()
        found = detect(*args, **kwargs)
        ended = time.process_time()
        if runs:
            stopwatch.note("preprocess", runs[0][0] - began)
            stopwatch.note("inference", runs[-1][1] - runs[0][0])
            stopwatch.note("outputs", ended - runs[-1][1])
        else:
            stopwatch.note("gate", ended - began)
        return found

    OnnxDetector.detect = timed  # type: ignore[method-assign]


def _noting(method: Callable[..., Any], runs: list[tuple[float, float]]) -> Callable[..., Any]:
    @wraps(method)
    def timed(*args: Any, **kwargs: Any) -> Any:
        began = time.process_time()
        outputs = method(*args, **kwargs)
        runs.append((began, time.process_time()))
        return outputs

    return timed
