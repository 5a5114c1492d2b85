"""Following people from frame to frame: `Tracker.update(detections, at)`.

Each frame's detections are assigned to the predictions of `motion` in four passes: sure
ones by overlap, weak ones by overlap (ByteTrack, Zhang et al. 2022,
https://arxiv.org/abs/2110.06864), sure ones by buffered boxes (C-BIoU, Yang et al. 2023,
https://arxiv.org/abs/2211.14317) and what is still left over by distance, from the
prediction or from where the person was last seen, whichever is nearer. The last one
and the worth of a detection that lies where its track was heading are the two ideas of
OC-SORT (Cao et al. 2023, https://arxiv.org/abs/2203.14360): a swap of two people who meet
on a line costs both their crossings.

All times are seconds, all lengths person-heights; dropped and irregular frames are
therefore nothing special. State is one row an active track and goes when it dies.
"""

from dataclasses import dataclass, field

import numpy as np

from edge.assignment import assign
from edge.motion import Bools, Floats, Ints, Motion, MotionSettings
from edge.vocabulary import Detections, FloatArray, Track, Tracks


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """Thresholds of the tracker; scores 0..1, times in seconds, lengths in person-heights.

    sure_score: from here on at least half of a model's detections are people, so one may
    begin a track. What it means differs between models; the catalog says it for each.
    Weaker detections only keep a track alive.
    heading_worth: what a detection straight ahead gains over one beside, in overlap; it
    counts fully from `heading_heights` of way and `heading_heights_per_s` of speed on.
    reach_heights, reach_heights_per_s: how far somebody may be from where they were
    expected or last seen, and how much farther for each second unseen; of about the same
    size, a factor of `reach_size_ratio` at most.
    detected_share: an observed track's box is so much the detection, the rest the filter's.
    """

    sure_score: float = 0.50
    min_iou: float = 0.25
    buffer_heights: float = 0.15
    min_buffered_iou: float = 0.15
    heading_worth: float = 0.10
    heading_heights: float = 0.30
    heading_heights_per_s: float = 0.30
    reach_heights: float = 0.40
    reach_heights_per_s: float = 0.60
    reach_size_ratio: float = 1.4
    duplicate_iou: float = 0.50
    lost_s: float = 1.5
    unproven_lost_s: float = 0.7
    proven_after_s: float = 0.5
    detected_share: float = 0.75
    motion: MotionSettings = field(default_factory=MotionSettings)


@dataclass(slots=True)
class _Pass:
    """What is not yet assigned, and what has been: tracks, sure and weak detections."""

    free: Ints
    sure: Ints
    weak: Ints
    pairs: list[tuple[Ints, Ints]] = field(default_factory=list)


class Tracker:
    """Gives each person one track. Not thread-safe; one instance per camera."""

    def __init__(self, settings: TrackerSettings | None = None, first_id: int = 1) -> None:
        """Begin without tracks; a random `first_id` keeps ids from meaning anything elsewhere."""
        self._settings = settings or TrackerSettings()
        self._motion = Motion(self._settings.motion)
        self._next_id = first_id
        self._at: float | None = None
        self._ids = np.zeros(0, dtype=np.int64)
        self._born = np.zeros(0)
        self._seen = np.zeros(0)
        self._score = np.zeros(0)
        self._last = np.zeros((0, 4))

    def __len__(self) -> int:
        """Count the tracks held, lost ones included."""
        return len(self._ids)

    def update(self, detections: Detections, at: float) -> Tracks:
        """Associate the detections of one frame, seconds `at`, with the tracks.

        Returns every live track, `observed` where this frame supports it, and the ids
        that ended. A lost track has the box that is expected.
        Raises ValueError when `at` is not later than the last frame.
        """
        if self._at is not None and at <= self._at:
            raise ValueError(f"frames must come in order: {at} is not after {self._at}")
        ended = self._bury(at)
        if self._at is not None:
            self._motion.predict(at - self._at)
        self._at = at
        boxes = _measure(detections.boxes, detections.aspect)
        self._associate(boxes, detections.scores.astype(np.float64), at)
        return Tracks(at, detections.aspect, self._live(at, detections.aspect), ended)

    def _bury(self, at: float) -> tuple[int, ...]:
        s = self._settings
        proven = self._seen - self._born >= s.proven_after_s
        # Nobody was missed by a picture that was not taken, however slow the camera is.
        missed = self._seen < (at if self._at is None else self._at)
        impatient = missed & ~proven
        keep: Bools = at - self._seen <= np.where(impatient, s.unproven_lost_s, s.lost_s)
        ended = tuple(int(i) for i in self._ids[~keep])
        if ended:
            self._motion.keep(keep)
            self._ids, self._born, self._last = self._ids[keep], self._born[keep], self._last[keep]
            self._seen, self._score = self._seen[keep], self._score[keep]
        return ended

    def _associate(self, boxes: Floats, scores: Floats, at: float) -> None:
        s = self._settings
        sure = scores >= s.sure_score
        todo = _Pass(np.arange(len(self._ids)), np.flatnonzero(sure), np.flatnonzero(~sure))
        if len(todo.free) and len(boxes):
            self._assign(todo, boxes, at)
        born = todo.sure[np.argsort(-scores[todo.sure], kind="stable")]
        if todo.pairs:
            tracks, detections = (np.concatenate(side) for side in zip(*todo.pairs, strict=True))
            self._note(tracks, boxes[detections], scores[detections], at)
        self._give_birth(born, boxes, scores, at)

    def _assign(self, todo: _Pass, boxes: Floats, at: float) -> None:
        """Assign detections (M, 4) to all tracks (N), the best evidence first."""
        s = self._settings
        heading = self._heading(boxes)
        overlap = _iou(_corners(self._motion.boxes), _corners(boxes))
        allowed, value = overlap >= s.min_iou, overlap + heading
        todo.free, todo.sure = _match(todo, todo.sure, allowed, value)
        todo.free, todo.weak = _match(todo, todo.weak, allowed, value)
        if not len(todo.free) or not len(todo.sure):
            return
        wide = s.buffer_heights
        overlap = _iou(_corners(self._motion.boxes, wide), _corners(boxes, wide))
        todo.free, todo.sure = _match(
            todo, todo.sure, overlap >= s.min_buffered_iou, overlap + heading
        )
        if len(todo.free) and len(todo.sure):
            nearness = self._nearness(boxes, at)
            todo.free, todo.sure = _match(todo, todo.sure, nearness > 0, nearness)

    def _heading(self, boxes: Floats) -> Floats:
        """What each detection gains by lying where a track was going (N, M), or loses."""
        s = self._settings
        way = boxes[None, :, :2] - self._last[:, None, :2]
        length = np.hypot(way[..., 0], way[..., 1])
        speed = np.hypot(self._motion.speeds[:, 0], self._motion.speeds[:, 1])
        ahead = way[..., 0] * self._motion.speeds[:, :1] + way[..., 1] * self._motion.speeds[:, 1:2]
        cosine = ahead / np.maximum(length * speed[:, None], 1e-9)
        height = self._motion.boxes[:, 3]
        far = np.minimum(length / (s.heading_heights * height)[:, None], 1.0)
        fast = np.minimum(speed / (s.heading_heights_per_s * height), 1.0)
        worth: Floats = s.heading_worth * far * fast[:, None] * cosine
        return worth

    def _nearness(self, boxes: Floats, at: float) -> Floats:
        """1 where a track is expected or was last seen, 0 out of its reach (N, M)."""
        s = self._settings
        nearest = np.full((len(self._ids), len(boxes)), np.inf)
        for known in (self._motion.boxes, self._last):
            away = boxes[None, :, :2] - known[:, None, :2]
            mean_height = (boxes[None, :, 3] + known[:, None, 3]) / 2
            nearest = np.minimum(nearest, np.hypot(away[..., 0], away[..., 1]) / mean_height)
        reach = s.reach_heights + s.reach_heights_per_s * (at - self._seen)[:, None]
        ratio = boxes[None, :, 3] / self._last[:, None, 3]
        alike = np.maximum(ratio, 1 / ratio) <= s.reach_size_ratio
        result: Floats = np.where(alike, np.maximum(1 - nearest / reach, 0.0), 0.0)
        return result

    def _note(self, tracks: Ints, boxes: Floats, scores: Floats, at: float) -> None:
        self._motion.correct(tracks, boxes)
        self._seen[tracks], self._score[tracks], self._last[tracks] = at, scores, boxes

    def _give_birth(self, born: Ints, boxes: Floats, scores: Floats, at: float) -> None:
        """Begin tracks, best detection first, but none on somebody who has one."""
        if not len(born):
            return
        taken = _corners(self._motion.boxes[self._seen == at])
        born = born[_distinct(_corners(boxes[born]), taken, self._settings.duplicate_iou)]
        self._motion.append(boxes[born])
        now = np.full(len(born), at)
        self._ids = np.concatenate((self._ids, self._next_id + np.arange(len(born))))
        self._next_id += len(born)
        self._born = np.concatenate((self._born, now))
        self._seen = np.concatenate((self._seen, now))
        self._score = np.concatenate((self._score, scores[born]))
        self._last = np.concatenate((self._last, boxes[born]))

    def _live(self, at: float, aspect: float) -> tuple[Track, ...]:
        observed = self._seen == at
        share = np.where(observed, self._settings.detected_share, 0.0)[:, None]
        boxes = share * self._last + (1 - share) * self._motion.boxes
        corners = (_corners(boxes) / (aspect, 1.0, aspect, 1.0)).tolist()
        rows = zip(
            self._ids.tolist(),
            corners,
            self._score.tolist(),
            self._born.tolist(),
            observed.tolist(),
            strict=True,
        )
        return tuple(Track(i, (b[0], b[1], b[2], b[3]), s, t, o) for i, b, s, t, o in rows)


def _match(todo: _Pass, candidates: Ints, allowed: Bools, value: Floats) -> tuple[Ints, Ints]:
    """Pair free tracks with candidates for the largest sum; return what is left of both."""
    free = todo.free
    if not len(free) or not len(candidates):
        return free, candidates
    grid = np.ix_(free, candidates)
    may = allowed[grid]
    # The offset makes one more pair always worth more than a better one.
    rows, columns = assign(np.where(may, value[grid] + 2.0, 0.0))
    good = may[rows, columns]
    rows, columns = rows[good], columns[good]
    if len(rows):
        todo.pairs.append((free[rows], candidates[columns]))
        free, candidates = _without(free, rows), _without(candidates, columns)
    return free, candidates


def _without(indices: Ints, places: Ints) -> Ints:
    left = np.ones(len(indices), dtype=bool)
    left[places] = False
    return indices[left]


def _distinct(boxes: Floats, taken: Floats, max_iou: float) -> Ints:
    """Indices of boxes, best first, that overlap neither a taken box nor a better one."""
    kept: list[int] = []
    for i in range(len(boxes)):
        others = np.concatenate((taken, boxes[kept]))
        if not len(others) or _iou(boxes[i : i + 1], others).max() < max_iou:
            kept.append(i)
    return np.array(kept, dtype=np.intp)


def _measure(boxes: FloatArray, aspect: float) -> Floats:
    """Normalised corners (N, 4) to centre x, centre y, width, height in picture-heights."""
    b: Floats = boxes * np.array([aspect, 1.0, aspect, 1.0])
    centred = np.empty_like(b)
    centred[:, :2] = (b[:, :2] + b[:, 2:]) / 2
    np.subtract(b[:, 2:], b[:, :2], out=centred[:, 2:])
    return centred


def _corners(centred: Floats, buffer_heights: float = 0.0) -> Floats:
    """Centre form (N, 4) to corners, each side moved out by a share of the box height."""
    centre, half = centred[:, :2], centred[:, 2:] / 2
    if buffer_heights:
        half += buffer_heights * centred[:, 3:]
    corners = np.empty_like(centred)
    np.subtract(centre, half, out=corners[:, :2])
    np.add(centre, half, out=corners[:, 2:])
    return corners


def _iou(a: Floats, b: Floats) -> Floats:
    """Intersection over union of corner boxes (N, 4) and (M, 4): (N, M)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    size = np.maximum(high - low, 0.0)
    shared = size[..., 0] * size[..., 1]
    area_a = (a[:, 2] - a[:, 0]) * (a[:, 3] - a[:, 1])
    area_b = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
    result: Floats = shared / np.maximum(area_a[:, None] + area_b[None, :] - shared, 1e-12)
    return result
