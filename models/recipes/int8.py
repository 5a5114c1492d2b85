"""Static INT8 quantisation whose result does not depend on the machine.

The activations are measured on pictures that are in no test: public-domain and
CC0 pictures of the scikit-image package, whole and in parts.
"""

import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantType
from onnxruntime.quantization.calibrate import (
    CalibrationMethod,
    TensorData,
    TensorsData,
    create_calibrator,
)
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from edge.letterbox import Letterbox

# Lossless files only, so that every decoder yields the same pixels.
PICTURES = ("astronaut", "brick", "camera", "chelsea", "clock_motion", "coffee", "grass", "gravel")
QUANTISED_OPS = ("Conv", "LeakyRelu", "Concat", "MaxPool")
PAD = 114
RANGE_STEP = 0.01


def calibration_pictures(wheel: Path) -> Iterator[np.ndarray]:
    """Yield each picture of the package whole, in quarters, its middle, and darkened."""
    with zipfile.ZipFile(wheel) as archive:
        for name in PICTURES:
            content = np.frombuffer(archive.read(f"skimage/data/{name}.png"), np.uint8)
            picture = cv2.imdecode(content, cv2.IMREAD_COLOR)
            height, width = picture.shape[0] // 2, picture.shape[1] // 2
            yield picture
            yield picture // 3
            for top in (0, height // 2, height):
                for left in (0, width // 2, width):
                    yield picture[top : top + height, left : left + width]


def letterboxed(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the picture as the network takes it: (1, height, width, 3) uint8."""
    box = Letterbox.fit(picture.shape[1], picture.shape[0], width, height)
    canvas = np.full((1, height, width, 3), PAD, np.uint8)
    inside = canvas[0, box.top : box.top + box.height, box.left : box.left + box.width]
    inside[:] = cv2.resize(picture, (box.width, box.height), interpolation=cv2.INTER_LINEAR)
    return canvas


def quantise(
    model: onnx.ModelProto, pictures: Iterable[np.ndarray], reduce_range: bool, size: int
) -> onnx.ModelProto:
    """Return the model with 8-bit convolutions: activations unsigned, weights per channel.

    The model takes bytes, from which it takes `PAD` before the first convolution; that one is
    given the bytes as they are, with `PAD` for their zero. The activations are measured on
    pictures letterboxed into `size` by `size` pixels.

    With `reduce_range` weights keep 7 bits: without it, two products of 8 bits can
    overflow the 16-bit sums of x86 processors that lack VNNI.
    """
    quantizer = QDQQuantizer(
        onnx.shape_inference.infer_shapes(model),
        per_channel=True,
        reduce_range=reduce_range,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=_measured_ranges(model, pictures, size),
        nodes_to_quantize=[],
        nodes_to_exclude=[],
        op_types_to_quantize=list(QUANTISED_OPS),
        extra_options={},
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    result: onnx.ModelProto = quantizer.model.model
    _take_bytes(result.graph)
    result.producer_name, result.producer_version = model.producer_name, ""
    onnx.checker.check_model(result, full_check=True)
    return result


def _take_bytes(graph: onnx.GraphProto) -> None:
    """Drop the way of the picture to float and back: it ends where it began."""
    made_by = {name: node for node in graph.node for name in node.output}
    (rounded,) = [
        node
        for node in graph.node
        if node.op_type == "QuantizeLinear" and made_by[node.input[0]].op_type == "Sub"
    ]
    values = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    scale, zero = (values[name].item() for name in rounded.input[1:])
    if (scale, zero) != (1.0, PAD):
        raise ValueError(f"the picture has scale {scale} and zero {zero}, not 1 and {PAD}")
    minus = made_by[rounded.input[0]]
    cast = made_by[minus.input[0]]
    for reader in graph.node:
        for index, name in enumerate(reader.input):
            if name == rounded.output[0]:
                reader.input[index] = cast.input[0]
    for gone in (cast, minus, rounded):
        graph.node.remove(gone)
    (offset,) = [item for item in graph.initializer if item.name == minus.input[1]]
    graph.initializer.remove(offset)


def _measured_ranges(
    model: onnx.ModelProto, pictures: Iterable[np.ndarray], size: int
) -> TensorsData:
    """Return what values each activation took, widened to a coarse step.

    Processors differ in the last bits of a float; the step keeps that out of the file.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(model, path)
        calibrator = create_calibrator(
            path, list(QUANTISED_OPS), str(Path(folder) / "augmented.onnx")
        )
        for picture in pictures:
            calibrator.collect_data(_One(letterboxed(picture, size, size)))
        measured = calibrator.compute_data()
    return TensorsData(
        CalibrationMethod.MinMax,
        {name: _widened(*data.range_value) for name, data in measured.items()}
        | {_picture_of(model): _range(-PAD, 255 - PAD)},
    )


def _widened(low: np.ndarray, high: np.ndarray) -> TensorData:
    return _range(np.floor(low / RANGE_STEP) * RANGE_STEP, np.ceil(high / RANGE_STEP) * RANGE_STEP)


def _range(lowest: float | np.ndarray, highest: float | np.ndarray) -> TensorData:
    return TensorData(lowest=np.float32(lowest), highest=np.float32(highest))


def _picture_of(model: onnx.ModelProto) -> str:
    """Return the name of the tensor that the first convolution reads."""
    name: str = next(node for node in model.graph.node if node.op_type == "Conv").input[0]
    return name


class _One(CalibrationDataReader):
    """Hands over a single picture, so that only one set of activations is in memory."""

    def __init__(self, image: np.ndarray) -> None:
        self._left = [{"image": image}]

    def get_next(self) -> dict[str, np.ndarray] | None:
        return self._left.pop() if self._left else None
