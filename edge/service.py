"""The running device: pictures in, and the config changed between two of them.

Whatever is wanted over MQTT is put in by the thread that counts: the interval is split
there, and the records after it carry the new hash. While a config is on probation, stages
that raise or hang are replaced by those before, and the counting goes on.
"""

import faulthandler
import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

import structlog

from edge.adapters.camera_address import shown
from edge.adapters.camera_paced import PacedSource
from edge.adapters.health import HealthReport
from edge.calibration import Calibration, Conditions
from edge.config import Config
from edge.config_in_force import ConfigInForce
from edge.config_sections import find_time_zone
from edge.config_watch import ConfigWatch, Edit
from edge.heartbeats import Heartbeats, Part
from edge.monitor import Monitor
from edge.panel import Panel
from edge.pipeline import Pipeline, Stages, Step
from edge.ports import Clock, Outbox, Signer
from edge.station import Station
from edge.update_courier import UpdateCourier
from edge.vocabulary import Bucket, Frame, NoFrame, Provenance

HANG_S = 60.0
"""A picture that takes longer on probation never ends: the process does, to begin anew."""

_T = TypeVar("_T")
_log = structlog.get_logger(__name__)


def conditions_of(config: Config, model_hash: str) -> Conditions:
    """Return what a calibration made now would hold for."""
    view = hashlib.sha256(shown(config.camera.source).encode()).hexdigest()[:12]
    return Conditions(config.device.id, config.hash(), model_hash, view)


class Service:
    """Joins counting, sending and the config in force. One instance per process."""

    def __init__(
        self,
        settings: ConfigInForce,
        clock: Clock,
        pipeline: Pipeline,
        outbox: Outbox,
        source: PacedSource,
        *,
        stages_of: Callable[[Config], Stages],
        interval_s: float,
        spread_s: float = 0.0,
        signer: Signer | None = None,
        beats: Heartbeats | None = None,
        hang_s: float | None = HANG_S,
        watch: ConfigWatch | None = None,
        panel: Panel | None = None,
        on_masks: Callable[[Config], None] = lambda _: None,
        updates: UpdateCourier | None = None,
        on_report: Callable[[HealthReport], None] = lambda _: None,
    ) -> None:
        """Prepare; nothing is counted or sent before `run`. Raises ConfigError.

        spread_s, signer: see Station.
        beats: who is told that pictures and the relay are alive.
        hang_s: None for no watch over steps that never end.
        watch: tells of edits of the config file.
        panel: what shows every step, where there is a setup page.
        on_masks: told of other masks before the first picture with them.
        updates: takes new versions of the program over MQTT, where the config allows it.
        on_report: see Monitor.
        """
        self._settings, self._clock, self._pipeline = settings, clock, pipeline
        self._stages_of, self._hang_s = stages_of, hang_s
        self._beats, self._source, self._watch, self._panel = beats, source, watch, panel
        self._on_masks, self._updates = on_masks, updates
        self._shown = settings.current
        self._heard: deque[bytes] = deque(maxlen=1)  # only the last is still wanted
        self._calibration = self._calibration_for(self._shown.config)
        self._calibrate()
        self.monitor = Monitor(
            self._shown.config.records.data_dir,
            clock,
            pipeline,
            outbox,
            source,
            shadow=lambda: settings.current.rev,
            config_trouble=lambda: settings.current.file.words,
            on_report=on_report,
        )
        self._station = Station(
            self._shown.config,
            clock,
            outbox,
            self._born(),
            interval_s=interval_s,
            health=self.monitor.health,
            spread_s=spread_s,
            signer=signer,
            heartbeat=lambda: self._beat("relay"),
            heard={
                "config/desired": self._heard.append,
                **(updates.heard if updates is not None else {}),
            },
            born_too=lambda: [
                settings.reported(self._now_ms()),
                *([updates.born()] if updates is not None else []),
            ],
        )
        pipeline.on_saved(self._saved)

    def _beat(self, part: Part) -> None:
        if self._beats is not None:
            self._beats.beat(part)

    def run(self, items: Iterable[Frame | NoFrame]) -> None:
        """Count what a source yields and deliver, then close the last interval."""
        self._beat("frames")
        self._beat("relay")
        self._station.start()
        if self._watch is not None:
            self._watch.start()
        if self._updates is not None:
            self._updates.start(self._station.relay.post, lambda: self.connected)
        try:
            for item in items:
                self._take(item)
                if isinstance(item, Frame):
                    item.image.fill(0)  # what is freed only would stay in memory for hours
        finally:
            if self._watch is not None:
                self._watch.stop()
            if self._updates is not None:
                self._updates.stop()
            try:
                self._guarded(self._pipeline.finish)
                self._settings.stop(self._clock.monotonic())
            finally:
                self._station.stop()
                self.monitor.report(self._station.relay.state)

    def _take(self, item: Frame | NoFrame) -> None:
        began = self._clock.monotonic()
        step = self._guarded(lambda: self._pipeline.step(item))
        now = self._clock.monotonic()
        unsaved = self._pipeline.progress.unsaved
        if step is not None:
            self._beat("frames")
            self.monitor.tick(step, self._station.relay)
            self._show(step)
            picture = isinstance(item, Frame)
            self._settings.watch(now, now - began, picture=picture, unsaved=unsaved)
        with suppress(IndexError):
            self._settings.hear(self._heard.pop(), now, unsaved=unsaved)
        if self._watch is not None and (edit := self._watch.take()):
            self._edit(edit, now)
        self._guarded(self._follow)

    def _show(self, step: Step) -> None:
        """Let the setup page see it; when that fails the page stands still, not the counting."""
        if self._panel is None:
            return
        try:
            self._panel.follow(find_time_zone(self._shown.config.device.time_zone))
            self._panel.show(step)
        except Exception:
            _log.exception("panel.failed")
            self._panel = None

    @property
    def connected(self) -> bool:
        """Whether the broker can be reached now; any thread."""
        return self._station.relay.state.connected

    def _edit(self, edit: Edit, now: float) -> None:
        """Take a change of the config file."""
        if edit.config is None:
            self._settings.reject_edit(edit.problems)
            return
        self._settings.edit(edit.config, now)
        file = self._settings.current.file
        _log.info("config.changed", cfg=self._settings.current.config.hash(), waits=file.waits)
        if file.waits:
            _log.warning("config.waits", reason=file.words)

    def _guarded(self, act: Callable[[], _T]) -> _T | None:
        """Do it; when it fails on probation, go on with the stages before and return None."""
        on_probation = self._settings.on_probation
        if on_probation and self._hang_s is not None:
            faulthandler.dump_traceback_later(self._hang_s, exit=True)
        try:
            return act()
        except Exception as error:
            if not self._settings.on_probation:
                raise
            _log.exception("shadow.failed", rev=self._settings.current.rev)
            reason = f"counting with it failed ({type(error).__name__})"
            self._settings.fail(reason, self._clock.monotonic())
            self._follow(failed=True)
            return None
        finally:
            if on_probation and self._hang_s is not None:
                faulthandler.cancel_dump_traceback_later()

    def _follow(self, *, failed: bool = False) -> None:
        """Put the config in force into the pipe, and tell what has changed."""
        shown, current = self._shown, self._settings.current
        if current is shown:
            return
        self._shown = current
        self._adjust_camera(shown.config, current.config)
        if current.config.hash() != shown.config.hash():
            stages = self._stages_of(current.config)
            if failed:
                self._pipeline.recover(stages)
            else:
                self._pipeline.reconfigure(stages)
            self._calibration = self._calibration_for(current.config)
            self._calibrate()
        self._station.describe(current.config, self._born())

    def _adjust_camera(self, before: Config, now: Config) -> None:
        """Pass on what the camera has to know before the next picture."""
        if now.camera.masks != before.camera.masks:
            self._source.set_masks(now.camera.masks)
            self._on_masks(now)
        if now.camera.fps != before.camera.fps:
            self._source.set_target(now.camera.fps)

    def _calibration_for(self, config: Config) -> Calibration:
        lines = [line.id for line in config.lines]
        conditions = conditions_of(config, self._pipeline.provenance.model)
        return Calibration(config.records.data_dir, lines, conditions)

    def _calibrate(self) -> None:
        self._pipeline.cals = self._calibration.cals(self._now_ms())

    def _born(self) -> Provenance:
        # Calibrations belong to lines; the birth can name one only where there is one line.
        lines = self._shown.config.lines
        cal = self._pipeline.cals.get(lines[0].id) if len(lines) == 1 else None
        return replace(self._pipeline.provenance, cal=cal)

    def _saved(self, buckets: Sequence[Bucket]) -> None:
        self._station.relay.saved()
        self._station.stored(buckets)
        self.monitor.saved(buckets)
        self._calibrate()  # an audit made or expired meanwhile holds from the next interval on

    def _now_ms(self) -> int:
        return round(self._clock.utc() * 1000)
