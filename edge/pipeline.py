"""The product on one screen: a picture in, closed buckets in the outbox.

    detect ▶ track ▶ count, zones ▶ aggregate ▶ outbox

Delivery runs elsewhere (`delivery`); nothing here waits for a network.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import floor

import numpy as np
import structlog

from edge.aggregation import Aggregator
from edge.counting import Counter
from edge.errors import OutboxError
from edge.ports import Clock, Detector, Outbox
from edge.tracking import Tracker
from edge.vocabulary import (
    Bucket,
    CountBucket,
    Counted,
    Detections,
    Frame,
    NoFrame,
    Occupancy,
    Provenance,
    Tracks,
)
from edge.zones import ZoneCounter

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """What one frame led to, for displays and benches. Never leaves the process."""

    item: Frame | NoFrame
    detections: Detections
    tracks: Tracks
    counted: Counted
    occupancies: tuple[Occupancy, ...] = ()


@dataclass(slots=True)
class Progress:
    """Gauges for health: plain numbers, no picture, no track."""

    frames: int = 0
    last_frame_at: float | None = None
    unsaved: int = 0


class Pipeline:
    """Runs the stages in order. One instance per camera and configuration."""

    def __init__(
        self,
        *,
        detector: Detector,
        tracker: Tracker,
        counter: Counter,
        aggregator: Callable[[int], Aggregator],
        outbox: Outbox,
        clock: Clock,
        provenance: Provenance,
        zones: ZoneCounter | None = None,
    ) -> None:
        """Build a pipe; `aggregator` makes the buckets from the starting time in ms."""
        self._detector, self._tracker, self._counter = detector, tracker, counter
        self._zones = ZoneCounter(()) if zones is None else zones
        self._outbox, self.provenance = outbox, provenance
        self.on_saved: Callable[[Sequence[Bucket]], None] = lambda _: None
        """Called with what was stored; wakes the delivery."""
        self.cals: Mapping[str, str] = {}
        """The calibration of each audited line; appears in its records."""
        # Dates come from one offset, so a clock that steps cannot fold two intervals.
        self._utc_offset = clock.utc() - clock.monotonic()
        # How good the dates are was decided at that moment, whatever the clock learns later.
        self._time_quality = clock.quality()
        self._last_at = clock.monotonic()
        self._aspect = 1.0
        self._aggregator = aggregator(self._utc_ms(self._last_at))
        self._unsaved: list[Bucket] = []
        self.progress = Progress()

    def step(self, item: Frame | NoFrame) -> Step:
        """Take one picture, or the word that there is none, through all stages."""
        if isinstance(item, Frame):
            detections = self._detector.detect(item)
            self._aspect = detections.aspect
            self.progress.frames += 1
            self.progress.last_frame_at = item.at
        else:
            detections = _nobody(self._aspect)
        tracks = self._tracker.update(detections, item.at)
        counted = self._counter.update(tracks)
        self._last_at = item.at
        now_ms = self._utc_ms(item.at)
        watched = self._aggregator.watch(now_ms, getattr(item, "reason", None))
        occupancies = self._zones.update(tracks, watched=watched)
        self._aggregator.occupy(now_ms, occupancies)
        self._book(counted)
        settled_ms = self._utc_ms(counted.settled_until)
        self._save(self._aggregator.close(settled_ms, self._time_quality, self.provenance))
        return Step(item, detections, tracks, counted, occupancies)

    def run(
        self, items: Iterable[Frame | NoFrame], on_step: Callable[[Step], None] = lambda _: None
    ) -> None:
        """Take everything a source yields through the pipe, then close the last bucket."""
        try:
            for item in items:
                on_step(self.step(item))
        finally:
            self.finish()

    def finish(self) -> None:
        """Book what is pending and close the open bucket where the video ended."""
        self._book(self._counter.finish(self._last_at))
        now_ms = self._utc_ms(self._last_at)
        self._aggregator.occupy(now_ms, self._zones.finish())
        self._save(self._aggregator.finish(now_ms, self._time_quality, self.provenance))

    def _book(self, counted: Counted) -> None:
        self._aggregator.add((self._utc_ms(c.at), c) for c in counted.booked)

    def _save(self, buckets: list[Bucket]) -> None:
        """Store closed buckets; keep them in memory while the outbox cannot be written."""
        self._unsaved += map(self._calibrated, buckets)
        if not self._unsaved:
            return
        try:
            self._outbox.append(self._unsaved)
        except OutboxError as error:
            if buckets:
                _log.error("outbox.unwritable", reason=str(error), unsaved=len(self._unsaved))
        else:
            saved, self._unsaved = self._unsaved, []
            self.on_saved(saved)
        self.progress.unsaved = len(self._unsaved)

    def _calibrated(self, bucket: Bucket) -> Bucket:
        cal = self.cals.get(bucket.line) if isinstance(bucket, CountBucket) else None
        return replace(bucket, provenance=replace(bucket.provenance, cal=cal)) if cal else bucket

    def _utc_ms(self, at: float) -> int:
        return floor((at + self._utc_offset) * 1000)


def _nobody(aspect: float) -> Detections:
    return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), aspect)
