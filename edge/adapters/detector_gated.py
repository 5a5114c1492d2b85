"""A detector that looks only when something has changed in what it looks at."""

import cv2
import numpy as np
import numpy.typing as npt

from edge.gating import Gate, GateCounts
from edge.letterbox import View
from edge.ports import Detector
from edge.regions import EVERYTHING, Interest
from edge.vocabulary import Detections, Frame, Image

SMALL = (160, 96)
"""Width and height that pictures are compared in."""
BLOCKS = (40, 24)
_ROWS = 180
"""Of larger pictures only every so many-th row and column is looked at."""


class GatedDetector:
    """Asks another detector, or repeats its last answer. Not safe to share between threads."""

    def __init__(self, detector: Detector, gate: Gate) -> None:
        self._detector, self._gate, self._interest = detector, gate, EVERYTHING
        self._seen: Image | None = None
        self._size = (0, 0)
        self._answer: Detections | None = None

    @property
    def counts(self) -> GateCounts:
        """How often it looked."""
        return self._gate.counts

    def detect(self, frame: Frame) -> Detections:
        """Return the people of a picture; those of the last one when they are the same."""
        small = self._small(frame.image)
        if self._answer is not None and not self._gate.is_due(frame.at, self._changes(small)):
            return self._answer
        self._answer = self._detector.detect(frame)
        self._seen = small
        self._gate.looked(frame.at, self._answer.scores)
        return self._answer

    def attend(self, interest: Interest) -> None:
        """Look, and look for changes, at this; the next picture is looked at."""
        self._detector.attend(interest)
        self._interest, self._answer = interest, None

    def forget(self) -> None:
        """Drop what the next picture would be compared with; it is looked at."""
        self._detector.forget()
        self._seen = self._answer = None

    def _small(self, image: Image) -> Image:
        """Return what is looked at as SMALL, in the green of the camera, which is most of grey."""
        height, width = image.shape[:2]
        if (height, width) != self._size:
            self._size, self._answer = (height, width), None
        view = View.of(self._interest.region(width / height), width, height)
        step = max(1, view.height // _ROWS)
        green = image[
            view.top : view.top + view.height : step, view.left : view.left + view.width : step, 1
        ]
        small = cv2.resize(np.ascontiguousarray(green), SMALL, interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.uint8)

    def _changes(self, small: Image) -> npt.NDArray[np.float32]:
        assert self._seen is not None
        difference = cv2.absdiff(small, self._seen).astype(np.float32)
        return np.asarray(cv2.resize(difference, BLOCKS, interpolation=cv2.INTER_AREA), np.float32)
