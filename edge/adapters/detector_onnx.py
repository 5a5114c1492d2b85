"""A detector on ONNX Runtime: letterbox with OpenCV, run the network, decode in numpy."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import onnxruntime

from edge.adapters.canvas import Canvas
from edge.adapters.model_entry import ModelEntry, ModelInput
from edge.adapters.model_file import read_model
from edge.adapters.session_onnx import open_session
from edge.detection import people
from edge.errors import ModelError
from edge.providers import Provider
from edge.regions import Interest
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
        provider: Provider = Provider.CPU,
    ) -> None:
        """Check and load the model; `score_floor` None takes the catalog's.

        Raises ModelError when the file is missing, damaged, not ONNX, or its
        inputs and outputs are not those of the entry, and ProviderError when the provider is
        not there or does not run it.
        """
        self._entry, self._path = entry, path
        self._threads, self._provider = threads, provider
        self._floor = entry.score_floor if score_floor is None else score_floor
        self._content = read_model(entry, path)
        self._canvas = Canvas(entry.input)
        self._open(self._canvas.size)

    @property
    def model_hash(self) -> str:
        """The entry's hash: file and thresholds."""
        return self._entry.hash

    def detect(self, frame: Frame) -> Detections:
        """Return every person scoring at least the floor, best first."""
        letterbox = self._canvas.draw(frame.image)
        outputs = self._run()
        width, height = self._size
        candidates = self._entry.head.decode(outputs, height, width, self._floor)
        return people(candidates, letterbox, self._entry.nms_iou)

    def outputs(self, image: Image) -> list[FloatArray]:
        """Return what the network answers, before anything is decoded."""
        self._canvas.draw(image)
        return self._run()

    def _run(self) -> list[FloatArray]:
        if self._canvas.size != self._size:
            self._open(self._canvas.size)
        outputs: list[FloatArray] = self._session.run(
            None, {self._input_name: self._canvas.tensor()}
        )
        self._canvas.wipe()
        return outputs

    def attend(self, interest: Interest) -> None:
        """Look at this from the next picture on."""
        self._canvas.attend(interest)

    def forget(self) -> None:
        """Nothing: no picture outlives the answer to it."""

    def _open(self, size: tuple[int, int]) -> None:
        """Load the model for inputs of this width and height."""
        wanted = replace(self._entry.input, width=size[0], height=size[1])
        session = open_session(self._content, self._path, self._provider, self._threads, wanted)
        _check_shapes(session, self._entry, wanted, self._path)
        self._session, self._size = session, size
        self._input_name = session.get_inputs()[0].name


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
