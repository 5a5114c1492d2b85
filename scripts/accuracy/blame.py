"""Which event was missed or counted falsely, who it was, and which part is to blame.

A diagnosis, not a proof. Labelled people are paired one to one with the detections, and
with the observed tracks, of each frame (largest sum of overlaps, IoU 0.4 at least). For a
miss, the person whose step passed the line is looked at within a second of it:

detector      detected in less than 60 % of the frames, or on one side only
association   detected, but not followed by one and the same track before and after
rule          one track followed them over the line and the rule did not count it; the
              sentence says how far, in person-heights, the track was from the line on either
              side: below the dead-band of 0.1 it was never clear of it there

For a false count: detector when nobody labelled is under the track, association when the
labelled person under it changes within the second, else rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from accuracy import ours
from accuracy.clips import Clip, Labels, labels_of
from accuracy.detections import Footage, iou
from edge.assignment import assign
from edge.geometry import isotropic, passage, signed_distance
from edge.scoring import pair
from edge.vocabulary import Crossing, FloatArray, Line, Outcome, Point, Track, Tracks

PARTS = ("detector", "association", "rule")
_OVERLAP = 0.4
_SHOWN = 0.6
_WINDOW_S = 1.0
_LIFE_S = 3.0


@dataclass(frozen=True, slots=True)
class Event:
    """A miss or a false count: `where` is the anchor (normalised), `why` one sentence."""

    missed: bool
    crossing: Crossing
    line: Line
    where: Point
    part: str
    why: str


def events(clip: Clip, footage: Footage) -> list[Event]:
    """Diagnose every miss and false count of `ours` on one clip, in order of time."""
    steps = ours.follow(footage)
    paired = pair(footage.truth, [c for _, found in steps for c in found])
    case = _Case(clip, footage, labels_of(clip), [tracks for tracks, _ in steps[:-1]])
    found = [case.miss(c) for c in paired.misses]
    found += [case.false_count(c) for c in paired.false_counts]
    return sorted(found, key=lambda e: e.crossing.at)


@dataclass(frozen=True, slots=True)
class _Case:
    clip: Clip
    footage: Footage
    labels: list[Labels]
    tracks: list[Tracks]

    def line(self, crossing: Crossing) -> Line:
        return next(line for line in self.footage.lines if line.id == crossing.line)

    def miss(self, crossing: Crossing) -> Event:
        line = self.line(crossing)
        person, where = self._who_stepped(crossing, line)
        shown: dict[bool, list[bool]] = {False: [], True: []}
        followed: dict[bool, set[int]] = {False: set(), True: set()}
        for tracks, sample in zip(self.tracks, self.footage.samples, strict=False):
            labels = self.labels[self._frame(sample.at)]
            if abs(sample.at - crossing.at) > _WINDOW_S or person not in labels.ids:
                continue
            after = sample.at >= crossing.at
            shown[after].append(person in _pairs(labels, sample.detections.boxes))
            observed = [t for t in tracks.live if t.observed]
            pair = _pairs(labels, _boxes(observed)).get(person)
            followed[after] |= set() if pair is None else {observed[pair].id}
        both = shown[False] + shown[True]
        text = f"detected in {sum(both)} of {len(both)} frames within 1 s"
        if sum(both) < _SHOWN * len(both) or not (any(shown[False]) and any(shown[True])):
            return Event(True, crossing, line, where, "detector", text)
        same = followed[False] & followed[True]
        if not same:
            text += f"; {len(followed[False])} track(s) before, {len(followed[True])} other after"
            return Event(True, crossing, line, where, "association", text)
        text += "; its track was {:.2f} heights clear before, {:.2f} after".format(
            *self._clearance(same, crossing, line)
        )
        return Event(True, crossing, line, where, "rule", text)

    def _clearance(self, ids: set[int], crossing: Crossing, line: Line) -> tuple[float, float]:
        """How far a track was on the side it came from, and on the one it went to."""
        way = line.entry if crossing.outcome is Outcome.IN else -line.entry
        before = after = 0.0
        for tracks in self.tracks:
            if abs(tracks.at - crossing.at) > _LIFE_S:
                continue
            path = [isotropic(p, tracks.aspect) for p in line.points]
            for one in tracks.live:
                if one.id not in ids or not one.observed:
                    continue
                foot = isotropic(_foot(np.array(one.box)), tracks.aspect)
                offset = way * signed_distance(foot, path) / (one.box[3] - one.box[1])
                if tracks.at < crossing.at:
                    before = max(before, -offset)
                else:
                    after = max(after, offset)
        return before, after

    def false_count(self, crossing: Crossing) -> Event:
        line = self.line(crossing)
        track, where = self._which_track(crossing, line)
        people: list[int] = []
        for tracks in self.tracks:
            if abs(tracks.at - crossing.at) > _WINDOW_S:
                continue
            observed = [t for t in tracks.live if t.observed]
            pairs = _pairs(self.labels[self._frame(tracks.at)], _boxes(observed))
            people += [who for who, index in pairs.items() if observed[index].id == track]
        names = sorted(set(people))
        if not names:
            return Event(False, crossing, line, where, "detector", "nobody labelled is there")
        if len(names) > 1:
            why = f"the track passes over {len(names)} labelled people within 1 s"
            return Event(False, crossing, line, where, "association", why)
        return Event(False, crossing, line, where, "rule", "one labelled person under the track")

    def _frame(self, at: float) -> int:
        return min(len(self.labels) - 1, round(at * self.clip.fps))

    def _who_stepped(self, crossing: Crossing, line: Line) -> tuple[int | None, Point]:
        """Find the labelled person whose feet passed the line in this very frame."""
        frame = self._frame(crossing.at)
        aspect = self.clip.size[0] / self.clip.size[1]
        path = [isotropic(p, aspect) for p in line.points]
        way = line.entry if crossing.outcome is Outcome.IN else -line.entry
        now = self.labels[frame]
        for before in (self.labels[i] for i in range(frame - 1, max(-1, frame - 15), -1)):
            for person, box in zip(now.ids, now.boxes, strict=True):
                (old,) = np.nonzero(before.ids == person)
                if not len(old):
                    continue
                feet = _foot(before.boxes[old[0]]), _foot(box)
                if passage(*(isotropic(f, aspect) for f in feet), path) == way:
                    return int(person), feet[1]
        return None, _middle(line)

    def _which_track(self, crossing: Crossing, line: Line) -> tuple[int | None, Point]:
        last: dict[int, Point] = {}
        for tracks in self.tracks:
            path = [isotropic(p, tracks.aspect) for p in line.points]
            for one in tracks.live:
                if not one.observed:
                    continue
                foot = _foot(np.array(one.box))
                point = isotropic(foot, tracks.aspect)
                step = passage(last.get(one.id, point), point, path)
                last[one.id] = point
                if step and abs(tracks.at - crossing.at) < 1e-6:
                    return one.id, foot
        return None, _middle(line)


def _pairs(labels: Labels, boxes: FloatArray) -> dict[int, int]:
    """Pair labelled people with boxes: who → which."""
    overlap = iou(labels.boxes, boxes)
    rows, columns = assign(np.where(overlap >= _OVERLAP, overlap, 0.0))
    good = overlap[rows, columns] >= _OVERLAP
    return {int(labels.ids[r]): int(c) for r, c in zip(rows[good], columns[good], strict=True)}


def _boxes(tracks: Sequence[Track]) -> FloatArray:
    return np.array([t.box for t in tracks], np.float32).reshape(-1, 4)


def _foot(box: FloatArray) -> Point:
    return float(box[0] + box[2]) / 2, float(box[3])


def _middle(line: Line) -> Point:
    xs, ys = zip(*line.points, strict=True)
    return sum(xs) / len(xs), sum(ys) / len(ys)
