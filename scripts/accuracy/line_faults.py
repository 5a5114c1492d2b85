"""Good lines made bad on purpose, one kind of fault at a time, by rule and seeded by name.

never-reached   horizontal, above everybody's feet by half a person-height
near-edge       along the border over which most people come and go, 1.5 % inside it
lengthwise      turned by 90 degrees about its middle
ends-short      the half of it before the median of where people pass
occluder        nobody is seen within 0.6 person-heights of it
door            nobody is seen behind it
standing        half as many people as are labelled stand on it, 4 s each
few-pictures    two pictures a second
small           the picture shrunk until people are a thirtieth of its longer side
steep           every box as wide as high, half a person high, at the feet, as from above
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np

from accuracy.clips import Labels
from accuracy.detections import Sample
from edge.geometry import isotropic, passage, signed_distance
from edge.vocabulary import Detections, FloatArray, Line, Point

FEWEST = 3
"""People who have to pass, or the fault is not there to be found."""
OCCLUDER_HEIGHTS = 0.6
STAND_S = 4.0
FEW_FPS = 2.0
SMALL = 1 / 30
_EDGE = 0.015


@dataclass(frozen=True)
class Scene:
    """What a fault is made from: labels of the used pictures, what a detector saw, a good line."""

    clip: str
    labels: Sequence[Labels]
    samples: Sequence[Sample]
    line: Line
    aspect: float


@dataclass(frozen=True)
class Fault:
    """A line and detections with a fault. expected: codes that name it rightly.

    of_place: another line mends it.
    """

    kind: str
    line: Line
    samples: Sequence[Sample]
    expected: tuple[str, ...]
    of_place: bool


def faults(scene: Scene, few: Sequence[Sample]) -> list[Fault]:
    """Return every fault that the scene allows; `few`: the detections at FEW_FPS."""
    places: dict[str, tuple[Line | None, tuple[str, ...]]] = {
        "never-reached": (_above_feet(scene), ("never_reached",)),
        "near-edge": (_at_border(scene), ("near_edge",)),
        "lengthwise": (_turned(scene), ("lengthwise",)),
        "ends-short": (_halved(scene), ("ends_short",)),
    }
    found = [
        Fault(kind, line, scene.samples, expected, True)
        for kind, (line, expected) in places.items()
        if line is not None
    ]
    breaks = ("breaks_here", "breaks_everywhere")
    seen: dict[str, tuple[Sequence[Sample], tuple[str, ...], bool]] = {
        "occluder": (_hidden(scene, _is_near), breaks, True),
        "door": (_hidden(scene, _is_behind), breaks, True),
        "standing": (_with_standing(scene), ("standing_on_line",), True),
        "few-pictures": (few, ("too_few_pictures",), False),
        "steep": (_from_above(scene), ("too_steep",), False),
    }
    found += [Fault(kind, scene.line, *what) for kind, what in seen.items()]
    share = _shrink_to(scene)
    small = replace(scene.line, points=tuple(_shrunk(p, share) for p in scene.line.points))
    return [*found, Fault("small", small, _all_shrunk(scene, share), ("too_small",), False)]


def _feet(boxes: FloatArray, aspect: float) -> FloatArray:
    return np.stack([(boxes[:, 0] + boxes[:, 2]) / 2 * aspect, boxes[:, 3]], axis=1)


def _height(scene: Scene) -> float:
    boxes = np.concatenate([people.boxes for people in scene.labels])
    return float(np.median(boxes[:, 3] - boxes[:, 1]))


def _above_feet(scene: Scene) -> Line | None:
    feet = np.concatenate([_feet(people.boxes, scene.aspect) for people in scene.labels])
    heights = np.concatenate([p.boxes[:, 3] - p.boxes[:, 1] for p in scene.labels])
    y = float((feet[:, 1] - heights / 2).min())
    return replace(scene.line, points=((0.2, y), (0.8, y)), entry=1) if y > 0.01 else None


def _at_border(scene: Scene) -> Line | None:
    """Lay the line along the border that most people come or go over."""
    first: dict[int, FloatArray] = {}
    last: dict[int, FloatArray] = {}
    for people in scene.labels:
        for person, box in zip(people.ids, people.boxes, strict=True):
            first.setdefault(int(person), box)
            last[int(person)] = box
    begun = {int(person) for person in scene.labels[0].ids}
    there = {int(person) for person in scene.labels[-1].ids}
    boxes = [box for person, box in first.items() if person not in begun]
    boxes += [box for person, box in last.items() if person not in there]
    table = np.array(boxes, np.float64).reshape(-1, 4)
    over = {"left": table[:, 0] < 0.02, "right": table[:, 2] > 0.98}
    side = max(over, key=lambda name: int(over[name].sum()))
    if over[side].sum() < FEWEST:
        return None
    x = _EDGE if side == "left" else 1 - _EDGE
    y = table[over[side], 3]
    low, high = max(0.01, float(y.min()) - 0.1), min(0.99, float(y.max()) + 0.1)
    return replace(scene.line, points=((x, low), (x, high)), entry=1)


def _turned(scene: Scene) -> Line:
    a, b = (np.array(isotropic(p, scene.aspect)) for p in scene.line.points)
    middle, half = (a + b) / 2, (b - a) / 2
    turned = np.array([-half[1], half[0]])
    ends = [middle - turned, middle + turned]
    limit = np.array([scene.aspect, 1.0])
    points = tuple(tuple(map(float, np.clip(e / limit, 0.01, 0.99))) for e in ends)
    return replace(scene.line, points=points)


def _halved(scene: Scene) -> Line | None:
    path = [isotropic(p, scene.aspect) for p in scene.line.points]
    a, b = np.array(path[0]), np.array(path[-1])
    last: dict[int, Point] = {}
    places = []
    for people in scene.labels:
        for person, foot in zip(people.ids, _feet(people.boxes, scene.aspect), strict=True):
            spot = (float(foot[0]), float(foot[1]))
            before = last.get(int(person))
            if before is not None and passage(before, spot, path):
                places.append(float((np.array(spot) - a) @ (b - a) / ((b - a) @ (b - a))))
            last[int(person)] = spot
    if len(places) < 2 * FEWEST:
        return None
    end = a + float(np.median(places)) * (b - a)
    point = (float(end[0]) / scene.aspect, float(end[1]))
    return replace(scene.line, points=(scene.line.points[0], point))


def _is_near(offset: float) -> bool:
    return abs(offset) < OCCLUDER_HEIGHTS


def _is_behind(offset: float) -> bool:
    return offset < 0


def _hidden(scene: Scene, is_hidden: Callable[[float], bool]) -> list[Sample]:
    path = [isotropic(p, scene.aspect) for p in scene.line.points]
    kept = []
    for sample in scene.samples:
        boxes = sample.detections.boxes
        heights = boxes[:, 3] - boxes[:, 1]
        offsets = [
            signed_distance((float(x), float(y)), path) / max(float(h), 1e-6)
            for (x, y), h in zip(_feet(boxes, scene.aspect), heights, strict=True)
        ]
        seen = np.array([not is_hidden(offset) for offset in offsets], bool)
        kept.append(_with(sample, boxes[seen], sample.detections.scores[seen]))
    return kept


def _with_standing(scene: Scene) -> list[Sample]:
    chance = np.random.default_rng(crc32(f"{scene.clip} {scene.line.id} standing".encode()))
    begin, end = scene.samples[0].at, scene.samples[-1].at
    height = _height(scene)
    count = max(FEWEST, len({int(i) for people in scene.labels for i in people.ids}) // 2)
    (x0, y0), (x1, y1) = scene.line.points[0], scene.line.points[-1]
    people = []
    for _ in range(count):
        since, along = chance.uniform(begin, max(begin, end - STAND_S)), chance.uniform(0.1, 0.9)
        people.append((since, x0 + along * (x1 - x0), y0 + along * (y1 - y0)))
    width = 0.4 * height / scene.aspect
    result = []
    for sample in scene.samples:
        there = [(x, y) for since, x, y in people if since <= sample.at <= since + STAND_S]
        spots = np.array(there, np.float64).reshape(-1, 2)
        spots += chance.normal(0, 0.03 * height, spots.shape)
        low = spots - np.array([width / 2, height])
        boxes = np.concatenate([low, low + np.array([width, height])], axis=1)
        found = sample.detections
        result.append(
            _with(
                sample,
                np.concatenate([found.boxes, boxes.astype(np.float32)]),
                np.concatenate([found.scores, np.full(len(boxes), 0.9, np.float32)]),
            )
        )
    return result


def _from_above(scene: Scene) -> list[Sample]:
    changed = []
    for sample in scene.samples:
        boxes = sample.detections.boxes.copy()
        half = (boxes[:, 3] - boxes[:, 1]) / 4
        middle, foot = (boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3].copy()
        boxes[:, 0], boxes[:, 2] = middle - half / scene.aspect, middle + half / scene.aspect
        boxes[:, 1], boxes[:, 3] = foot - half, foot + half
        changed.append(_with(sample, boxes, sample.detections.scores))
    return changed


def _shrink_to(scene: Scene) -> float:
    return min(1.0, SMALL * max(1.0, scene.aspect) / _height(scene))


def _shrunk(point: Point, share: float) -> Point:
    return 0.5 + share * (point[0] - 0.5), 0.5 + share * (point[1] - 0.5)


def _all_shrunk(scene: Scene, share: float) -> list[Sample]:
    return [
        _with(s, 0.5 + np.float32(share) * (s.detections.boxes - 0.5), s.detections.scores)
        for s in scene.samples
    ]


def _with(sample: Sample, boxes: FloatArray, scores: FloatArray) -> Sample:
    return Sample(sample.at, Detections(boxes, scores, sample.detections.aspect))
