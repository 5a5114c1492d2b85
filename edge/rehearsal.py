"""The dry run of a config: somebody walks through its drawings, and the records are sealed.

Everything that drawings and rules decide is run once, on a pipe of its own, so that what
cannot work is found before the counting is touched.
"""

import numpy as np

from edge.pipeline import Pipeline, Stages
from edge.testing import ManualClock, MemoryOutbox, ScriptedDetector
from edge.timeline import PLAUSIBLE_FROM_S, Timeline
from edge.tracking import Tracker
from edge.vocabulary import CoverageReason, Detections, Frame, NoFrame

STEPS = 24
STEP_S = 0.25
_PICTURE = np.zeros((9, 16, 3), np.uint8)


def rehearse(stages: Stages, dev: str) -> None:
    """Run stages that are used for nothing else. Raises whatever they raise."""
    pipeline = Pipeline(
        detector=ScriptedDetector([_somebody(k / STEPS) for k in range(STEPS)]),
        tracker=Tracker(),
        stages=stages,
        outbox=MemoryOutbox(dev),
        timeline=Timeline(ManualClock(PLAUSIBLE_FROM_S)),
    )
    for k in range(STEPS):
        pipeline.step(Frame((k + 1) * STEP_S, k, _PICTURE))
    pipeline.step(NoFrame((STEPS + 1) * STEP_S, CoverageReason.NO_CAMERA))
    pipeline.finish()


def _somebody(share: float) -> Detections:
    """One walks from the upper left to the lower right corner, another the other way."""
    feet = [(share, share), (1 - share, share)]
    boxes = np.array([[x - 0.05, y - 0.3, x + 0.05, y] for x, y in feet], np.float32)
    return Detections(boxes, np.full(2, 0.9, np.float32), 16 / 9)
