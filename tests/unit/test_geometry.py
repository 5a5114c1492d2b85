import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.geometry import (
    anchor_of,
    crosses_itself,
    depth_inside,
    distance_to_segment,
    mean_depth,
    passage,
    signed_distance,
)
from edge.vocabulary import Anchor

LINE = ((0.2, 0.5), (0.8, 0.5))
share = st.floats(0, 1, allow_nan=False)
point = st.tuples(share, share)


def test_down_over_a_line_drawn_left_to_right_is_left_to_right():
    assert passage((0.5, 0.4), (0.5, 0.6), LINE) == 1
    assert passage((0.5, 0.6), (0.5, 0.4), LINE) == -1
    assert passage((0.9, 0.4), (0.9, 0.6), LINE) == 0


def test_signed_distance_is_positive_on_the_right():
    assert signed_distance((0.5, 0.7), LINE) == pytest.approx(0.2)
    assert signed_distance((0.5, 0.4), LINE) == pytest.approx(-0.1)
    assert signed_distance((0.9, 0.5), LINE) == pytest.approx(0.1)


def test_near_a_sharp_corner_the_arm_further_abeam_decides_the_side():
    arrow = ((0.4, 0.2), (0.5, 0.5), (0.6, 0.2))
    assert signed_distance((0.6, 0.55), arrow) > 0
    assert signed_distance((0.4, 0.55), arrow) > 0
    assert signed_distance((0.5, 0.3), arrow) < 0


def test_anchors():
    box = (0.1, 0.2, 0.3, 0.8)
    assert anchor_of(box, Anchor.BOTTOM_CENTRE) == pytest.approx((0.2, 0.8))
    assert anchor_of(box, Anchor.CENTRE) == pytest.approx((0.2, 0.5))


@given(point, point, point)
def test_a_stop_on_the_way_changes_no_passage(a, b, c):
    """Steps add up: a→b→c passes as often as the triangle a→c winds round the ends allows."""
    whole = passage(a, b, LINE) + passage(b, c, LINE) + passage(c, a, LINE)
    inside = [end for end in LINE if _in_triangle(end, a, b, c)]
    if not inside:
        assert whole == 0


@given(point, point)
def test_reversing_the_line_swaps_the_passage(a, b):
    on_line = any(abs(p[1] - 0.5) < 1e-9 for p in (a, b))
    if not on_line:
        assert passage(a, b, LINE) == -passage(a, b, LINE[::-1])


@given(point, point, point)
def test_distance_is_never_more_than_to_the_ends(p, a, b):
    ends = min(((p[0] - e[0]) ** 2 + (p[1] - e[1]) ** 2) ** 0.5 for e in (a, b))
    assert distance_to_segment(p, a, b) <= ends + 1e-9


def _in_triangle(p, a, b, c):
    def side(o, q):
        return (q[0] - o[0]) * (p[1] - o[1]) - (q[1] - o[1]) * (p[0] - o[0])

    signs = [side(a, b), side(b, c), side(c, a)]
    return all(s >= -1e-9 for s in signs) or all(s <= 1e-9 for s in signs)


@given(
    st.lists(st.floats(0, 6.28), min_size=3, max_size=9, unique=True),
    st.integers(0, 8),
    st.booleans(),
    st.booleans(),
)
def test_a_convex_polygon_never_crosses_itself(angles, first, backwards, closed):
    corners = [(0.5 + 0.4 * math.cos(a), 0.5 + 0.4 * math.sin(a)) for a in sorted(angles)]
    first %= len(corners)
    corners = corners[first:] + corners[:first]
    corners = corners[::-1] if backwards else corners
    assert not crosses_itself(corners + corners[:1] if closed else corners)


def test_a_polygon_with_its_corners_out_of_order_crosses_itself():
    square = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    assert not crosses_itself(square)
    assert not crosses_itself(square[:3])
    assert crosses_itself([square[0], square[2], square[1], square[3]])


# A room with a corner cut out of it, drawn in either direction.
ROOM = ((0.0, 0.0), (0.8, 0.0), (0.8, 0.4), (0.4, 0.4), (0.4, 0.8), (0.0, 0.8))


@pytest.mark.parametrize("outline", [ROOM, ROOM[::-1], ROOM[2:] + ROOM[:2]])
@pytest.mark.parametrize(
    ("at", "depth"),
    [
        ((0.2, 0.2), 0.2),
        ((0.1, 0.7), 0.1),
        ((0.6, 0.6), -0.2),  # in the corner that is cut out
        ((0.4, 0.2), 0.2),  # level with two corners
        ((0.2, 0.4), 0.2),
        ((-0.1, 0.4), -0.1),
        ((-0.1, 0.8), -0.1),
        ((1.1, 0.8), -0.5),
        ((0.3, 0.8), 0.0),
    ],
)
def test_depth_inside_is_the_distance_to_the_outline(outline, at, depth):
    assert depth_inside(at, outline) == pytest.approx(depth)


@given(point)
def test_what_is_inside_one_half_of_a_polygon_is_outside_the_other(at):
    left, right = ((0, 0), (0.3, 0), (0.7, 1), (0, 1)), ((0.3, 0), (1, 0), (1, 1), (0.7, 1))
    within = [depth_inside(at, half) for half in (left, right)]
    if all(abs(depth) > 1e-9 for depth in within):
        assert sorted(depth > 0 for depth in within) == [False, True]


def test_mean_depth_is_area_over_outline():
    assert mean_depth(((0, 0), (4, 0), (4, 1), (0, 1))) == pytest.approx(4 / 10)
    assert mean_depth(((0, 1), (4, 1), (4, 0), (0, 0))) == pytest.approx(4 / 10)
    assert mean_depth(((0, 0), (1, 1), (2, 2))) == 0
    assert mean_depth(((1, 1), (1, 1), (1, 1))) == 0
