"""Following people from frame to frame: `Tracker.update(detections, at)`.

A constant-velocity Kalman filter on centre, width and height (SORT, Bewley et al.
2016, https://arxiv.org/abs/1602.00763), noise scaled by the person's own height
(DeepSORT, Wojke et al. 2017, https://arxiv.org/abs/1703.07402) and by real time,
with low-score detections in a second pass (ByteTrack, Zhang et al. 2022,
https://arxiv.org/abs/2110.06864) and a last pass with buffered boxes (C-BIoU, Yang
et al. 2023, https://arxiv.org/abs/2211.14317).

All times are seconds, all lengths person-heights; dropped and irregular frames are
therefore nothing special. State is one row an active track and goes when it dies.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from edge.vocabulary import Detections, FloatArray, Track, Tracks

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """Thresholds of the tracker; scores 0..1, times in seconds, lengths in person-heights.

    sure_score: from here on at least half of a model's detections are people, so one may
    begin a track. What it means differs between models; the catalog says it for each.
    Weaker detections only keep a track alive.
    """

    sure_score: float = 0.50
    min_iou: float = 0.25
    buffer_heights: float = 0.25
    min_buffered_iou: float = 0.15
    duplicate_iou: float = 0.50
    lost_s: float = 1.5
    unproven_lost_s: float = 0.5
    proven_after_s: float = 0.5
    position_noise_heights: float = 0.05
    size_noise_heights: float = 0.08
    acceleration_noise_heights: float = 0.6
    size_acceleration_noise_heights: float = 0.15
    birth_speed_heights_per_s: float = 1.0


@dataclass(frozen=True, slots=True)
class _Observation:
    """One frame's detections: boxes (N, 4) in centre form, picture-heights."""

    boxes: Floats
    scores: Floats
    at: float


@dataclass(frozen=True, slots=True)
class _Gate:
    """How far a detection may lie from a prediction to be the same person."""

    buffer_heights: float
    min_iou: float


class Tracker:
    """Gives each person one track. Not thread-safe; one instance per camera."""

    def __init__(self, settings: TrackerSettings | None = None, first_id: int = 1) -> None:
        """Begin without tracks; a random `first_id` keeps ids from meaning anything elsewhere."""
        self._settings = settings or TrackerSettings()
        self._next_id = first_id
        self._at: float | None = None
        self._mean = np.zeros((0, 4, 2))
        self._var = np.zeros((0, 4, 3))
        self._ids = np.zeros(0, dtype=np.int64)
        self._born = np.zeros(0)
        self._seen = np.zeros(0)
        self._score = np.zeros(0)

    def __len__(self) -> int:
        """Count the tracks held, lost ones included."""
        return len(self._ids)

    def update(self, detections: Detections, at: float) -> Tracks:
        """Associate the detections of one frame, seconds `at`, with the tracks.

        Returns every live track, `observed` where this frame supports it, and the ids
        that ended. Raises ValueError when `at` is not later than the last frame.
        """
        if self._at is not None and at <= self._at:
            raise ValueError(f"frames must come in order: {at} is not after {self._at}")
        ended = self._bury(at)
        if self._at is not None:
            self._predict(at - self._at)
        self._at = at
        boxes = _measure(detections.boxes, detections.aspect)
        self._associate(_Observation(boxes, detections.scores.astype(np.float64), at))
        return Tracks(at, detections.aspect, self._live(at, detections.aspect), ended)

    def _bury(self, at: float) -> tuple[int, ...]:
        s = self._settings
        proven = self._seen - self._born >= s.proven_after_s
        keep = at - self._seen <= np.where(proven, s.lost_s, s.unproven_lost_s)
        ended = tuple(int(i) for i in self._ids[~keep])
        if ended:
            self._select(keep)
        return ended

    def _select(self, keep: npt.NDArray[np.bool_]) -> None:
        self._mean, self._var = self._mean[keep], self._var[keep]
        self._ids, self._born = self._ids[keep], self._born[keep]
        self._seen, self._score = self._seen[keep], self._score[keep]

    def _predict(self, dt: float) -> None:
        s = self._settings
        height = self._mean[:, 3, 0, None]
        noise = np.array(
            [s.acceleration_noise_heights] * 2 + [s.size_acceleration_noise_heights] * 2
        )
        q = (noise * height) ** 2
        p, c, v = (self._var[:, :, k] for k in range(3))
        self._mean[:, :, 0] += dt * self._mean[:, :, 1]
        np.maximum(self._mean[:, 2:, 0], 1e-3, out=self._mean[:, 2:, 0])
        self._var = np.stack(
            (
                p + 2 * dt * c + dt * dt * v + q * dt**3 / 3,
                c + dt * v + q * dt * dt / 2,
                v + q * dt,
            ),
            axis=2,
        )

    def _associate(self, seen: _Observation) -> None:
        s = self._settings
        sure = np.flatnonzero(seen.scores >= s.sure_score)
        weak = np.flatnonzero(seen.scores < s.sure_score)
        tight = _Gate(0.0, s.min_iou)
        wide = _Gate(s.buffer_heights, s.min_buffered_iou)
        free = np.arange(len(self._ids))
        free, sure = self._match(free, sure, seen, tight)
        free, _ = self._match(free, weak, seen, tight)
        _, sure = self._match(free, sure, seen, wide)
        self._give_birth(sure[np.argsort(-seen.scores[sure], kind="stable")], seen)

    def _match(
        self, tracks: Ints, candidates: Ints, seen: _Observation, gate: _Gate
    ) -> tuple[Ints, Ints]:
        """Assign candidates to tracks, correct the filters; return what is left of both."""
        if not len(tracks) or not len(candidates):
            return tracks, candidates
        overlap = _iou(
            _corners(self._mean[tracks, :, 0], gate.buffer_heights),
            _corners(seen.boxes[candidates], gate.buffer_heights),
        )
        allowed = overlap >= gate.min_iou
        rows, columns = linear_sum_assignment(np.where(allowed, overlap, 0.0), maximize=True)
        good = allowed[rows, columns]
        rows, columns = rows[good], columns[good]
        self._correct(tracks[rows], seen.boxes[candidates[columns]])
        self._seen[tracks[rows]] = seen.at
        self._score[tracks[rows]] = seen.scores[candidates[columns]]
        return np.delete(tracks, rows), np.delete(candidates, columns)

    def _correct(self, tracks: Ints, measured: Floats) -> None:
        s = self._settings
        height = self._mean[tracks, 3, 0, None]
        noise = np.array([s.position_noise_heights] * 2 + [s.size_noise_heights] * 2)
        p, c, v = (self._var[tracks][:, :, k] for k in range(3))
        total = p + (noise * height) ** 2
        gain, speed_gain = p / total, c / total
        miss = measured - self._mean[tracks, :, 0]
        self._mean[tracks, :, 0] += gain * miss
        self._mean[tracks, :, 1] += speed_gain * miss
        self._var[tracks] = np.stack(
            ((1 - gain) * p, (1 - gain) * c, v - speed_gain * c),
            axis=2,
        )

    def _give_birth(self, born: Ints, seen: _Observation) -> None:
        s = self._settings
        measured = seen.boxes
        taken = _corners(self._mean[self._seen == seen.at, :, 0], 0.0)
        born = born[_distinct(_corners(measured[born], 0.0), taken, s.duplicate_iou)]
        if not len(born):
            return
        height = measured[born, 3, None]
        noise = np.array([s.position_noise_heights] * 2 + [s.size_noise_heights] * 2)
        speed = np.array([1.0, 1.0, 0.1, 0.1]) * s.birth_speed_heights_per_s
        mean = np.stack((measured[born], np.zeros((len(born), 4))), axis=2)
        var = np.stack(
            ((noise * height) ** 2, np.zeros((len(born), 4)), (speed * height) ** 2), axis=2
        )
        self._mean = np.concatenate((self._mean, mean))
        self._var = np.concatenate((self._var, var))
        self._ids = np.concatenate((self._ids, self._next_id + np.arange(len(born))))
        self._next_id += len(born)
        self._born = np.concatenate((self._born, np.full(len(born), seen.at)))
        self._seen = np.concatenate((self._seen, np.full(len(born), seen.at)))
        self._score = np.concatenate((self._score, seen.scores[born]))

    def _live(self, at: float, aspect: float) -> tuple[Track, ...]:
        corners = _corners(self._mean[:, :, 0], 0.0) / (aspect, 1.0, aspect, 1.0)
        return tuple(
            Track(
                id=int(self._ids[i]),
                box=(float(box[0]), float(box[1]), float(box[2]), float(box[3])),
                score=float(self._score[i]),
                born_at=float(self._born[i]),
                observed=bool(self._seen[i] == at),
            )
            for i, box in enumerate(corners)
        )


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
    b = boxes.astype(np.float64) * (aspect, 1.0, aspect, 1.0)
    return np.stack(
        ((b[:, 0] + b[:, 2]) / 2, (b[:, 1] + b[:, 3]) / 2, b[:, 2] - b[:, 0], b[:, 3] - b[:, 1]),
        axis=1,
    )


def _corners(centred: Floats, buffer_heights: float) -> Floats:
    """Centre form (N, 4) to corners, each side moved out by a share of the box height."""
    half = centred[:, 2:] / 2 + buffer_heights * centred[:, 3:]
    return np.concatenate((centred[:, :2] - half, centred[:, :2] + half), axis=1)


def _iou(a: Floats, b: Floats) -> Floats:
    """Intersection over union of corner boxes (N, 4) and (M, 4): (N, M)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0.0, None), axis=2)
    area_a = np.prod(a[:, 2:] - a[:, :2], axis=1)
    area_b = np.prod(b[:, 2:] - b[:, :2], axis=1)
    union = area_a[:, None] + area_b[None, :] - shared
    result: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return result
