"""Which part of a picture is looked at, and how large."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.letterbox import Letterbox, View, input_size
from edge.regions import EVERYTHING, Interest
from edge.vocabulary import WHOLE, Region

shares = st.floats(0, 1)
sides = st.integers(1, 4000)


@pytest.mark.parametrize(
    ("picture", "size"),
    [
        ((1280, 720), (416, 256)),
        ((1920, 1080), (416, 256)),
        ((640, 360), (416, 256)),
        ((768, 576), (416, 320)),
        ((720, 1280), (256, 416)),
        ((500, 500), (416, 416)),
        ((320, 180), (320, 192)),
        ((1200, 300), (640, 160)),
        ((20, 10), (32, 32)),
    ],
)
def test_the_input_is_as_small_as_the_view_allows(picture, size):
    assert input_size(View(0, 0, *picture), 416, 32) == size


@given(width=sides, height=sides)
def test_an_input_is_never_more_work_than_a_square_one(width, height):
    across, down = input_size(View(0, 0, width, height), 416, 32)
    assert across % 32 == down % 32 == 0
    assert across * down <= 416 * 416 or min(across, down) == 32
    assert across < width + 32
    assert down < height + 32


@given(st.tuples(shares, shares, shares, shares), sides, sides)
def test_a_view_lies_in_the_picture_and_holds_the_region(corners, width, height):
    x0, y0, x1, y1 = corners
    region = Region(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    view = View.of(region, width, height)
    assert 0 <= view.left <= max(0, region.left * width)
    assert view.left + view.width >= min(width, region.right * width)
    assert view.left + view.width <= width
    assert 0 <= view.top <= max(0, region.top * height)
    assert view.top + view.height >= min(height, region.bottom * height)
    assert view.top + view.height <= height
    assert min(view.width, view.height) >= 1


def test_boxes_of_a_view_go_back_to_the_picture():
    box = Letterbox.fit(1000, 500, 416, 416, Region(0.5, 0.2, 0.9, 0.6))
    assert box.view == View(500, 100, 400, 200)
    assert (box.left, box.top, box.width, box.height) == (0, 104, 416, 208)
    inside = box.undo(np.float32([[0, 104, 416, 312], [104, 156, 208, 260], [-50, 0, 900, 416]]))
    np.testing.assert_allclose(
        inside, [[0.5, 0.2, 0.9, 0.6], [0.6, 0.3, 0.7, 0.5], [0.5, 0.2, 0.9, 0.6]], atol=1e-6
    )
    assert box.aspect == 2


def test_without_a_height_everything_is_looked_at():
    assert EVERYTHING.region(1.5) == Interest([(0.5, 0.5)]).region(1.5) == WHOLE
    assert Interest([], person_height=0.2).region(1.5) == WHOLE


def test_around_the_points_are_two_heights_of_a_person():
    """In a picture twice as wide as high a height is half as much of the width."""
    interest = Interest([(0.5, 0.5), (0.6, 0.5)], person_height=0.1)
    assert interest.region(2.0) == pytest.approx((0.4, 0.3, 0.7, 0.7))
    assert Interest([(0.05, 0.95)], person_height=0.2).region(1.0) == pytest.approx(
        (0.0, 0.55, 0.45, 1.0)
    )
