"""The default model in 8 bits: its calibration pictures, its operations, and bytes as they are.

The activations are measured on pictures that are in no test: public-domain and
CC0 pictures of the scikit-image package, whole and in parts.
"""

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import numpy_helper

from edge.vocabulary import Image
from model_export.pictures import PAD
from model_export.quantisation import quantise

# Lossless files only, so that every decoder yields the same pixels.
PICTURES = ("astronaut", "brick", "camera", "chelsea", "clock_motion", "coffee", "grass", "gravel")
QUANTISED_OPS = ("Conv", "LeakyRelu", "Concat", "MaxPool")


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


def in_8_bits(
    model: onnx.ModelProto, pictures: Iterable[Image], *, reduce_range: bool
) -> onnx.ModelProto:
    """Return the quantised model, which takes the bytes of the picture as they are.

    The model takes bytes, from which it takes `PAD` before the first convolution; to that one
    the bytes are given, with `PAD` for their zero.
    """
    picture = next(node for node in model.graph.node if node.op_type == "Conv").input[0]
    small = quantise(
        model, pictures, QUANTISED_OPS, reduce_range=reduce_range,
        known={picture: (-PAD, 255 - PAD)},
    )  # fmt: skip
    _take_bytes(small.graph)
    onnx.checker.check_model(small, full_check=True)
    return small


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
