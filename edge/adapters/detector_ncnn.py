"""A detector on ncnn: letterbox with OpenCV, run the network, decode in numpy."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from edge.adapters.canvas import Canvas
from edge.adapters.model_entry import ModelEntry
from edge.adapters.model_file import read_model
from edge.detection import people
from edge.errors import ModelError
from edge.regions import Interest
from edge.vocabulary import Detections, FloatArray, Frame, Image

# Read once, when ncnn brings its OpenMP in. Waiting threads would burn the core that the decoder
# and the tracker need: with two threads on busy cores, 362 CPU-ms instead of 16 were seen.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import ncnn

_PIXELS = {
    "BGR": ncnn.Mat.PixelType.PIXEL_BGR,
    "RGB": ncnn.Mat.PixelType.PIXEL_BGR2RGB,
}


class NcnnDetector:
    """Finds people with one model of the catalog. Not safe to share between threads.

    The network takes floats, channels first, as in0, and answers with out0, out1 … in the
    order and shapes of the entry's head, without the batch. Its shape is that of the picture.
    """

    def __init__(
        self, entry: ModelEntry, path: Path, threads: int = 1, score_floor: float | None = None
    ) -> None:
        """Check and load the model; `score_floor` None takes the catalog's.

        Raises ModelError when a file is missing, damaged, not ncnn's, or its inputs and
        outputs are not those of the entry.
        """
        self._entry, self._path = entry, path
        self._floor = entry.score_floor if score_floor is None else score_floor
        self._canvas = Canvas(entry.input)
        self._net = _open(entry, path, threads)
        width, height = self._canvas.size
        self._expect(self._outputs(width, height), width, height)

    @property
    def model_hash(self) -> str:
        """The entry's hash: files and thresholds."""
        return self._entry.hash

    def detect(self, frame: Frame) -> Detections:
        """Return every person scoring at least the floor, best first."""
        letterbox = self._canvas.draw(frame.image)
        width, height = self._canvas.size
        outputs = self._outputs(width, height)
        candidates = self._entry.head.decode(outputs, height, width, self._floor)
        return people(candidates, letterbox, self._entry.nms_iou)

    def outputs(self, image: Image) -> list[FloatArray]:
        """Return what the network answers, before anything is decoded."""
        self._canvas.draw(image)
        return self._outputs(*self._canvas.size)

    def attend(self, interest: Interest) -> None:
        """Look at this from the next picture on."""
        self._canvas.attend(interest)

    def forget(self) -> None:
        """Nothing: no picture outlives the answer to it."""

    def _outputs(self, width: int, height: int) -> list[FloatArray]:
        wanted = self._entry.input
        tensor = ncnn.Mat.from_pixels(self._canvas.pixels, _PIXELS[wanted.colour], width, height)
        self._canvas.wipe()
        if wanted.scale != 1:
            tensor.substract_mean_normalize([], [wanted.scale] * 3)
        run = self._net.create_extractor()
        run.input("in0", tensor)
        count = len(self._entry.head.output_shapes(height, width))
        # Copied, because ncnn reuses the memory; and with the batch that the decoders expect.
        return [np.array(run.extract(f"out{i}")[1], np.float32)[None] for i in range(count)]

    def _expect(self, outputs: list[FloatArray], width: int, height: int) -> None:
        expected = self._entry.head.output_shapes(height, width)
        found = tuple(output.shape for output in outputs)
        if found != expected:
            raise ModelError(
                f"Model file {self._path} answers with shapes {_words(found)} but its catalog"
                f" entry {self._entry.name!r} says {_words(expected)}; correct the entry or the"
                " file."
            )


def _open(entry: ModelEntry, path: Path, threads: int) -> Any:
    """Load the two files after checking both."""
    weights = entry.weights_entry()
    if weights is None:
        raise ModelError(
            f"{entry.name} is not a model for ncnn, which needs a .param and a .bin file; choose"
            " model.name: nanodet-g-416-ncnn (models/recipes/ncnn_g.py makes it) or"
            " provider: cpu."
        )
    beside = path.with_name(weights.file)
    read_model(entry, path)
    read_model(weights, beside)
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_vulkan_compute = False
    if net.load_param(str(path)) or net.load_model(str(beside)) or not _has_ends(net, entry):
        raise ModelError(
            f"Model files {path} and {beside.name} are not a model that this ncnn"
            f" ({ncnn.__version__}) can run; use files listed in the catalog."
        )
    return net


def _has_ends(net: Any, entry: ModelEntry) -> bool:
    count = len(entry.head.output_shapes(entry.input.height, entry.input.width))
    outputs = {f"out{index}" for index in range(count)}
    return "in0" in net.input_names() and outputs <= set(net.output_names())


def _words(shapes: tuple[tuple[int, ...], ...]) -> str:
    return ", ".join("×".join(str(side) for side in shape) for shape in shapes)
