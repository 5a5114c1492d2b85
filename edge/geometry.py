"""Sides, distances and passages in the picture.

All functions here take points in *picture-heights*: y in 0..1 and x in 0..aspect,
so that one unit is the same length in both directions. `isotropic` converts.
"""

from collections.abc import Sequence
from itertools import combinations, pairwise
from math import hypot

from edge.vocabulary import Anchor, Point

Box = tuple[float, float, float, float]


def isotropic(point: Point, aspect: float) -> Point:
    """Turn a normalised point (x, y in 0..1) into picture-heights."""
    return point[0] * aspect, point[1]


def anchor_of(box: Box, anchor: Anchor) -> Point:
    """Return the normalised point of a normalised box that stands for the person."""
    x = (box[0] + box[2]) / 2
    return (x, box[3]) if anchor is Anchor.BOTTOM_CENTRE else (x, (box[1] + box[3]) / 2)


def box_iou(a: Box, b: Box) -> float:
    """Intersection over union of two corner boxes."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def cross(origin: Point, to: Point, point: Point) -> float:
    """Cross product of origin→to and origin→point.

    Positive when `point` lies to the right of the way as seen on the screen (y down).
    """
    return (to[0] - origin[0]) * (point[1] - origin[1]) - (to[1] - origin[1]) * (
        point[0] - origin[0]
    )


def passage(start: Point, end: Point, line: Sequence[Point]) -> int:
    """Net number of passages of the step start→end over a polyline, left to right positive.

    A point exactly on the line belongs to its right side, so that a walk which
    stops on the line is counted in one step only, never in none or two.
    """
    return sum(_step_over(start, end, a, b) for a, b in pairwise(line))


def _step_over(start: Point, end: Point, a: Point, b: Point) -> int:
    was_right = cross(a, b, start) >= 0
    is_right = cross(a, b, end) >= 0
    if was_right == is_right:
        return 0
    # Half-open in the other direction too: a vertex belongs to one segment only.
    if (cross(start, end, a) >= 0) == (cross(start, end, b) >= 0):
        return 0
    return 1 if is_right else -1


def crosses_itself(polygon: Sequence[Point]) -> bool:
    """Whether two sides of a closed polygon that do not meet in a corner pass over each other."""
    corners = [
        p for p, before in zip(polygon, [polygon[-1], *polygon], strict=False) if p != before
    ]
    sides = list(pairwise([*corners, *corners[:1]]))
    return any(
        passage(*first, second)
        for (i, first), (j, second) in combinations(enumerate(sides), 2)
        if 1 < j - i < len(sides) - 1
    )


def distance_to_segment(point: Point, a: Point, b: Point) -> float:
    """Distance from a point to a segment, in picture-heights."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    squared = dx * dx + dy * dy
    along = ((point[0] - a[0]) * dx + (point[1] - a[1]) * dy) / squared if squared > 0 else 0.0
    along = min(1.0, max(0.0, along))
    return hypot(point[0] - a[0] - along * dx, point[1] - a[1] - along * dy)


def signed_distance(point: Point, line: Sequence[Point]) -> float:
    """Distance to a polyline, positive on its right side, negative on its left.

    Near a vertex two segments are equally close and may disagree on the side;
    the one the point is further abeam of is right.
    """
    best = (float("inf"), 0.0, 0.0)
    for a, b in pairwise(line):
        length = hypot(b[0] - a[0], b[1] - a[1])
        abeam = cross(a, b, point) / length if length > 0 else 0.0
        near = round(distance_to_segment(point, a, b), 12)
        best = min(best, (near, -abs(abeam), abeam))
    return best[0] if best[2] >= 0 else -best[0]


def depth_inside(point: Point, polygon: Sequence[Point]) -> float:
    """Distance to the outline of a polygon, positive inside it, negative outside."""
    sides = list(pairwise([*polygon, polygon[0]]))
    near = min(distance_to_segment(point, a, b) for a, b in sides)
    return near if _is_inside(point, sides) else -near


def _is_inside(point: Point, sides: Sequence[tuple[Point, Point]]) -> bool:
    """Whether a ray to the right passes over an odd number of sides."""
    x, y = point
    inside = False
    for (ax, ay), (bx, by) in sides:
        # Half-open in y: a corner belongs to one of its sides only.
        if (ay > y) != (by > y) and x < ax + (y - ay) / (by - ay) * (bx - ax):
            inside = not inside
    return inside


def mean_depth(polygon: Sequence[Point]) -> float:
    """Area over outline: never more than how deep inside one can be, never less than half of it.

    The second half holds for convex polygons.
    """
    sides = list(pairwise([*polygon, polygon[0]]))
    area = abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in sides)) / 2
    outline = sum(hypot(b[0] - a[0], b[1] - a[1]) for a, b in sides)
    return area / outline if outline > 0 else 0.0
