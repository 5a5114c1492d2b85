"""The counters a user would otherwise build: a tracker of a library with its counting rule.

peer_trackers   ByteTrack, OC-SORT, BoT-SORT, C-BIoU of Roboflow's `trackers`, and norfair
peer_rules      supervision's LineZone, norfair's centroid, ultralytics' once-per-id
"""

import importlib.util
import time
from collections.abc import Sequence

import numpy as np

from accuracy.detections import Footage
from accuracy.peer_rules import rule_of
from accuracy.peer_trackers import tracker_of
from accuracy.peer_types import Peer, Tracked, Values
from edge.vocabulary import Crossing

__all__ = [
    "HOW_TO_INSTALL",
    "PEERS",
    "Peer",
    "Tracked",
    "Values",
    "count",
    "installed",
    "timed",
    "track",
]

PACKAGES = ("trackers", "supervision", "norfair")
HOW_TO_INSTALL = (
    "the peers are not installed, so only `ours` is counted;"
    " scripts/bench accuracy installs them when a package index is reachable"
)

_TWO_STAGE = {"birth": 0.7, "high": 0.6, "confirm": 2}
PEERS = (
    Peer(
        "ByteTrack+LineZone", "bytetrack", "line-zone", {**_TWO_STAGE, "iou": 0.1, "threshold": 1}
    ),
    Peer(
        "OC-SORT+LineZone",
        "ocsort",
        "line-zone",
        {"birth": 0.6, "high": 0.6, "confirm": 3, "iou": 0.3, "threshold": 1},
    ),
    Peer("BoT-SORT+LineZone", "botsort", "line-zone", {**_TWO_STAGE, "iou": 0.2, "threshold": 1}),
    Peer("C-BIoU+LineZone", "cbiou", "line-zone", {**_TWO_STAGE, "iou": 0.2, "threshold": 1}),
    Peer(
        "norfair+centroid",
        "norfair",
        "centroid",
        {"birth": 0.0, "delay": 7, "distance": 0.7, "anchor": "centre"},
    ),
    Peer(
        "ByteTrack+once-per-id",
        "bytetrack",
        "once-per-id",
        {**_TWO_STAGE, "iou": 0.1, "anchor": "centre"},
    ),
)


def installed() -> bool:
    """Whether every package of the peers can be imported."""
    return all(importlib.util.find_spec(name) for name in PACKAGES)


def count(
    peer: Peer, values: Values, footage: Footage, tracked: Sequence[Tracked] | None = None
) -> list[Crossing]:
    """Return the peer's crossings; `tracked` spares the tracker when it is known already."""
    frames = track(peer, values, footage) if tracked is None else tracked
    rule = rule_of(peer, values, footage)
    return [crossing for frame in frames for crossing in rule(frame)]


def track(peer: Peer, values: Values, footage: Footage) -> list[Tracked]:
    """Run the library's tracker over the clip."""
    step = tracker_of(peer, values, footage.fps)
    return [step(sample.at, *pixels(footage, i)) for i, sample in enumerate(footage.samples)]


def timed(peer: Peer, footage: Footage) -> list[float]:
    """Seconds of tracker and rule for each frame, at the peer's defaults."""
    step = tracker_of(peer, peer.defaults, footage.fps)
    rule = rule_of(peer, peer.defaults, footage)
    spent = []
    for i, sample in enumerate(footage.samples):
        boxes, scores = pixels(footage, i)
        begin = time.perf_counter()
        rule(step(sample.at, boxes, scores))
        spent.append(time.perf_counter() - begin)
    return spent


def pixels(footage: Footage, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Return boxes in pixels and scores of a frame, as the libraries want them."""
    width, height = footage.size
    found = footage.samples[index].detections
    return found.boxes.astype(np.float64) * (width, height, width, height), found.scores
