"""Decoders against tensors made by hand, geometry and suppression against properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge.detection import Candidates, Family, Head, people, suppress
from edge.letterbox import Letterbox

NANODET = Head(Family.NANODET, (8, 16, 32), classes=80, person=0, bins=11)
YOLOX = Head(Family.YOLOX, (8, 16, 32), classes=80, person=0)
RAW = Head(Family.ULTRALYTICS_RAW, (8, 16, 32), classes=80, person=0)
E2E = Head(Family.ULTRALYTICS_E2E, (), classes=80, person=0, rows=300)
HEADS = [NANODET, YOLOX, RAW, E2E]


def zeros(head, height, width):
    return [np.zeros(shape, np.float32) for shape in head.output_shapes(height, width)]


def test_output_shapes_at_416():
    assert NANODET.output_shapes(416, 416) == (
        *((1, 2704, 80), (1, 676, 80), (1, 169, 80)),
        *((1, 2704, 44), (1, 676, 44), (1, 169, 44)),
    )
    assert YOLOX.output_shapes(416, 416) == ((1, 3549, 85),)
    assert RAW.output_shapes(416, 416) == ((1, 84, 3549),)
    assert E2E.output_shapes(416, 416) == ((1, 300, 6),)


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.family)
def test_nobody_gives_empty_arrays(head):
    boxes, scores = head.decode(zeros(head, 64, 96), 64, 96, floor=0.1)
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_nanodet_reads_centre_and_distances_at_each_stride(level):
    outputs = zeros(NANODET, 256, 416)
    stride = NANODET.strides[level]
    row, column = 5, 2
    cell = row * (416 // stride) + column
    outputs[level][0, cell, 0] = 0.7
    for side, distance in enumerate([1, 2, 3, 4]):
        outputs[3 + level][0, cell, side * 11 + distance] = 80.0
    boxes, scores = NANODET.decode(outputs, 256, 416, floor=0.1)
    x, y = (column + 0.5) * stride, (row + 0.5) * stride
    expected = [x - stride, y - 2 * stride, x + 3 * stride, y + 4 * stride]
    np.testing.assert_allclose(boxes, [expected], rtol=1e-5)
    np.testing.assert_allclose(scores, [0.7])
    assert boxes.dtype == scores.dtype == np.float32


def test_nanodet_distance_is_the_mean_of_the_softmax():
    outputs = zeros(NANODET, 64, 64)
    outputs[0][0, 0, 0] = 0.7
    outputs[3][0, 0, :11] = -80
    outputs[3][0, 0, 2] = np.log(1.0)
    outputs[3][0, 0, 3] = np.log(3.0)
    boxes, _ = NANODET.decode(outputs, 64, 64, floor=0.1)
    assert boxes[0, 0] == pytest.approx((0.5 - 2.75) * 8)
    assert boxes[0, 1] == pytest.approx((0.5 - 5) * 8), "equal logits spread over 0 … 10"


def test_yolox_adds_the_grid_and_multiplies_the_scores():
    (output,) = outputs = zeros(YOLOX, 416, 416)
    second_level = 52 * 52
    cell = second_level + 3 * 26 + 7
    output[0, cell, :4] = 0.25, 0.5, np.log(2), np.log(4)
    output[0, cell, 4], output[0, cell, 5] = 0.5, 0.8
    boxes, scores = YOLOX.decode(outputs, 416, 416, floor=0.1)
    x, y = 7.25 * 16, 3.5 * 16
    np.testing.assert_allclose(boxes, [[x - 16, y - 32, x + 16, y + 32]], rtol=1e-5)
    np.testing.assert_allclose(scores, [0.4])


def test_ultralytics_raw_turns_centre_and_size_into_corners():
    (output,) = outputs = zeros(RAW, 416, 416)
    output[0, :4, 100] = 200, 100, 40, 80
    output[0, 4, 100] = 0.9
    boxes, scores = RAW.decode(outputs, 416, 416, floor=0.1)
    np.testing.assert_allclose(boxes, [[180, 60, 220, 140]])
    np.testing.assert_allclose(scores, [0.9])


def test_ultralytics_e2e_keeps_rows_as_they_are():
    (output,) = outputs = zeros(E2E, 416, 416)
    output[0, 4] = 10, 20, 30, 60, 0.6, 0
    boxes, scores = E2E.decode(outputs, 416, 416, floor=0.1)
    np.testing.assert_allclose(boxes, [[10, 20, 30, 60]])
    np.testing.assert_allclose(scores, [0.6])


def bicycle(head):
    """Return outputs in which the best cell is of class 1, not a person."""
    outputs = zeros(head, 416, 416)
    match head.family:
        case Family.NANODET:
            outputs[0][0, 9, 1] = 0.9
        case Family.YOLOX:
            outputs[0][0, 9, 4], outputs[0][0, 9, 6] = 1.0, 0.9
        case Family.ULTRALYTICS_RAW:
            outputs[0][0, 5, 9] = 0.9
        case Family.ULTRALYTICS_E2E:
            outputs[0][0, 9] = 10, 20, 30, 60, 0.9, 1
    return outputs


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head.family)
def test_only_the_person_class_is_read(head):
    outputs = bicycle(head)
    assert len(head.decode(outputs, 416, 416, floor=0.1).scores) == 0
    other = Head(head.family, head.strides, head.classes, 1, head.bins, head.rows)
    np.testing.assert_allclose(other.decode(outputs, 416, 416, floor=0.1).scores, [0.9])


def test_the_floor_itself_is_kept_and_less_is_not():
    outputs = zeros(NANODET, 64, 64)
    outputs[0][0, :3, 0] = 0.0999, 0.1, 0.2
    _, scores = NANODET.decode(outputs, 64, 64, floor=np.float32(0.1))
    np.testing.assert_allclose(scores, np.float32([0.1, 0.2]))


def test_letterbox_of_a_wide_picture():
    box = Letterbox.fit(1920, 1080, 416, 416)
    assert (box.left, box.top, box.width, box.height) == (0, 91, 416, 234)
    assert box.aspect == pytest.approx(16 / 9)


def test_letterbox_of_a_tall_picture():
    box = Letterbox.fit(300, 600, 416, 416)
    assert (box.left, box.top, box.width, box.height) == (104, 0, 208, 416)


@pytest.mark.parametrize("sizes", [(0, 10, 10, 10), (10, -1, 10, 10), (10, 10, 10, 0)])
def test_letterbox_refuses_sizes_that_are_not_positive(sizes):
    with pytest.raises(ValueError, match="at least one pixel"):
        Letterbox.fit(*sizes)


@given(
    picture=st.tuples(st.integers(1, 4000), st.integers(1, 4000)),
    tensor=st.tuples(st.integers(32, 1280), st.integers(32, 1280)),
    there=hnp.arrays(np.float32, (3, 4), elements=st.floats(0, 1, width=32)),
)
def test_letterbox_round_trip(picture, tensor, there):
    box = Letterbox.fit(*picture, *tensor)
    assert 0 <= box.left <= tensor[0] - box.width
    assert 0 <= box.top <= tensor[1] - box.height
    assert box.width == tensor[0] or box.height == tensor[1]
    size = np.float32([box.width, box.height] * 2)
    back = box.undo(there * size + np.float32([box.left, box.top] * 2))
    # A float32 near 1280 is coarse by 1e-4, which a one-pixel side does not forgive.
    assert np.abs(back - there).max() <= 5e-4 / min(box.width, box.height) + 1e-5


def test_undo_clips_to_the_picture():
    box = Letterbox.fit(200, 100, 416, 416)
    undone = box.undo(np.float32([[-50, 0, 900, 416]]))
    np.testing.assert_array_equal(undone, np.float32([[0, 0, 1, 1]]))


def overlap(one, other):
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    shared = float(np.prod(np.clip(high - low, 0, None)))
    areas = [float(np.prod(box[2:] - box[:2])) for box in (one, other)]
    return shared / (sum(areas) - shared)


corners = hnp.arrays(
    np.int64, st.tuples(st.integers(0, 12), st.just(4)), elements=st.integers(0, 9)
)


@st.composite
def scored_boxes(draw):
    raw = draw(corners).astype(np.float32)
    boxes = np.concatenate([raw[:, :2], raw[:, :2] + raw[:, 2:] + 1], axis=1)
    scores = draw(hnp.arrays(np.float32, len(boxes), elements=st.floats(0, 1, width=32)))
    return boxes, scores


@given(scored_boxes(), st.sampled_from([0.0, 0.3, 0.5, 0.6, 0.9]))
def test_suppression_keeps_the_best_and_nothing_that_overlaps_it(made, max_iou):
    boxes, scores = made
    kept = suppress(boxes, scores, max_iou)
    assert len(set(kept)) == len(kept)
    assert list(scores[kept]) == sorted(scores[kept], reverse=True)
    for place, index in enumerate(kept):
        for better in kept[:place]:
            assert overlap(boxes[index], boxes[better]) <= max_iou + 1e-6
    for index in set(range(len(boxes))) - set(kept):
        rivals = [k for k in kept if scores[k] >= scores[index]]
        assert any(overlap(boxes[index], boxes[k]) > max_iou - 1e-6 for k in rivals)


@given(scored_boxes())
def test_suppression_at_one_keeps_everything(made):
    boxes, scores = made
    assert sorted(suppress(boxes, scores, 1.0)) == list(range(len(boxes)))


@given(scored_boxes(), st.sampled_from([0.3, 0.6]))
def test_suppression_of_what_is_left_changes_nothing(made, max_iou):
    boxes, scores = made
    kept = suppress(boxes, scores, max_iou)
    assert suppress(boxes[kept], scores[kept], max_iou) == list(range(len(kept)))


def test_people_are_suppressed_ordered_and_in_the_picture():
    box = Letterbox.fit(416, 208, 416, 416)
    candidates = Candidates(
        np.float32([[10, 120, 30, 200], [200, 150, 240, 250], [201, 150, 240, 250]]),
        np.float32([0.3, 0.8, 0.9]),
    )
    found = people(candidates, box, max_iou=0.6)
    np.testing.assert_allclose(found.scores, np.float32([0.9, 0.3]))
    np.testing.assert_allclose(found.boxes[1], [10 / 416, 16 / 208, 30 / 416, 96 / 208], rtol=1e-5)
    assert found.boxes.dtype == found.scores.dtype == np.float32
    assert found.aspect == 2.0


def test_a_head_that_suppresses_by_itself_is_left_alone():
    box = Letterbox.fit(416, 416, 416, 416)
    twice = Candidates(np.float32([[0, 0, 9, 9]] * 2), np.float32([0.3, 0.8]))
    np.testing.assert_allclose(people(twice, box, max_iou=None).scores, np.float32([0.8, 0.3]))


def test_a_box_in_the_padding_is_dropped():
    box = Letterbox.fit(416, 208, 416, 416)
    above = Candidates(np.float32([[10, 5, 30, 100]]), np.float32([0.9]))
    found = people(above, box, max_iou=0.6)
    assert found.boxes.shape == (0, 4)
    assert len(found) == 0


def test_people_of_no_candidates():
    none = Candidates(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
    found = people(none, Letterbox.fit(416, 416, 416, 416), max_iou=0.6)
    assert found.boxes.shape == (0, 4)
    assert len(found) == 0
