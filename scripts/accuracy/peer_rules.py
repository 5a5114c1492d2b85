"""Counting rules of other libraries.

line-zone     supervision's LineZone on the bottom centre; `threshold` as in its manual.
centroid      norfair's demos: the estimate's point changes side between two frames, and
              its step passes between the ends of the line.
once-per-id   the documented behaviour of ultralytics' ObjectCounter (written anew; the
              package is AGPL and not used): the step of the box's centre crosses the line,
              and an id that has been counted is never counted again. Its direction is the
              true one of the step, which is kinder than the axis rule of the original.

The last two take the box's centre by default; `anchor` may be the bottom centre.
"""

from collections.abc import Callable
from typing import Any

from accuracy.detections import Footage
from accuracy.peer_types import Peer, Tracked, Values
from edge.geometry import anchor_of, isotropic, passage
from edge.vocabulary import Anchor, Crossing, Line, Outcome

Rule = Callable[[Tracked], list[Crossing]]


def rule_of(peer: Peer, values: Values, footage: Footage) -> Rule:
    """Make the counting rule: a function from one frame's tracks to crossings."""
    if peer.rule == "line-zone":
        return _line_zones(footage, int(values["threshold"]))
    anchor = Anchor.CENTRE if values["anchor"] == "centre" else Anchor.BOTTOM_CENTRE
    return _steps_over(footage, anchor, once=peer.rule == "once-per-id")


def _line_zones(footage: Footage, threshold: int) -> Rule:
    import supervision as sv  # noqa: PLC0415

    width, height = footage.size

    def zone(line: Line) -> Any:
        # LineZone's IN is from right to left of start→end, seen on the screen.
        ends = line.points if line.entry < 0 else line.points[::-1]
        start, end = (sv.Point(x * width, y * height) for x, y in (ends[0], ends[-1]))
        foot = [sv.Position.BOTTOM_CENTER]
        return sv.LineZone(start, end, foot, minimum_crossing_threshold=threshold)

    zones = [(line.id, zone(line)) for line in footage.lines]

    def rule(frame: Tracked) -> list[Crossing]:
        people = sv.Detections(xyxy=frame.boxes.reshape(-1, 4), tracker_id=frame.ids)
        found: list[Crossing] = []
        for line, counter in zones:
            came, went = counter.trigger(people)
            found += [Crossing(line, Outcome.IN, frame.at)] * int(came.sum())
            found += [Crossing(line, Outcome.OUT, frame.at)] * int(went.sum())
        return found

    return rule


def _steps_over(footage: Footage, anchor: Anchor, *, once: bool) -> Rule:
    width, height = footage.size
    aspect = width / height
    paths = [(line, [isotropic(p, aspect) for p in line.points]) for line in footage.lines]
    last: dict[int, tuple[float, float]] = {}
    counted: set[tuple[str, int]] = set()

    def rule(frame: Tracked) -> list[Crossing]:
        found: list[Crossing] = []
        for box, person in zip(frame.boxes / height, frame.ids.tolist(), strict=True):
            if person < 0:
                continue
            point = anchor_of(tuple(box), anchor)
            before, last[person] = last.get(person, point), point
            for line, path in paths:
                step = passage(before, point, path)
                if not step or (once and (line.id, person) in counted):
                    continue
                counted.add((line.id, person))
                way = Outcome.IN if step * line.entry > 0 else Outcome.OUT
                found.append(Crossing(line.id, way, frame.at))
        return found

    return rule
