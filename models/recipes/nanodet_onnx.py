"""Rebuilds NanoDet-g, given as a TF.js graph, as an ONNX model that takes a uint8 picture.

The TF.js graph came from ONNX by way of TensorFlow, which wrapped every
convolution into transpositions. Here all four-dimensional tensors are NCHW, so
those transpositions disappear, and a pad is folded into the operation behind it.

Three things are unlike the original. Only people are scored: the rows of the other 79 classes
are left out of the last convolutions. Height and width are symbols, so that one file serves
every shape (a network of convolutions does not mind). And the normalisation is inside the first
convolution, so that a quantised network takes the bytes of the picture as they are; the ring of
one pixel that this convolution adds around the picture is then grey like the letterbox, where
the original's has the mean colour of its training pictures.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tfjs_graph import Array, Graph, Node

MEAN_BGR = (103.53, 116.28, 123.675)
STD_BGR = (57.375, 57.12, 58.395)
STRIDES = (8, 16, 32)
CLASSES = 80
PERSON = 0
BINS = 44
GREY = 114
"""The letterbox's padding, and the zero of the quantised picture."""
OPSET = 17
IR_VERSION = 8
TRAINED_SIZE = 416

_TO_NCHW = [0, 3, 1, 2]
_TO_NHWC = [0, 2, 3, 1]
_NO_PADS = (0, 0, 0, 0)


@dataclass(frozen=True)
class _Value:
    """A tensor under construction.

    name: of the tensor in the ONNX graph.
    stride: how many input pixels one of its cells spans.
    pads: top, left, bottom, right, still to be applied by the next operation.
    kernel: for a convolution still waiting for its bias.
    """

    name: str
    stride: int
    pads: tuple[int, int, int, int] = _NO_PADS
    kernel: Array | None = None
    step: int = 1


def build_onnx(graph: Graph, *, like_original: bool = False) -> onnx.ModelProto:
    """Return the model for pictures whose sides are multiples of 32.

    Input `image`: (1, height, width, 3) uint8 BGR. Outputs for each stride s:
    `scores_s` (1, cells, 1) after sigmoid and `bins_s` (1, cells, 44).
    like_original: normalise before the first convolution, to compare with the original.
    """
    return _Builder(graph, like_original).build()


class _Builder:
    def __init__(self, graph: Graph, like_original: bool) -> None:
        self._graph = graph
        self._like_original = like_original
        self._picture = ""
        self._constants = dict(graph.constants)
        self._values: dict[str, _Value] = {}
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._convert: dict[str, Callable[[Node], None]] = {
            "Add": self._add,
            "AddV2": self._fold_sum,
            "ConcatV2": self._concat,
            "Conv2D": self._convolution,
            "Identity": self._output,
            "LeakyRelu": self._leaky_relu,
            "MaxPool": self._max_pool,
            "Pad": self._pad,
            "PadV2": self._pad,
            "Placeholder": self._input,
            "Reshape": self._reshape,
            "ResizeBilinear": self._resize,
            "Sigmoid": self._sigmoid,
            "SparseToDense": self._fold_zeros,
            "SplitV": self._split,
            "Transpose": self._transpose,
        }

    def build(self) -> onnx.ModelProto:
        for node in self._graph.nodes:
            self._convert[node.op](node)
        shape = (1, "height", "width", 3)
        image = helper.make_tensor_value_info("image", TensorProto.UINT8, shape)
        self._outputs.sort(key=lambda info: (info.name[0] != "s", int(info.name.split("_")[1])))
        graph = helper.make_graph(
            self._nodes, "nanodet_g", [image], self._outputs, self._initializers
        )
        model = helper.make_model(
            graph,
            producer_name="models/recipes/nanodet_g.py",
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
        )
        onnx.checker.check_model(model, full_check=True)
        return model

    def _emit(
        self, op: str, inputs: list[str], outputs: int = 1, **attributes: object
    ) -> list[str]:
        """Append a node; names count up, so that they do not depend on the origin's."""
        name = f"{op.lower()}_{len(self._nodes)}"
        names = [name] if outputs == 1 else [f"{name}_{i}" for i in range(outputs)]
        self._nodes.append(helper.make_node(op, inputs, names, name=name, **attributes))
        return names

    def _store(self, kind: str, array: Array) -> str:
        name = f"{kind}_{len(self._initializers)}"
        self._initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def _ready(self, name: str) -> _Value:
        """Return a value that is complete: no pad and no bias outstanding."""
        value = self._values[name]
        if value.pads != _NO_PADS or value.kernel is not None:
            raise ValueError(f"{name} is used before its pad or bias was applied")
        return value

    def _input(self, node: Node) -> None:
        (planes,) = self._emit("Transpose", ["image"], perm=_TO_NCHW)
        (pixels,) = self._emit("Cast", [planes], to=TensorProto.FLOAT)
        if self._like_original:
            by_colour = (1, 3, 1, 1)
            mean = self._store("mean", np.float32(MEAN_BGR).reshape(by_colour))
            scale = self._store("scale", (1 / np.float32(STD_BGR)).reshape(by_colour))
            (centred,) = self._emit("Sub", [pixels, mean])
            (ready,) = self._emit("Mul", [centred, scale])
        else:
            (ready,) = self._emit("Sub", [pixels, self._store("grey", np.float32(GREY))])
            self._picture = ready
        self._values[node.name] = _Value(ready, 1)

    def _pad(self, node: Node) -> None:
        # A maximum ignores −inf and a convolution's own pad is 0: both fold away.
        value = self._ready(node.inputs[0])
        (before, after) = self._constants[node.inputs[1]].T.tolist()
        if before[:2] != [0, 0] or after[:2] != [0, 0]:
            raise ValueError(f"{node.name} pads something other than height and width")
        pads = (before[2], before[3], after[2], after[3])
        self._values[node.name] = _Value(value.name, value.stride, pads)

    def _transpose(self, node: Node) -> None:
        order = self._constants[node.inputs[1]].tolist()
        if order in (_TO_NCHW, _TO_NHWC):
            self._values[node.name] = self._values[node.inputs[0]]
            return
        value = self._ready(node.inputs[0])
        (name,) = self._emit("Transpose", [value.name], perm=order)
        self._values[node.name] = _Value(name, value.stride)

    def _convolution(self, node: Node) -> None:
        value = self._values[node.inputs[0]]
        if node.text("padding") != "VALID" or node.integers("dilations") != [1, 1, 1, 1]:
            raise ValueError(f"{node.name} is not a plain convolution")
        step = node.integers("strides")[1]
        kernel = self._constants[node.inputs[1]].transpose(3, 2, 0, 1)
        self._values[node.name] = _Value(value.name, value.stride * step, value.pads, kernel, step)

    def _add(self, node: Node) -> None:
        value = self._values[node.inputs[0]]
        if value.kernel is None:
            first, second = (self._ready(name) for name in node.inputs)
            (name,) = self._emit("Add", [first.name, second.name])
        else:
            weights, offsets = self._trained(value, self._constants[node.inputs[1]])
            kernel, bias = self._store("kernel", weights), self._store("bias", offsets)
            (name,) = self._emit(
                "Conv",
                [value.name, kernel, bias],
                kernel_shape=value.kernel.shape[2:],
                strides=[value.step, value.step],
                pads=value.pads,
            )
        self._values[node.name] = _Value(name, value.stride)

    def _trained(self, value: _Value, bias: Array) -> tuple[Array, Array]:
        """Return kernel and bias without what is not wanted, with the normalisation inside."""
        kernel = value.kernel
        assert kernel is not None
        if len(bias) == CLASSES + BINS:
            kept = [PERSON, *range(CLASSES, CLASSES + BINS)]
            return kernel[kept], bias[kept]
        if value.name != self._picture:
            return kernel, bias
        scaled = kernel.astype(np.float64) / np.reshape(STD_BGR, (1, 3, 1, 1))
        shift = (scaled * np.reshape(GREY - np.array(MEAN_BGR), (1, 3, 1, 1))).sum((1, 2, 3))
        return scaled.astype(np.float32), (bias + shift).astype(np.float32)

    def _leaky_relu(self, node: Node) -> None:
        value = self._ready(node.inputs[0])
        (name,) = self._emit("LeakyRelu", [value.name], alpha=node.number("alpha"))
        self._values[node.name] = _Value(name, value.stride)

    def _sigmoid(self, node: Node) -> None:
        value = self._ready(node.inputs[0])
        (name,) = self._emit("Sigmoid", [value.name])
        self._values[node.name] = _Value(name, value.stride)

    def _max_pool(self, node: Node) -> None:
        value = self._values[node.inputs[0]]
        step = node.integers("strides")[1:3]
        (name,) = self._emit(
            "MaxPool",
            [value.name],
            kernel_shape=node.integers("ksize")[1:3],
            strides=step,
            pads=value.pads,
        )
        self._values[node.name] = _Value(name, value.stride * step[0])

    def _concat(self, node: Node) -> None:
        *parts, axis = node.inputs
        if int(self._constants[axis]) != 1:
            raise ValueError(f"{node.name} does not join channels")
        values = [self._ready(part) for part in parts]
        (name,) = self._emit("Concat", [value.name for value in values], axis=1)
        self._values[node.name] = _Value(name, values[0].stride)

    def _split(self, node: Node) -> None:
        value = self._ready(node.inputs[0])
        if int(self._constants[node.inputs[2]]) != 1:
            raise ValueError(f"{node.name} does not split channels")
        if self._constants[node.inputs[1]].tolist() != [CLASSES, BINS]:
            raise ValueError(f"{node.name} does not split scores from distances")
        sizes = self._store("sizes", np.array([1, BINS], np.int64))
        scores, bins = self._emit("Split", [value.name, sizes], outputs=2, axis=1)
        self._values[node.name] = _Value(scores, value.stride)
        self._values[f"{node.name}:1"] = _Value(bins, value.stride)

    def _resize(self, node: Node) -> None:
        # The file gives sizes for 416 × 416; their ratio holds for any input.
        value = self._ready(node.inputs[0])
        stride = TRAINED_SIZE // int(self._constants[node.inputs[1]][0])
        factor = value.stride / stride
        scales = self._store("scales", np.array([1, 1, factor, factor], np.float32))
        (name,) = self._emit(
            "Resize",
            [value.name, "", scales],
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )
        self._values[node.name] = _Value(name, stride)

    def _fold_zeros(self, node: Node) -> None:
        indices, shape, _, _ = (self._constants[name] for name in node.inputs)
        if indices.size:
            raise ValueError(f"{node.name} has entries")
        self._constants[node.name] = np.zeros(shape, np.int32)

    def _fold_sum(self, node: Node) -> None:
        first, second = (self._constants[name] for name in node.inputs)
        self._constants[node.name] = first + second

    def _reshape(self, node: Node) -> None:
        value = self._ready(node.inputs[0])
        wanted = self._constants[node.inputs[1]].astype(np.int64)
        shape = self._store("shape", np.where(wanted == CLASSES, 1, wanted))
        (name,) = self._emit("Reshape", [value.name, shape])
        self._values[node.name] = _Value(name, value.stride)

    def _output(self, node: Node) -> None:
        value = self._ready(node.inputs[0])
        producer = next(made for made in self._nodes if made.output[0] == value.name)
        channels = self._channels(value.name)
        kind = "bins" if channels == BINS else "scores"
        producer.output[0] = f"{kind}_{value.stride}"
        shape = (1, f"cells_{value.stride}", channels)
        self._outputs.append(
            helper.make_tensor_value_info(producer.output[0], TensorProto.FLOAT, shape)
        )

    def _channels(self, name: str) -> int:
        """Return the channel count of a head's end: reshape (1, C, −1), then transposition."""
        transposed = next(node for node in self._nodes if node.output[0] == name)
        reshaped = next(node for node in self._nodes if node.output[0] == transposed.input[0])
        shape = next(item for item in self._initializers if item.name == reshaped.input[1])
        return int(numpy_helper.to_array(shape)[1])
