"""Whether a model runs here: loaded, shown a test picture, its answer looked at, its time taken."""

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from edge.adapters.detector_onnx import OnnxDetector
from edge.adapters.model_entry import ModelEntry
from edge.errors import ModelError
from edge.ports import Detector
from edge.vocabulary import Frame, Image

if TYPE_CHECKING:
    from edge.adapters.detector_ncnn import NcnnDetector

RUNS = 5


@dataclass(frozen=True, slots=True)
class Checked:
    """What a model did: people in the test picture, milliseconds for one picture, one thread."""

    people: int
    ms: float


def noisy_picture(height: int, width: int) -> Image:
    """Return a picture for every machine: slopes of colour under seeded noise; nobody is in it."""
    rows, columns = np.mgrid[:height, :width]
    slopes = np.stack([rows * 255 // height, columns * 255 // width, (rows + columns) % 256], -1)
    noise = np.random.default_rng(0).integers(-40, 40, slopes.shape)
    return np.clip(slopes + noise, 0, 255).astype(np.uint8)


def check_runs(entry: ModelEntry, path: Path, picture: Image | None = None) -> Checked:
    """Load the file, run it, and take its time.

    Raises ModelError when it is not the file of the entry, cannot be loaded, has other inputs
    or outputs, fails while running, or answers with something that is not a number.
    """
    detector = _opened(entry, path)
    image = noisy_picture(360, 640) if picture is None else picture
    frame = Frame(0.0, 0, image)
    try:
        for output in detector.outputs(image):
            if not np.isfinite(output).all():
                raise ModelError(
                    f"Model file {path} answers a test picture with what is no number, so it is"
                    " broken or this processor cannot run it; use another model."
                )
        found = detector.detect(frame)
        times = [_seconds(detector, frame) for _ in range(RUNS)]
    except ModelError:
        raise
    except Exception as problem:  # ONNX Runtime's errors have no root class of their own.
        raise ModelError(
            f"Model file {path} fails while running under ONNX Runtime"
            f" {onnxruntime.__version__} ({type(problem).__name__}); use another model."
        ) from problem
    return Checked(len(found), 1000 * median(times))


def _opened(entry: ModelEntry, path: Path) -> "OnnxDetector | NcnnDetector":
    if entry.weights is None:
        return OnnxDetector(entry, path)
    try:
        from edge.adapters.detector_ncnn import NcnnDetector  # noqa: PLC0415 - an extra
    except ImportError as problem:
        raise ModelError(
            f"{entry.name} cannot be run without ncnn ({problem}); install lobbycount[ncnn]."
        ) from problem
    return NcnnDetector(entry, path)


def _seconds(detector: Detector, frame: Frame) -> float:
    begin = time.perf_counter()
    detector.detect(frame)
    return time.perf_counter() - begin
