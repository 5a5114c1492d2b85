"""Trackers of other libraries, as their manuals show.

They are told the frame rate and get every detection of a frame. BoT-SORT runs without
camera motion compensation: no camera moves, and most clips have no pictures.
"""

import warnings
from collections.abc import Callable

import numpy as np

from accuracy.peer_types import Peer, Tracked, Values

Step = Callable[[float, np.ndarray, np.ndarray], Tracked]


def tracker_of(peer: Peer, values: Values, fps: float) -> Step:
    """Make the library's tracker: a function from one frame's boxes to its tracks."""
    make = _norfair if peer.tracker == "norfair" else _roboflow
    return make(peer.tracker, values, fps)


def _roboflow(name: str, values: Values, fps: float) -> Step:
    import supervision  # noqa: PLC0415 - only the bench has it
    import trackers  # noqa: PLC0415

    birth, high, iou = (float(values[k]) for k in ("birth", "high", "iou"))
    common = {"frame_rate": fps, "minimum_consecutive_frames": int(values["confirm"])}
    common["high_conf_det_threshold"] = high
    match name:
        case "bytetrack":
            tracker = trackers.ByteTrackTracker(
                track_activation_threshold=birth, minimum_iou_threshold=iou, **common
            )
        case "ocsort":
            tracker = trackers.OCSORTTracker(minimum_iou_threshold=iou, **common)
        case "botsort":
            tracker = trackers.BoTSORTTracker(
                track_activation_threshold=birth,
                minimum_iou_threshold_first_assoc=iou,
                enable_cmc=False,
                **common,
            )
        case _:
            tracker = trackers.CBIoUTracker(
                track_activation_threshold=birth, minimum_iou_threshold_first_assoc=iou, **common
            )

    def step(at: float, boxes: np.ndarray, scores: np.ndarray) -> Tracked:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            seen = tracker.update(supervision.Detections(xyxy=boxes, confidence=scores))
        return Tracked(at, seen.xyxy, seen.tracker_id)

    return step


def _norfair(_name: str, values: Values, _fps: float) -> Step:
    import norfair  # noqa: PLC0415

    tracker = norfair.Tracker(
        distance_function="iou",
        distance_threshold=float(values["distance"]),
        initialization_delay=int(values["delay"]),
    )
    birth = float(values["birth"])

    def step(at: float, boxes: np.ndarray, scores: np.ndarray) -> Tracked:
        found = [
            norfair.Detection(box.reshape(2, 2), np.array([score, score]))
            for box, score in zip(boxes, scores, strict=True)
            if score >= birth
        ]
        people = tracker.update(found)
        estimates = np.array([p.estimate.reshape(4) for p in people]).reshape(-1, 4)
        return Tracked(at, estimates, np.array([p.id for p in people], np.int64))

    return step
