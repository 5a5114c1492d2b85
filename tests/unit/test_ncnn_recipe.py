"""What the recipe writes for ncnn computes what ONNX Runtime computes of the same model."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "models/recipes"))

from ncnn_graph import NcnnWriter

GREY = 114


def tiny_model():
    """Every operation once: an odd kernel, a stride, uneven pads, a value taken three times."""
    dice = np.random.default_rng(3)

    def constant(name, array):
        return numpy_helper.from_array(np.asarray(array), name)

    def weights(name, *shape):
        # Numbers that 16 bits hold exactly: what differs is a mistake, not rounding.
        return constant(name, (dice.integers(-64, 64, shape) / 8192).astype(np.float32))

    node = helper.make_node
    nodes = [
        node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
        node("Cast", ["planes"], ["floats"], to=TensorProto.FLOAT),
        node("Sub", ["floats", "grey"], ["pixels"]),
        node(
            "Conv", ["pixels", "k1", "b1"], ["c1"],
            kernel_shape=[3, 3], strides=[2, 2], pads=[0, 1, 2, 1],
        ),
        node("LeakyRelu", ["c1"], ["l1"], alpha=0.1),
        node("MaxPool", ["l1"], ["p1"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        node(
            "Conv", ["p1", "k2", "b2"], ["c2"],
            kernel_shape=[1, 1], strides=[1, 1], pads=[0, 0, 0, 0],
        ),
        node("Add", ["p1", "c2"], ["sum"]),
        node("Concat", ["sum", "p1"], ["both"], axis=1),
        node(
            "Resize", ["both", "", "twice"], ["large"],
            mode="linear", coordinate_transformation_mode="half_pixel",
        ),
        node("Split", ["large", "sizes"], ["a", "b"], axis=1),
        node("Sigmoid", ["a"], ["sure"]),
        node("Reshape", ["sure", "one"], ["sure_table"]),
        node("Reshape", ["b", "five"], ["b_table"]),
        node("Transpose", ["sure_table"], ["scores"], perm=[0, 2, 1]),
        node("Transpose", ["b_table"], ["bins"], perm=[0, 2, 1]),
    ]  # fmt: skip
    stored = [
        constant("grey", np.float32(GREY)),
        weights("k1", 3, 3, 3, 3),
        weights("b1", 3),
        weights("k2", 3, 3, 1, 1),
        weights("b2", 3),
        constant("twice", np.float32([1, 1, 2, 2])),
        constant("sizes", np.int64([1, 5])),
        constant("one", np.int64([1, 1, -1])),
        constant("five", np.int64([1, 5, -1])),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "tiny",
        [value("image", TensorProto.UINT8, (1, "height", "width", 3))],
        [
            value("scores", TensorProto.FLOAT, (1, "cells", 1)),
            value("bins", TensorProto.FLOAT, (1, "cells", 5)),
        ],
        stored,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("size", [(64, 32), (32, 96)])
def test_a_model_with_every_operation(tmp_path, size):
    if importlib.util.find_spec("ncnn") is None:
        pytest.skip("needs the extra lobbycount[ncnn]")
    import ncnn

    model = tiny_model()
    onnx.checker.check_model(model, full_check=True)
    structure, weights = NcnnWriter(model).write()
    (tmp_path / "tiny.param").write_text(structure, "ascii")
    (tmp_path / "tiny.bin").write_bytes(weights)
    net = ncnn.Net()
    assert net.load_param(str(tmp_path / "tiny.param")) == 0
    assert net.load_model(str(tmp_path / "tiny.bin")) == 0
    width, height = size
    image = np.random.default_rng(5).integers(0, 256, (height, width, 3), np.uint8)
    run = net.create_extractor()
    run.input("in0", ncnn.Mat.from_pixels(image, ncnn.Mat.PixelType.PIXEL_BGR, width, height))
    found = [np.array(run.extract(f"out{index}")[1]) for index in range(2)]
    session = onnxruntime.InferenceSession(model.SerializeToString())
    expected = session.run(None, {"image": image[None]})
    assert float(np.ptp(expected[0])) > 0.1
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs[0], atol=0.01 * float(np.abs(theirs).max()))


def test_every_value_is_taken_once_and_16_bits_are_padded_to_32():
    structure, weights = NcnnWriter(tiny_model()).write()
    magic, counts, *layers = structure.splitlines()
    assert magic == "7767517"
    takes, gives = [], []
    for layer in layers:
        _, _, inputs, outputs, *names = layer.split()
        takes += names[: int(inputs)]
        gives += names[int(inputs) : int(inputs) + int(outputs)]
    assert counts == f"{len(layers)} {len(gives)}"
    assert len(takes) == len(set(takes))
    assert set(takes) | {"out0", "out1"} == set(gives)
    # A flag, 81 halves and one of padding, three biases; a flag, 9 halves and padding, three.
    assert len(weights) == (4 + 2 * 82 + 12) + (4 + 2 * 10 + 12)


def test_an_operation_that_is_not_known():
    model = tiny_model()
    model.graph.node[11].op_type = "Tanh"
    with pytest.raises(KeyError, match="Tanh"):
        NcnnWriter(model).write()
