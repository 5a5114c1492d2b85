"""Watching the running device: gauges for the health message and the health file."""

import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import structlog

from edge.adapters import health as machine
from edge.adapters.camera_paced import PacedSource
from edge.adapters.metrics_prometheus import Pulse
from edge.adapters.thermometer import temperature_c
from edge.delivery import Relay, RelayState
from edge.errors import OutboxError
from edge.messages import Health
from edge.pipeline import Pipeline, Step
from edge.ports import Clock, Outbox
from edge.sealing import iso_utc
from edge.vocabulary import Bucket, CountBucket, CoverageReason, Frame, Outcome, Pace

REPORT_INTERVAL_S = 10.0
OVERLOAD_INTERVAL_S = 30.0
"""So often at most it is told at once that overload begins or ends."""
CLOCK_NOT_SET = "the clock is not set; intervals wait for their dates"
_RATE_FRAMES = 50

_log = structlog.get_logger(__name__)


class Monitor:
    """Keeps the gauges of one device; `health` may be asked from the relay's thread."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        pipeline: Pipeline,
        outbox: Outbox,
        source: PacedSource,
        *,
        shadow: Callable[[], str | None] = lambda: None,
        config_trouble: Callable[[], str | None] = lambda: None,
        on_report: Callable[[machine.HealthReport], None] = lambda _: None,
    ) -> None:
        """Prepare. shadow: tells the rev of the config in force that came over MQTT.

        config_trouble: tells what an operator has to know about the config file.
        on_report: gets every report that is on the disk.
        """
        self._on_report = on_report
        self._shadow, self._config_trouble = shadow, config_trouble
        self._folder, self._clock, self._pipeline = folder, clock, pipeline
        self._outbox, self._source = outbox, source
        self._started = clock.monotonic()
        self._reason: CoverageReason | None = CoverageReason.RESTART
        self._waited_for_time = pipeline.progress.waits_for_time
        self._pace = source.pace
        self._told = self._state()
        self._overload_at = self._started
        self._frame_times: deque[float] = deque(maxlen=_RATE_FRAMES)
        self._report_at = self._started
        self._last_depth = 0
        self._connected = False
        self._seen_at: float | None = None
        self._unreadable: str | None = None
        self.words = "starting"
        """How it went at the last report, for `systemctl status`."""
        self.latest: Health | None = None
        """The gauges of the last report; None before the first."""
        self.totals: Mapping[tuple[str, str], int] = {}
        """People over each line, by line and direction, in the records of this run."""

    def tick(self, step: Step, relay: Relay) -> None:
        """Note one step; tell the world at once when video, time or pace changed."""
        self._waited_for_time = self._pipeline.progress.waits_for_time
        self._reason, self._pace = step.item.reason, self._source.pace
        if isinstance(step.item, Frame):
            self._frame_times.append(step.item.at)
            self._seen_at = self._clock.monotonic()  # a clip has a time of its own
        self._connected = relay.state.connected
        is_news = self._is_news()
        if is_news:
            relay.refresh_health()
        if is_news or self._clock.monotonic() >= self._report_at:
            self._report_at = self._clock.monotonic() + REPORT_INTERVAL_S
            self.report(relay.state)

    def _state(self) -> tuple[CoverageReason | None, bool, Pace, str | None]:
        return self._reason, self._waited_for_time, self._pace, self._config_trouble()

    def _is_news(self) -> bool:
        """Say whether something changed since it was told; overload not too often."""
        now, told = self._state(), self._told
        if now == told:
            return False
        if CoverageReason.OVERLOAD in {now[0], told[0]}:
            is_all = {now[0], told[0]} == {CoverageReason.OVERLOAD, None} and now[1:] == told[1:]
            if is_all and self._clock.monotonic() < self._overload_at:
                return False
            self._overload_at = self._clock.monotonic() + OVERLOAD_INTERVAL_S
        self._told = now
        return True

    def saved(self, buckets: Sequence[Bucket]) -> None:
        """Add closed intervals that became records to the totals."""
        totals = dict(self.totals)
        for bucket in buckets:
            if isinstance(bucket, CountBucket) and bucket.counts is not None:
                for outcome in (Outcome.IN, Outcome.OUT):
                    key = bucket.line, str(outcome)
                    totals[key] = totals.get(key, 0) + bucket.counts.get(outcome, 0)
        self.totals = totals

    def pulse(self) -> Pulse:
        """Return what moves with every picture; any thread."""
        seen_at, frames = self._seen_at, self._pipeline.progress.frames
        age_s = None if seen_at is None else self._clock.monotonic() - seen_at
        return Pulse(frames, self._source.dropped, age_s, self._connected)

    def health(self, relay: RelayState) -> Health:
        """Return the gauges for the `health` topic."""
        progress = self._pipeline.progress
        return Health(
            uptime_s=round(self._clock.monotonic() - self._started),
            queue=self._depth(),
            video=self._reason,
            fps=self._fps(),
            detect_ms=None if progress.detect_ms is None else round(progress.detect_ms, 1),
            temperature_c=temperature_c(),
            memory_mb=round(machine.memory_mb(), 1),
            disk_free_mb=round(machine.disk_free_mb(self._folder)),
            last_accepted_ms=relay.last_accepted_ms,
            last_error=self._troubles(relay.last_error or self._own_trouble()),
            unsaved=progress.unsaved,
            time=progress.time,
            looked=self._looked(),
            pace=self._source.pace,
        )

    def _depth(self) -> int:
        """Count what is not delivered; the last count when the outbox cannot be read."""
        try:
            self._last_depth = self._outbox.depth()
            self._unreadable = None
        except OutboxError as error:
            self._unreadable = str(error)
        return self._last_depth

    def _own_trouble(self) -> str | None:
        clock = CLOCK_NOT_SET if self._pipeline.progress.waits_for_time else None
        return "; ".join(filter(None, (clock, self._unreadable, self._outbox.trouble))) or None

    def _troubles(self, other: str | None) -> str | None:
        """Join what is wrong with the config file to what else is."""
        return "; ".join(filter(None, (self._config_trouble(), other))) or None

    def _looked(self) -> float | None:
        looks = self._pipeline.progress.looks
        share = None if looks is None else looks.share
        return None if share is None else round(share, 3)

    def report(self, relay: RelayState) -> None:
        """Write the health file; a sick disk must not stop the counting."""
        try:
            report = self._report(relay)
            pace = f", {report.fps:g} pictures/s" if report.fps else ""
            told = report.problems(0.0) or [f"counting{pace}"]
            self.words = "; ".join([*told, *report.notes()])
            machine.write_report(self._folder, report)
            self._on_report(report)
        except (OSError, OutboxError) as error:
            _log.warning("health file not written", reason=str(error))

    def _report(self, relay: RelayState) -> machine.HealthReport:
        gauges = self.latest = self.health(relay)
        return machine.HealthReport(
            written_at=iso_utc(round(self._clock.utc() * 1000)),
            pid=os.getpid(),
            frames=self._pipeline.progress.frames,
            frames_dropped=self._source.dropped,
            unsaved=self._pipeline.progress.unsaved,
            time=str(self._pipeline.progress.time),
            waits_for_time=self._pipeline.progress.waits_for_time,
            outbox_trouble=self._outbox.trouble,
            video=str(gauges.video or "ok"),
            fps=gauges.fps,
            detect_ms=gauges.detect_ms,
            queue=gauges.queue,
            broker="connected" if relay.connected else "not connected",
            last_error=relay.last_error,
            memory_mb=gauges.memory_mb,
            disk_free_mb=gauges.disk_free_mb,
            temperature_c=gauges.temperature_c,
            config_over_mqtt=self._shadow(),
            config_trouble=self._config_trouble(),
            fps_target=self._source.pace.target_fps,
            fps_asked=self._source.pace.fps,
            slowed=self._source.pace.reason,
            looked=gauges.looked,
        )

    def _fps(self) -> float | None:
        times = self._frame_times
        if len(times) < 2 or times[-1] <= times[0]:
            return None
        return round((len(times) - 1) / (times[-1] - times[0]), 2)
