"""The product's tracker and counter on given detections, with its own settings or others."""

from collections.abc import Mapping
from dataclasses import fields, replace

from accuracy.detections import Footage
from edge.counting import Counter, CountingSettings
from edge.motion import MotionSettings
from edge.tracking import Tracker, TrackerSettings
from edge.vocabulary import Crossing, Tracks

NAME = "ours"
Changes = Mapping[str, float]
"""Values by the name of a setting of tracker, motion or counter."""


def count(footage: Footage, changes: Changes | None = None) -> list[Crossing]:
    """Return every crossing as it happened, those judged at the end of the clip included."""
    return [crossing for _, found in follow(footage, changes) for crossing in found]


def follow(
    footage: Footage, changes: Changes | None = None
) -> list[tuple[Tracks, tuple[Crossing, ...]]]:
    """Return the tracks of each frame with the crossings that were seen then."""
    tracking, counting = settings(footage.sure_score, changes or {})
    tracker, counter = Tracker(tracking), Counter(footage.lines, counting)
    steps = []
    for sample in footage.samples:
        tracks = tracker.update(sample.detections, sample.at)
        steps.append((tracks, tuple(counter.update(tracks).live)))
    if footage.samples:
        last = footage.samples[-1].at
        steps.append((Tracks(last, 1.0), tuple(counter.finish(last).live)))
    return steps


def settings(sure_score: float, changes: Changes) -> tuple[TrackerSettings, CountingSettings]:
    """Return the product's settings with some changed.

    Raises ValueError for a name that none of them has.
    """
    left = dict(changes)

    def taken(kind: type) -> dict[str, float]:
        return {f.name: left.pop(f.name) for f in fields(kind) if f.name in left}

    motion = replace(MotionSettings(), **taken(MotionSettings))
    tracking = replace(TrackerSettings(sure_score=sure_score, motion=motion))
    tracking = replace(tracking, **taken(TrackerSettings))
    counting = replace(CountingSettings(), **taken(CountingSettings))
    if left:
        raise ValueError(f"no such settings: {', '.join(left)}")
    return tracking, counting
