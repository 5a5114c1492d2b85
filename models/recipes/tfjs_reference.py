"""Evaluates a TF.js graph in numpy, op by op and in double precision: slow, simple, independent.

It exists to check the rebuilt ONNX graph against, so it shares nothing with the
builder but the reader: here tensors keep the layout the file gives them.
"""

from collections.abc import Callable

import numpy as np
from tfjs_graph import Array, Graph, Node


def evaluate(graph: Graph, picture: Array) -> dict[str, Array]:
    """Return the outputs (the Identity nodes) for a normalised (1, 3, H, W) picture."""
    values: dict[str, Array] = dict(graph.constants)
    for node in graph.nodes:
        if node.op == "Placeholder":
            values[node.name] = picture.astype(np.float64)
            continue
        inputs = [values[name] for name in node.inputs]
        if node.op == "SplitV":
            parts = np.split(inputs[0], np.cumsum(inputs[1])[:-1], axis=int(inputs[2]))
            values.update((f"{node.name}:{i}", part) for i, part in enumerate(parts))
            values[node.name] = parts[0]
        else:
            values[node.name] = _OPERATIONS[node.op](node, inputs)
    return {node.name: values[node.name] for node in graph.nodes if node.op == "Identity"}


def _pad(_: Node, inputs: list[Array]) -> Array:
    fill = float(inputs[2]) if len(inputs) == 3 else 0.0
    return np.pad(inputs[0], inputs[1], constant_values=fill)


def _windows(node: Node, tensor: Array, height: int, width: int) -> Array:
    """Return (1, rows, columns, channels, height, width) views, as VALID padding sees them."""
    if node.text("padding") != "VALID" or node.text("data_format") != "NHWC":
        raise ValueError(f"{node.name} is not a VALID NHWC operation")
    _, down, across, _ = node.integers("strides")
    windows = np.lib.stride_tricks.sliding_window_view(tensor, (height, width), axis=(1, 2))
    return windows[:, ::down, ::across]


def _convolution(node: Node, inputs: list[Array]) -> Array:
    tensor, kernel = inputs
    if node.integers("dilations") != [1, 1, 1, 1]:
        raise ValueError(f"{node.name} is dilated")
    windows = _windows(node, tensor, kernel.shape[0], kernel.shape[1])
    return np.tensordot(windows, kernel.astype(np.float64), axes=((4, 5, 3), (0, 1, 2)))


def _max_pool(node: Node, inputs: list[Array]) -> Array:
    _, height, width, _ = node.integers("ksize")
    return _windows(node, inputs[0], height, width).max(axis=(4, 5))


def _resize(node: Node, inputs: list[Array]) -> Array:
    if node.flag("align_corners") or not node.flag("half_pixel_centers"):
        raise ValueError(f"{node.name} does not use half-pixel centres")
    tensor, (height, width) = inputs
    return _interpolate(_interpolate(tensor, 1, int(height)), 2, int(width))


def _interpolate(tensor: Array, axis: int, size: int) -> Array:
    """Resample one axis linearly; beyond the outermost centres the edge value holds."""
    old = tensor.shape[axis]
    position = np.clip((np.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, old - 1)
    weight = (position - low).reshape([-1 if i == axis else 1 for i in range(tensor.ndim)])
    return np.take(tensor, low, axis) * (1 - weight) + np.take(tensor, high, axis) * weight


def _zeros(_: Node, inputs: list[Array]) -> Array:
    indices, shape, _values, _default = inputs
    if indices.size:
        raise ValueError("SparseToDense with entries is not supported")
    return np.zeros(shape, np.int32)


_OPERATIONS: dict[str, Callable[[Node, list[Array]], Array]] = {
    "Add": lambda _, inputs: inputs[0] + inputs[1],
    "AddV2": lambda _, inputs: inputs[0] + inputs[1],
    "ConcatV2": lambda _, inputs: np.concatenate(inputs[:-1], axis=int(inputs[-1])),
    "Conv2D": _convolution,
    "Identity": lambda _, inputs: inputs[0],
    "LeakyRelu": lambda node, inputs: np.where(
        inputs[0] > 0, inputs[0], inputs[0] * node.number("alpha")
    ),
    "MaxPool": _max_pool,
    "Pad": _pad,
    "PadV2": _pad,
    "Reshape": lambda _, inputs: inputs[0].reshape(inputs[1]),
    "ResizeBilinear": _resize,
    "Sigmoid": lambda _, inputs: 1 / (1 + np.exp(-inputs[0])),
    "SparseToDense": _zeros,
    "Transpose": lambda _, inputs: inputs[0].transpose(inputs[1]),
}
