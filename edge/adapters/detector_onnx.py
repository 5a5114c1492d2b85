"""A detector on ONNX Runtime: letterbox with OpenCV, run the network, decode in numpy."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime

from edge.adapters.model_entry import ModelEntry, ModelInput
from edge.adapters.model_file import read_model
from edge.detection import people
from edge.errors import ModelError
from edge.letterbox import Letterbox, View, input_size
from edge.regions import EVERYTHING, Interest
from edge.vocabulary import Detections, FloatArray, Frame, Image

_AS_IT_IS = ("NHWC", "uint8", "BGR", 1.0)
"""How OpenCV writes pictures: such a model takes the canvas itself."""
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
        self._entry, self._path, self._threads = entry, path, threads
        self._interest = EVERYTHING
        self._floor = entry.score_floor if score_floor is None else score_floor
        self._content = read_model(entry, path)
        self._letterbox: Letterbox | None = None
        self._open(entry.input.width, entry.input.height)

    @property
    def model_hash(self) -> str:
        """The entry's hash: file and thresholds."""
        return self._entry.hash

    def detect(self, frame: Frame) -> Detections:
        """Return every person scoring at least the floor, best first."""
        letterbox = self._place(frame.image)
        outputs = self._run()
        candidates = self._entry.head.decode(outputs, self._height, self._width, self._floor)
        return people(candidates, letterbox, self._entry.nms_iou)

    def outputs(self, image: Image) -> list[FloatArray]:
        """Return what the network answers, before anything is decoded."""
        self._place(image)
        return self._run()

    def attend(self, interest: Interest) -> None:
        """Look at this from the next picture on."""
        self._interest, self._letterbox = interest, None

    def _open(self, width: int, height: int) -> None:
        """Load the model for inputs of this size."""
        wanted = replace(self._entry.input, width=width, height=height)
        session = _open_session(self._content, self._path, self._threads, wanted)
        _check_shapes(session, self._entry, wanted, self._path)
        self._session, self._width, self._height = session, width, height
        self._input_name = session.get_inputs()[0].name
        self._canvas: Image = np.empty((1, height, width, 3), np.uint8)
        self._tensor: npt.NDArray[Any] = self._canvas
        if (wanted.layout, wanted.dtype, wanted.colour, wanted.scale) != _AS_IT_IS:
            self._tensor = np.empty(wanted.shape, wanted.dtype)

    def _run(self) -> list[FloatArray]:
        outputs: list[FloatArray] = self._session.run(
            None, {self._input_name: self._filled_tensor()}
        )
        return outputs

    def _place(self, image: Image) -> Letterbox:
        """Resize what is looked at into the canvas; the rest of it is painted once."""
        height, width = image.shape[:2]
        box = self._letterbox
        if box is None or (box.picture_width, box.picture_height) != (width, height):
            box = self._letterbox = self._begun(width, height)
        view = box.view
        seen = image[view.top : view.top + view.height, view.left : view.left + view.width]
        inside = self._canvas[0, box.top : box.top + box.height, box.left : box.left + box.width]
        cv2.resize(seen, (box.width, box.height), dst=inside, interpolation=cv2.INTER_LINEAR)
        return box

    def _begun(self, width: int, height: int) -> Letterbox:
        """Choose the input's shape for pictures of this size."""
        wanted, region = self._entry.input, self._interest.region(width / height)
        if wanted.any_multiple_of:
            view = View.of(region, width, height)
            longest = max(wanted.width, wanted.height)
            size = input_size(view, longest, wanted.any_multiple_of)
            if size != (self._width, self._height):
                self._open(*size)
        self._canvas.fill(wanted.pad)
        return Letterbox.fit(width, height, self._width, self._height, region)

    def _filled_tensor(self) -> npt.NDArray[Any]:
        """Bring the canvas into the layout, colour order and type the model takes."""
        if self._tensor is self._canvas:
            return self._tensor
        wanted = self._entry.input
        pixels = self._canvas if wanted.colour == "BGR" else self._canvas[..., ::-1]
        if wanted.layout == "NCHW":
            pixels = pixels.transpose(0, 3, 1, 2)
        np.copyto(self._tensor, pixels)
        if wanted.scale != 1:
            self._tensor *= wanted.scale
        return self._tensor


def _open_session(
    content: bytes, path: Path, threads: int, wanted: ModelInput
) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    if wanted.any_multiple_of:
        options.add_free_dimension_override_by_name("height", wanted.height)
        options.add_free_dimension_override_by_name("width", wanted.width)
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # 5 MB less, and no slower
    # Spinning workers would burn the core that the decoder and the tracker need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as problem:  # ONNX Runtime's errors have no root class of their own.
        raise ModelError(
            f"Model file {path} is not an ONNX model that this ONNX Runtime "
            f"({onnxruntime.__version__}) can run; use a file listed in the catalog."
        ) from problem


def _check_shapes(
    session: onnxruntime.InferenceSession, entry: ModelEntry, wanted: ModelInput, path: Path
) -> None:
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
