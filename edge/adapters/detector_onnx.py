"""A detector on ONNX Runtime: letterbox with OpenCV, run the network, decode in numpy."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime

from edge.adapters.model_entry import ModelEntry
from edge.adapters.model_file import read_model
from edge.detection import Letterbox, people
from edge.errors import ModelError
from edge.vocabulary import Detections, FloatArray, Frame, Image

_TENSOR_TYPES = {"uint8": "tensor(uint8)", "float32": "tensor(float)"}


class OnnxDetector:
    """Finds people with one model of the catalog. Not safe to share between threads."""

    def __init__(
        self,
        entry: ModelEntry,
        path: Path,
        threads: int = 1,
        score_floor: float | None = None,
    ) -> None:
        """Check and load the model; `score_floor` None takes the catalog's.

        Raises ModelError when the file is missing, damaged, not ONNX, or its
        inputs and outputs are not those of the entry.
        """
        self._entry = entry
        self._floor = entry.score_floor if score_floor is None else score_floor
        self._session = _open_session(read_model(entry, path), path, threads)
        _check_shapes(self._session, entry, path)
        self._input_name = self._session.get_inputs()[0].name
        self._canvas: Image = np.empty((1, entry.input.height, entry.input.width, 3), np.uint8)
        self._tensor = np.empty(entry.input.shape, entry.input.dtype)
        self._letterbox: Letterbox | None = None

    @property
    def model_hash(self) -> str:
        """The entry's hash: file and thresholds."""
        return self._entry.hash

    def detect(self, frame: Frame) -> Detections:
        """Return every person scoring at least the floor, best first."""
        size = self._entry.input
        letterbox = self._place(frame.image)
        candidates = self._entry.head.decode(self._run(), size.height, size.width, self._floor)
        return people(candidates, letterbox, self._entry.nms_iou)

    def outputs(self, image: Image) -> list[FloatArray]:
        """Return what the network answers, before anything is decoded."""
        self._place(image)
        return self._run()

    def _run(self) -> list[FloatArray]:
        outputs: list[FloatArray] = self._session.run(
            None, {self._input_name: self._filled_tensor()}
        )
        return outputs

    def _place(self, image: Image) -> Letterbox:
        """Resize the picture into the canvas; the padding is painted once per picture size."""
        height, width = image.shape[:2]
        box = self._letterbox
        if box is None or (box.picture_width, box.picture_height) != (width, height):
            size = self._entry.input
            box = self._letterbox = Letterbox.fit(width, height, size.width, size.height)
            self._canvas.fill(size.pad)
        inside = self._canvas[0, box.top : box.top + box.height, box.left : box.left + box.width]
        cv2.resize(image, (box.width, box.height), dst=inside, interpolation=cv2.INTER_LINEAR)
        return box

    def _filled_tensor(self) -> npt.NDArray[Any]:
        """Bring the canvas into the layout, colour order and type the model takes."""
        wanted = self._entry.input
        pixels = self._canvas if wanted.colour == "BGR" else self._canvas[..., ::-1]
        if wanted.layout == "NCHW":
            pixels = pixels.transpose(0, 3, 1, 2)
        np.copyto(self._tensor, pixels)
        if wanted.scale != 1:
            self._tensor *= wanted.scale
        return self._tensor


def _open_session(content: bytes, path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Spinning workers would burn the core that the decoder and the tracker need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as problem:  # ONNX Runtime's errors have no root class of their own.
        raise ModelError(
            f"Model file {path} is not an ONNX model that this ONNX Runtime "
            f"({onnxruntime.__version__}) can run; use a file listed in the catalog."
        ) from problem


def _check_shapes(session: onnxruntime.InferenceSession, entry: ModelEntry, path: Path) -> None:
    wanted = entry.input
    inputs = [(item.type, tuple(item.shape)) for item in session.get_inputs()]
    outputs = [(item.type, tuple(item.shape)) for item in session.get_outputs()]
    expected_inputs = [(_TENSOR_TYPES[wanted.dtype], wanted.shape)]
    expected_outputs = [
        ("tensor(float)", shape) for shape in entry.head.output_shapes(wanted.height, wanted.width)
    ]
    for what, found, expected in (
        ("input", inputs, expected_inputs),
        ("output", outputs, expected_outputs),
    ):
        if found != expected:
            raise ModelError(
                f"Model file {path} has {what} {_describe(found)} but its catalog entry "
                f"{entry.name!r} says {_describe(expected)}; correct the entry or the file."
            )


def _describe(tensors: list[tuple[str, tuple[Any, ...]]]) -> str:
    return ", ".join(
        f"{kind.removeprefix('tensor(').removesuffix(')')} {'×'.join(str(side) for side in shape)}"
        for kind, shape in tensors
    )
