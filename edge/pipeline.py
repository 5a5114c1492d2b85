"""The product on one screen: a picture in, closed buckets in the outbox.

    detect ▶ track ▶ count, zones ▶ aggregate ▶ outbox

Delivery runs elsewhere (`delivery`); nothing here waits for a network.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter

import numpy as np
import structlog

from edge.aggregation import Aggregator
from edge.bookkeeping import Bookkeeper, Redate
from edge.counting import Counter
from edge.gating import GateCounts
from edge.intervals import moved
from edge.ports import Detector, Outbox
from edge.regions import EVERYTHING, Interest
from edge.timeline import Timeline
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
    TimeQuality,
    Tracks,
)
from edge.zones import ZoneCounter

CLOCK_LOOK_S = 1.0
_TIMED_CALLS = 50

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """What one frame led to, for displays and benches. Never leaves the process."""

    item: Frame | NoFrame
    detections: Detections
    tracks: Tracks
    counted: Counted
    occupancies: tuple[Occupancy, ...] = ()


@dataclass(frozen=True, slots=True)
class Stages:
    """The part of a pipe that the drawings decide; `aggregator` begins at a time in ms."""

    counter: Counter
    aggregator: Callable[[int], Aggregator]
    provenance: Provenance
    zones: ZoneCounter = field(default_factory=lambda: ZoneCounter(()))
    redate: Redate = moved
    interest: Interest = EVERYTHING


@dataclass(frozen=True, slots=True)
class _Ending:
    """An interval that was split off: crossings before `until_ms` may still be booked into it."""

    aggregator: Aggregator
    until_ms: int
    provenance: Provenance
    cals: Mapping[str, str]


@dataclass(slots=True)
class Progress:
    """Gauges for health: plain numbers, no picture, no track."""

    frames: int = 0
    last_frame_at: float | None = None
    detect_ms: float | None = None
    """What the detector takes for a picture, the mean of its last calls; None before the first."""
    looks: GateCounts | None = None
    """How often the detector looked, and how often nothing had changed; None: it always does."""
    unsaved: int = 0
    """Closed intervals that are in memory only."""
    waits_for_time: bool = False
    """Whether what is counted now waits for its dates."""
    time: TimeQuality = TimeQuality.UNSYNCED
    """How good a date made now would be."""


class Pipeline:
    """Runs the stages in order. One instance per camera and configuration."""

    def __init__(
        self,
        *,
        detector: Detector,
        tracker: Tracker,
        stages: Stages,
        outbox: Outbox,
        timeline: Timeline,
        interval_ms: int = 900_000,
        stopwatch: Callable[[], float] = perf_counter,
        looks: GateCounts | None = None,
    ) -> None:
        """Build a pipe and store what an earlier run left.

        stopwatch: seconds on a clock that never jumps, to time the detector with.
        looks: where the detector counts how often it looked, if it ever does not.
        """
        self._detector, self._tracker = detector, tracker
        self._counter, self._zones = stages.counter, stages.zones
        self._new_aggregator, self.provenance = stages.aggregator, stages.provenance
        self._timeline, self._interval_ms = timeline, interval_ms
        self._books = Bookkeeper(outbox, timeline, stages.redate)
        self.cals: Mapping[str, str] = {}
        """The calibration of each audited line; appears in its records."""
        self.progress = Progress(looks=looks)
        detector.attend(stages.interest)
        self._stopwatch = stopwatch
        self._detect_s: deque[float] = deque(maxlen=_TIMED_CALLS)
        self._last_at = timeline.started_at
        self._look_at = self._last_at + CLOCK_LOOK_S
        self._aspect = 1.0
        self._endings: list[_Ending] = []
        self._keep([])  # first what an earlier run left
        self._aggregator = self._begun()

    def on_saved(self, listener: Callable[[Sequence[Bucket]], None]) -> None:
        """Have somebody told what became records; it wakes the delivery."""
        self._books.on_saved = listener

    def step(self, item: Frame | NoFrame) -> Step:
        """Take one picture, or the word that there is none, through all stages."""
        if isinstance(item, Frame):
            detections = self._detect(item)
            self._aspect = detections.aspect
            self.progress.frames += 1
            self.progress.last_frame_at = item.at
        else:
            self._detector.forget()
            detections = _nobody(self._aspect)
        tracks = self._tracker.update(detections, item.at)
        counted = self._counter.update(tracks)
        self._last_at = item.at
        now_ms = self._timeline.utc_ms(item.at)
        watched = self._aggregator.watch(now_ms, item.reason)
        occupancies = self._zones.update(tracks, watched=watched)
        self._aggregator.occupy(now_ms, occupancies)
        self._book(counted)
        settled_ms = self._timeline.utc_ms(counted.settled_until)
        self._end_what_is_settled(settled_ms)
        self._keep(self._aggregator.close(settled_ms, self._timeline.quality, self.provenance))
        self._write_draft(now_ms)
        self._follow_clock()
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
        """Book what is pending and close the open interval where the video ended."""
        self._book(self._counter.finish(self._last_at))
        now_ms = self._timeline.utc_ms(self._last_at)
        self._aggregator.occupy(now_ms, self._zones.finish())
        self._cut()

    def reconfigure(self, stages: Stages) -> None:
        """Go on with other lines, zones or rules; the interval is split where the video is now.

        People who are followed stay followed. Lines and zones that are the same as before know
        of them what they knew; a crossing that may still be undone is booked, when it is final,
        into the interval in which it happened.
        """
        now_ms, headcounts = self._timeline.utc_ms(self._last_at), self._aggregator.headcounts
        if not self._endings or self._endings[-1].until_ms < now_ms:  # else nothing was seen since
            ending = _Ending(self._aggregator, now_ms, self.provenance, self.cals)
            self._endings.append(ending)
        ended = self._counter.hand_over(stages.counter, self._last_at)
        self._book(ended, before_ms=now_ms)
        left = self._zones.hand_over(stages.zones)
        self._endings[-1].aggregator.occupy(now_ms, left)
        self._go_on_with(stages)
        self._aggregator.go_on_with(headcounts)
        self._write_draft(now_ms, insist=True)

    def recover(self, stages: Stages) -> None:
        """Go on with these stages after the present ones have raised.

        Of the open interval is kept what the present ones still give: all, or all that was
        booked, or what the last draft holds.
        """
        for end in (self.finish, self._cut):
            try:
                end()
                break
            except Exception:
                _log.exception("stages.failed", step=end.__name__)
        else:
            self._books.keep_draft()
            self._endings = []
            self._keep([], insist=True)
        self._go_on_with(stages)

    def _go_on_with(self, stages: Stages) -> None:
        self._detector.attend(stages.interest)
        self._counter, self._zones = stages.counter, stages.zones
        self._new_aggregator, self.provenance = stages.aggregator, stages.provenance
        self._books.redate = stages.redate
        self._aggregator = self._begun()

    def _detect(self, frame: Frame) -> Detections:
        began = self._stopwatch()
        detections = self._detector.detect(frame)
        self._detect_s.append(self._stopwatch() - began)
        self.progress.detect_ms = 1000 * sum(self._detect_s) / len(self._detect_s)
        return detections

    def _cut(self) -> None:
        """Close the open interval where the video is now."""
        self._end_what_is_settled(None)
        now_ms = self._timeline.utc_ms(self._last_at)
        closed = self._aggregator.finish(now_ms, self._timeline.quality, self.provenance)
        self._keep(closed, insist=True)

    def _begun(self) -> Aggregator:
        """Begin a new interval here; never within one that is in the books already."""
        now_ms = self._timeline.utc_ms(self._last_at)
        return self._new_aggregator(self._books.begin_at(now_ms, self._interval_ms))

    def _follow_clock(self) -> None:
        """Cut the interval where dates have to change: the clock was set, or is trusted now."""
        if self._last_at < self._look_at:
            return
        self._look_at = self._last_at + CLOCK_LOOK_S
        change = self._timeline.change()
        if change is None:
            return
        self._cut()
        by_s = round(change.offset_s - self._timeline.offset_ms / 1000, 3)
        _log.warning("clock.set", by_s=by_s, quality=str(change.quality))
        self._timeline.adopt(change)
        self._books.look_again()
        self._keep([], insist=True)
        self._aggregator = self._begun()

    def _end_what_is_settled(self, settled_ms: int | None) -> None:
        """Close what was split off once nothing can be booked into it; None closes it now."""
        while self._endings and (settled_ms is None or self._endings[0].until_ms <= settled_ms):
            ending = self._endings[0]
            closed = ending.aggregator.finish(
                ending.until_ms, self._timeline.quality, ending.provenance
            )
            del self._endings[0]
            self._store([_calibrated(b, ending.cals) for b in closed], insist=True)

    def _write_draft(self, now_ms: int, *, insist: bool = False) -> None:
        if self._books.wants_draft(self._last_at, insist=insist):
            quality, drafts = self._timeline.quality, []
            for each in self._endings:
                part = each.aggregator.so_far(each.until_ms, quality, each.provenance)
                drafts += [_calibrated(b, each.cals) for b in part]
            part = self._aggregator.so_far(now_ms, quality, self.provenance)
            self._books.draft([*drafts, *(_calibrated(b, self.cals) for b in part)])

    def _book(self, counted: Counted, *, before_ms: int | None = None) -> None:
        """Book crossings into the intervals in which they happened; all before a time, if given.

        A booking exactly where an interval ends would make it overlap the next one.
        """
        for crossing in counted.booked:
            at_ms = self._timeline.utc_ms(crossing.at)
            at_ms = at_ms if before_ms is None else min(at_ms, before_ms - 1)
            before = (e.aggregator for e in self._endings if at_ms < e.until_ms)
            next(before, self._aggregator).add([(at_ms, crossing)])

    def _keep(self, buckets: Sequence[Bucket], *, insist: bool = False) -> None:
        self._store([_calibrated(b, self.cals) for b in buckets], insist=insist)

    def _store(self, buckets: Sequence[Bucket], *, insist: bool) -> None:
        self._books.keep(buckets, self._last_at, insist=insist)
        self.progress.unsaved = self._books.unsaved
        self.progress.waits_for_time = waits = self._books.waits_for_time
        quality = self._timeline.quality
        self.progress.time = TimeQuality.UNSYNCED if waits else quality


def _calibrated(bucket: Bucket, cals: Mapping[str, str]) -> Bucket:
    cal = cals.get(bucket.line) if isinstance(bucket, CountBucket) else None
    return replace(bucket, provenance=replace(bucket.provenance, cal=cal)) if cal else bucket


def _nobody(aspect: float) -> Detections:
    return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), aspect)
