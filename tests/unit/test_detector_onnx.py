"""The real model on a real picture, and one sentence for each way a model file can be wrong."""

import dataclasses
import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from onnx import TensorProto, helper

from edge.adapters.detector_onnx import OnnxDetector
from edge.adapters.model_catalog import load_catalog
from edge.adapters.model_entry import ModelInput
from edge.detection import Family, Head
from edge.errors import ModelError
from edge.regions import EVERYTHING, Interest
from edge.vocabulary import Frame

REPOSITORY = Path(__file__).resolve().parents[2]
CLIP = REPOSITORY / "tests/data/vtest.mp4"
CATALOG = load_catalog(REPOSITORY / "models")
ENTRY = CATALOG.entry()
MODEL = CATALOG.path(ENTRY)


@pytest.fixture(scope="module")
def frame():
    capture = cv2.VideoCapture(str(CLIP))
    read, image = capture.read()
    capture.release()
    assert read, f"{CLIP} cannot be read"
    return Frame(0.0, 0, image)


@pytest.fixture(scope="module")
def detector():
    return OnnxDetector(ENTRY, MODEL, threads=1)


def entry_of(content, **changes):
    digest = hashlib.sha256(content).hexdigest()
    return dataclasses.replace(ENTRY, sha256=digest, bytes=len(content), **changes)


# --- what it finds


# Three people cross the first frame of the clip; corners in its 768 × 576 pixels.
WALKERS = np.float32([[499, 158, 530, 233], [258, 219, 291, 308], [633, 242, 675, 323]])


def test_finds_the_people_of_a_real_picture(detector, frame):
    found = detector.detect(frame)
    sure = found.boxes[found.scores >= 0.5]
    assert len(sure) == len(WALKERS)
    for walker in WALKERS / np.float32([768, 576, 768, 576]):
        assert max(overlap(box, walker) for box in sure) > 0.6
    assert found.aspect == pytest.approx(768 / 576)
    assert found.boxes.min() >= 0
    assert found.boxes.max() <= 1
    assert list(found.scores) == sorted(found.scores, reverse=True)


def overlap(one, other):
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    shared = np.prod(np.clip(high - low, 0, None))
    return shared / (np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]) - shared)


def test_finds_nobody_in_grey(detector):
    assert len(detector.detect(Frame(0.0, 0, np.full((480, 640, 3), 114, np.uint8)))) == 0


def test_the_floor_is_a_parameter(frame, detector):
    strict = OnnxDetector(ENTRY, MODEL, threads=1, score_floor=0.5).detect(frame)
    usual = detector.detect(frame)
    assert strict.scores.min() >= 0.5
    lenient = OnnxDetector(ENTRY, MODEL, threads=1, score_floor=0.1).detect(frame)
    assert ENTRY.score_floor <= usual.scores.min()
    assert 0.1 <= lenient.scores.min() < ENTRY.score_floor


def test_pictures_of_changing_size_do_not_disturb_each_other(frame, detector):
    """The buffer is reused: a tall picture must leave nothing behind beside a wide one."""
    first = detector.detect(frame)
    detector.detect(Frame(0.1, 1, np.full((900, 300, 3), 255, np.uint8)))
    again = detector.detect(frame)
    np.testing.assert_array_equal(first.boxes, again.boxes)
    np.testing.assert_array_equal(first.scores, again.scores)


def as_wide_as_16_to_9(frame):
    """The picture between two grey borders."""
    image = np.full((576, 1024, 3), 114, np.uint8)
    image[:, 128:896] = frame.image
    return image


def test_a_wide_picture_is_given_a_wide_input(frame):
    """Of the same people at the same scale the same is said, in fewer pixels."""
    wide = OnnxDetector(ENTRY, MODEL)
    found = wide.detect(Frame(0.0, 0, as_wide_as_16_to_9(frame)))
    assert wide._canvas.size == (416, 256)
    sure = found.boxes[found.scores >= 0.5] * [1024, 576, 1024, 576] - [128, 0, 128, 0]
    assert len(sure) == len(WALKERS)
    for walker in WALKERS:
        assert max(overlap(box, walker) for box in sure) > 0.6


def test_what_is_attended_to_is_seen_larger_and_nothing_else_is_seen(frame):
    """The walker at the left is farther than two heights from what is attended to."""
    near = OnnxDetector(ENTRY, MODEL)
    near.attend(Interest([(0.85, 0.5)], person_height=0.14))
    found = near.detect(frame)
    assert near._canvas.size == (288, 352), "277 by 323 pixels of the picture, none scaled"
    right, middle = found.boxes[found.scores >= 0.5] * [768, 576, 768, 576]
    assert overlap(right, WALKERS[2]) > 0.6
    assert overlap(middle, WALKERS[0]) > 0.6
    assert found.aspect == pytest.approx(768 / 576)
    near.attend(EVERYTHING)
    assert len(near.detect(frame).boxes) >= len(WALKERS)


def test_nothing_of_a_picture_is_left_in_the_network_s_input(detector, frame):
    assert len(detector.detect(frame)) > 0
    assert (detector._canvas.pixels == ENTRY.input.pad).all()


def test_model_hash_is_the_entrys(detector):
    assert detector.model_hash == ENTRY.hash


# --- what a model is given


def tiny_model(layout_shape, dtype):
    """Make a model whose end-to-end rows begin with the mean of each input channel."""
    kind = TensorProto.UINT8 if dtype == "uint8" else TensorProto.FLOAT
    axes = [1, 2] if layout_shape[-1] == 3 else [2, 3]
    nodes = [
        helper.make_node("Cast", ["picture"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels"], ["means"], axes=axes, keepdims=0),
        helper.make_node("Concat", ["means", "rest"], ["row"], axis=1),
        helper.make_node("Reshape", ["row", "shape"], ["rows"]),
    ]
    rest = helper.make_tensor("rest", TensorProto.FLOAT, (1, 9), [500, 0.9, 0, *[0] * 6])
    shape = helper.make_tensor("shape", TensorProto.INT64, (3,), (1, 2, 6))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("picture", kind, layout_shape)],
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, (1, 2, 6))],
        [rest, shape],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    ).SerializeToString()


@pytest.mark.parametrize(
    ("layout", "dtype", "colour", "scale", "pixel"),
    [
        ("NHWC", "uint8", "BGR", 1.0, (10, 20, 30)),
        ("NCHW", "float32", "BGR", 1.0, (10, 20, 30)),
        ("NCHW", "float32", "RGB", 0.5, (60, 40, 20)),
    ],
)
def test_the_tensor_has_the_layout_type_and_colours_of_the_entry(
    tmp_path, *, layout, dtype, colour, scale, pixel
):
    wanted = ModelInput(200, 200, layout, dtype, colour, pad=0, scale=scale)
    content = tiny_model(wanted.shape, dtype)
    path = tmp_path / "tiny.onnx"
    path.write_bytes(content)
    head = Head(Family.ULTRALYTICS_E2E, (), 80, 0, rows=2)
    entry = entry_of(content, input=wanted, head=head, nms_iou=None)
    picture = np.empty((100, 100, 3), np.uint8)
    picture[:] = pixel
    found = OnnxDetector(entry, path).detect(Frame(0.0, 0, picture))
    # The tiny model answers with the means of the channels as x0 y0 x1, and y1 = 500.
    np.testing.assert_allclose(found.boxes[0] * 200, [10, 20, 30, 200], rtol=1e-5)


# --- what is wrong with a file


def refusal(entry, path):
    with pytest.raises(ModelError) as caught:
        OnnxDetector(entry, path)
    sentence = str(caught.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert len(sentence) < 400
    return sentence


def test_missing(tmp_path):
    assert "No such file" in refusal(ENTRY, tmp_path / "none.onnx")


def test_a_folder_instead_of_a_file(tmp_path):
    assert "Is a directory" in refusal(ENTRY, tmp_path)


def test_truncated(tmp_path):
    path = tmp_path / "short.onnx"
    path.write_bytes(MODEL.read_bytes()[:-1000])
    assert f"should have {ENTRY.bytes}" in refusal(ENTRY, path)


def test_zero_bytes(tmp_path):
    path = tmp_path / "empty.onnx"
    path.touch()
    assert "has 0 bytes" in refusal(ENTRY, path)


def test_one_bit_wrong(tmp_path):
    content = bytearray(MODEL.read_bytes())
    content[len(content) // 2] ^= 1
    path = tmp_path / "damaged.onnx"
    path.write_bytes(content)
    assert "SHA-256" in refusal(ENTRY, path)


@pytest.mark.parametrize("content", [b"<html>not a model</html>", bytes(1000), b""])
def test_not_onnx_although_the_hash_is_right(tmp_path, content, capfd):
    path = tmp_path / "page.onnx"
    path.write_bytes(content)
    assert "not an ONNX model" in refusal(entry_of(content), path)
    assert capfd.readouterr() == ("", ""), "ONNX Runtime printed its own version of it"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"input": dataclasses.replace(ENTRY.input, any_multiple_of=0)},
            "input uint8 1×height×width×3 but",
        ),
        (
            {"input": dataclasses.replace(ENTRY.input, dtype="float32")},
            "says float 1×416×416×3",
        ),
        (
            {"head": Head(Family.YOLOX, (8, 16, 32), 80, 0)},
            "says float 1×3549×85",
        ),
        (
            {"head": dataclasses.replace(ENTRY.head, bins=8)},
            "says float 1×2704×1, float 1×676×1",
        ),
    ],
)
def test_another_shape_than_the_entry_says(changes, reason):
    assert reason in refusal(dataclasses.replace(ENTRY, **changes), MODEL)
