"""Writes an ONNX model as ncnn's two files, for the few operations that NanoDet-g has.

The network is given pixels of 0 … 255 as floats, channels first, so the operations that turn
bytes into that are left out. Inputs and outputs are named in0, out0, out1 … in the order of the
ONNX model, as pnnx does. Height and width stay open. Weights are stored as 16-bit floats.

The formats are those of ncnn's wiki: "param and model file structure", "operators".
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

MAGIC = 7767517
_FP16 = 0x01306B47
"""Said before weights that are 16-bit floats."""
_MAX, _VALID = 0, 1
_BILINEAR = 2
_ADD, _SUBTRACT = 0, 1
_LEAKY = 2
_REST = -233

Array = np.ndarray[Any, Any]


class NcnnWriter:
    """Turns one model into the text of a .param and the bytes of a .bin file."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._graph = model.graph
        self._constants = {
            item.name: numpy_helper.to_array(item) for item in model.graph.initializer
        }
        self._names = {model.graph.input[0].name: "in0"}
        self._names |= {item.name: f"out{i}" for i, item in enumerate(model.graph.output)}
        self._layers: list[tuple[str, list[str], list[str], str]] = []
        self._weights: list[bytes] = []
        self._convert: dict[str, Callable[[onnx.NodeProto], None]] = {
            "Add": lambda node: self._layer("BinaryOp", node, f"0={_ADD}"),
            "Cast": self._same,
            "Concat": lambda node: self._layer("Concat", node, "0=0"),
            "Conv": self._convolution,
            "LeakyRelu": self._leaky_relu,
            "MaxPool": self._max_pool,
            "Reshape": self._reshape,
            "Resize": self._resize,
            "Sigmoid": lambda node: self._layer("Sigmoid", node),
            "Split": self._split,
            "Sub": self._subtract,
            "Transpose": self._transpose,
        }

    def write(self) -> tuple[str, bytes]:
        """Return the structure and the weights. Raises KeyError for an unknown operation."""
        for node in self._graph.node:
            self._convert[node.op_type](node)
        layers = [("Input", [], ["in0"], ""), *self._layers]
        layers = _with_splits(layers)
        blobs = sum(len(outputs) for _, _, outputs, _ in layers)
        lines = [str(MAGIC), f"{len(layers)} {blobs}"]
        for index, (kind, inputs, outputs, settings) in enumerate(layers):
            names = [*inputs, *outputs]
            counts = f"{len(inputs)} {len(outputs)}"
            lines.append(" ".join([kind, f"{kind.lower()}_{index}", counts, *names, settings]))
        return "\n".join(line.rstrip() for line in lines) + "\n", b"".join(self._weights)

    def _layer(self, kind: str, node: onnx.NodeProto, settings: str = "") -> None:
        inputs = [self._name(item) for item in node.input if item and item not in self._constants]
        self._layers.append((kind, inputs, [self._name(item) for item in node.output], settings))

    def _name(self, value: str) -> str:
        return self._names.get(value, value)

    def _same(self, node: onnx.NodeProto) -> None:
        self._names[node.output[0]] = self._name(node.input[0])

    def _transpose(self, node: onnx.NodeProto) -> None:
        if self._name(node.input[0]) == "in0":
            self._same(node)
            return
        if _attributes(node)["perm"] != [0, 2, 1]:
            raise ValueError(f"{node.name} is not the transposition of a table")
        self._layer("Permute", node, "0=1")

    def _subtract(self, node: onnx.NodeProto) -> None:
        constant = self._constants[node.input[1]].item()
        self._layer("BinaryOp", node, f"0={_SUBTRACT} 1=1 2={constant!r}")

    def _convolution(self, node: onnx.NodeProto) -> None:
        kernel, bias = (self._constants[name] for name in node.input[1:])
        settings = _attributes(node)
        height, width = settings["kernel_shape"]
        top, left, bottom, right = settings["pads"]
        down, across = settings["strides"]
        self._layer(
            "Convolution",
            node,
            f"0={len(bias)} 1={width} 11={height} 3={across} 13={down} 4={left} 14={top}"
            f" 15={right} 16={bottom} 5=1 6={kernel.size}",
        )
        halves = kernel.astype("<f2").tobytes()
        self._weights += [
            np.array(_FP16, "<u4").tobytes(),
            halves + bytes(-len(halves) % 4),
            bias.astype("<f4").tobytes(),
        ]

    def _leaky_relu(self, node: onnx.NodeProto) -> None:
        """Let the convolution that is its only input do it."""
        for index, (kind, inputs, outputs, settings) in enumerate(self._layers):
            if outputs == [self._name(node.input[0])]:
                assert kind == "Convolution"
                leaky = f"{settings} 9={_LEAKY} -23310=1,{_attributes(node)['alpha']:.6g}"
                self._layers[index] = (kind, inputs, [self._name(node.output[0])], leaky)

    def _max_pool(self, node: onnx.NodeProto) -> None:
        settings = _attributes(node)
        height, width = settings["kernel_shape"]
        top, left, bottom, right = settings["pads"]
        down, across = settings["strides"]
        self._layer(
            "Pooling",
            node,
            f"0={_MAX} 1={width} 11={height} 2={across} 12={down} 3={left} 13={top}"
            f" 14={right} 15={bottom} 5={_VALID}",
        )

    def _resize(self, node: onnx.NodeProto) -> None:
        _, _, down, across = self._constants[node.input[2]].tolist()
        self._layer("Interp", node, f"0={_BILINEAR} 1={down!r} 2={across!r}")

    def _split(self, node: onnx.NodeProto) -> None:
        sizes = self._constants[node.input[1]].tolist()
        counts = ",".join(str(size) for size in [*sizes[:-1], _REST])
        self._layer("Slice", node, f"-23300={len(sizes)},{counts} 1=0")

    def _reshape(self, node: onnx.NodeProto) -> None:
        one, channels, rest = self._constants[node.input[1]].tolist()
        if (one, rest) != (1, -1):
            raise ValueError(f"{node.name} does not make a table of channels and cells")
        self._layer("Reshape", node, f"0=-1 1={channels}")


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {item.name: helper.get_attribute_value(item) for item in node.attribute}


def _with_splits(
    layers: list[tuple[str, list[str], list[str], str]],
) -> list[tuple[str, list[str], list[str], str]]:
    """Copy what several layers take: ncnn gives every value to one."""
    takers = Counter(name for _, inputs, _, _ in layers for name in inputs)
    taken: Counter[str] = Counter()
    result = []
    for kind, inputs, outputs, settings in layers:
        own = []
        for name in inputs:
            own.append(f"{name}_{taken[name]}" if takers[name] > 1 else name)
            taken[name] += 1
        result.append((kind, own, outputs, settings))
        for name in outputs:
            if takers[name] > 1:
                copies = [f"{name}_{i}" for i in range(takers[name])]
                result.append(("Split", [name], copies, ""))
    return result
