"""What stands in the pipeline in the place of camera, detector, tracker and the two counters.

They look at nothing: the device puts what the crowd did into the `Script`, and the real
pipeline, which asks them for every picture, is given exactly that.
"""

from dataclasses import dataclass, field

import numpy as np

from edge.regions import Interest
from edge.vocabulary import (
    Counted,
    CoverageReason,
    Crossing,
    Detections,
    Frame,
    NoFrame,
    Occupancy,
    Tracks,
)

_NOTHING = np.zeros((1, 1, 3), np.uint8)
_NOBODY = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), 1.0)


@dataclass(slots=True)
class Script:
    """What the next picture is to show."""

    booked: tuple[Crossing, ...] = ()
    occupancies: tuple[Occupancy, ...] = field(default=())


class NoDetector:
    """A Detector that sees nobody."""

    def detect(self, _: Frame) -> Detections:
        return _NOBODY

    def attend(self, interest: Interest) -> None:
        pass

    def forget(self) -> None:
        pass


class NoTracker:
    """A tracker that follows nobody."""

    def update(self, _: Detections, at: float) -> Tracks:
        return Tracks(at, 1.0)


class ScriptedCounter:
    """A line counter that answers what the script says; final at once."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def update(self, tracks: Tracks) -> Counted:
        booked, self._script.booked = self._script.booked, ()
        return Counted(booked, (), tracks.at)

    def finish(self, at: float) -> Counted:
        return self.update(Tracks(at, 1.0))


class ScriptedZones:
    """A zone counter that answers what the script says."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def update(self, _: Tracks, *, watched: bool = True) -> tuple[Occupancy, ...]:  # noqa: ARG002
        said, self._script.occupancies = self._script.occupancies, ()
        return said

    def finish(self) -> tuple[Occupancy, ...]:
        return self.update(Tracks(0.0, 1.0))


def picture(at: float, reason: CoverageReason | None) -> Frame | NoFrame:
    """Return a picture of nothing, or the word that there is none."""
    return Frame(at, 0, _NOTHING) if reason is None else NoFrame(at, reason)
