"""The composition root: config → adapters → pipeline and relay → threads, signals."""

import hashlib
import json
import os
import signal
import threading
from contextlib import ExitStack, nullcontext
from functools import partial
from secrets import randbits
from types import FrameType

import structlog

from edge.adapters.board import board_name
from edge.adapters.camera_address import shown
from edge.adapters.camera_opencv import ClipSource, LiveSource, open_source
from edge.adapters.camera_paced import PacedSource
from edge.adapters.camera_watched import WatchedView
from edge.adapters.clock import RecordingClock, SystemClock, boot_id
from edge.adapters.data_folder import OUTBOX_FILE, claim, claim_name
from edge.adapters.detections_mot import MotDetections
from edge.adapters.detector_gated import GatedDetector
from edge.adapters.detectors import open_detector
from edge.adapters.device_key import open_key
from edge.adapters.metrics_prometheus import Metrics
from edge.adapters.model_catalog import load_catalog
from edge.adapters.off_disk import keep_off_disk
from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.adapters.thermometer import hot_c, temperature_c
from edge.adapters.view_file import ViewFile
from edge.adapters.watchdog_systemd import Watchdog
from edge.aggregation import Aggregator
from edge.answered_for import require_acknowledgement
from edge.config import Config
from edge.config_in_force import ConfigInForce
from edge.config_start import Start
from edge.counting import Counter
from edge.errors import DeviceKeyError, OutboxError
from edge.gating import Gate, GateCounts, GateSettings
from edge.heads import fingerprint
from edge.heartbeats import Heartbeats
from edge.intervals import Redater
from edge.line_findings import DoctorSettings
from edge.pacing import Pacer, PacingSettings
from edge.pipeline import Pipeline, Stages
from edge.ports import Detector, Outbox, Signer
from edge.privacy_text import LAB_NOTICE
from edge.regions import Interest
from edge.rehearsal import rehearse
from edge.service import Service
from edge.setup_page.composition import device_of, new_panel
from edge.setup_page.page import open_page
from edge.shadow import PROBATION_S
from edge.timeline import Timeline
from edge.tracking import Tracker, TrackerSettings
from edge.view_verdict import ViewSettings
from edge.vocabulary import Line, Provenance, Zone
from edge.walkers import MeetingSettings
from edge.zones import ZoneCounter

SPREAD_S = 30.0
"""Every device of a city closes its interval on the quarter hour; they send within this time."""

_log = structlog.get_logger(__name__)


def configured_lines(config: Config) -> list[Line]:
    """Return the counting lines of a config."""
    return [section.line() for section in config.lines]


def configured_zones(config: Config) -> list[Zone]:
    """Return the zones of a config."""
    return [section.zone() for section in config.zones]


def configured_interest(config: Config) -> Interest:
    """Return what of the picture has to be looked at."""
    points = [point for line in configured_lines(config) for point in line.points]
    points += [point for zone in configured_zones(config) for point in zone.polygon]
    return Interest(points, config.camera.person_height)


def doctor_settings(config: Config) -> DoctorSettings:
    """Return what the line doctor asks of people: what the counter and the camera ask."""
    counting = config.counting.settings()
    return DoctorSettings(
        anchor=counting.anchor,
        interest=configured_interest(config),
        meetings=MeetingSettings.of(counting),
    )


def build_pipeline(
    config: Config,
    outbox: Outbox,
    timeline: Timeline,
    *,
    interval_s: float,
    detections: MotDetections | None = None,
) -> Pipeline:
    """Open the model and join the stages; `detections` take the model's place.

    Raises ModelError and ProviderError.
    """
    detector: Detector
    looks: GateCounts | None = None
    if detections is None:
        catalog = load_catalog(config.model.folder)
        entry = catalog.entry(config.model.name)
        model_hash, tracking = entry.hash, TrackerSettings(sure_score=entry.sure_score)
        detector = open_detector(catalog, entry, config.model.provider, config.model.threads)
        if config.model.gate:
            detector = gated = GatedDetector(
                detector, Gate(GateSettings(sure_score=entry.sure_score))
            )
            looks = gated.counts
    else:
        detector, model_hash, tracking = detections, detections.model_hash, TrackerSettings()
    return Pipeline(
        detector=detector,
        tracker=Tracker(tracking, first_id=randbits(30)),
        stages=build_stages(config, model_hash, interval_s),
        outbox=outbox,
        timeline=timeline,
        interval_ms=round(interval_s * 1000),
        looks=looks,
    )


def build_stages(config: Config, model_hash: str, interval_s: float) -> Stages:
    """Make the stages that the drawings and rules of a config decide."""
    lines, zones, time_zone = configured_lines(config), configured_zones(config), config.time_zone()
    return Stages(
        counter=Counter(lines, config.counting.settings()),
        zones=ZoneCounter(zones, config.counting.zone_settings()),
        aggregator=partial(
            Aggregator,
            [line.id for line in lines],
            round(interval_s * 1000),
            zones=zones,
            time_zone=time_zone,
            staff=[line.id for line in lines if line.is_staff],
        ),
        provenance=Provenance(cfg=config.hash(), model=model_hash),
        redate=Redater(zones, time_zone),
        interest=configured_interest(config),
    )


def run_device(
    config: Config, *, probation_s: float = PROBATION_S, start: Start | None = None
) -> None:
    """Count until SIGTERM or SIGINT (or the end of a clip), then close the last interval.

    probation_s: how long a config that came over MQTT is tried; shorter in tests only.
    start: the file that `config` came from, which is then watched.
    Raises AcknowledgementError, ModelError, ProviderError, OutboxError, ConfigError or
    CameraError before anything runs, and OutboxError at the end when intervals could not be stored.
    """
    require_acknowledgement(config)
    keep_off_disk()
    camera = config.camera
    clock = SystemClock(trusted=config.device.clock == "rtc")
    with ExitStack() as stack:
        source = open_source(camera.source, camera.fps, camera.masks, clock)
        stack.callback(source.close)
        stack.enter_context(claim(config.records.data_dir))
        stack.enter_context(claim_name(config.device.tenant, config.device.id))
        outbox = SqliteOutbox(config.records.data_dir / OUTBOX_FILE, config.device.id)
        stack.callback(outbox.close)
        beats = Heartbeats(clock.monotonic)
        outbox.watch(lambda: beats.call("database"))
        pipeline = _run(config, clock, source, outbox, beats, probation_s=probation_s, start=start)
    if pipeline.progress.unsaved:
        raise OutboxError(
            f"{config.records.data_dir}: {pipeline.progress.unsaved} intervals could not be"
            " stored before the stop and are lost; is the disk full?"
        )


def _run(
    config: Config,
    clock: SystemClock,
    source: ClipSource | LiveSource,
    outbox: Outbox,
    beats: Heartbeats,
    *,
    probation_s: float,
    start: Start | None,
) -> Pipeline:
    interval_s = config.records.interval_min * 60.0
    if isinstance(source, ClipSource):
        # A clip has a time base of its own; it is said to begin now.
        timeline = Timeline(RecordingClock(clock.utc()), waits=False)
    else:
        timeline = Timeline(clock, boot=boot_id())

    def dry_run(candidate: Config) -> None:
        rehearse(build_stages(candidate, "rehearsal", interval_s), config.device.id)

    state = start.state if start else None
    settings = ConfigInForce(config, dry_run, probation_s=probation_s, state=state)
    pipeline = build_pipeline(settings.current.config, outbox, timeline, interval_s=interval_s)
    model_hash = pipeline.provenance.model
    pacer = Pacer(config.camera.fps, PacingSettings(hot_c=hot_c(board_name())))
    paced = PacedSource(
        source,
        config.camera.fps,
        monotonic=clock.monotonic,
        temperature_c=temperature_c,
        pacer=pacer,
    )
    panel = new_panel(config, outbox, timeline) if config.setup_page.enabled else None
    watched = watched_view(config, live=isinstance(source, LiveSource))
    service = Service(
        settings,
        clock,
        pipeline,
        outbox,
        paced,
        stages_of=partial(build_stages, model_hash=model_hash, interval_s=interval_s),
        interval_s=interval_s,
        spread_s=0.0 if isinstance(source, ClipSource) else SPREAD_S,
        signer=_signer(config),
        beats=beats,
        panel=panel,
        watch=start.watch(config.records.data_dir, dry_run) if start else None,
    )
    _say_mode(config)
    _close_on_signal(source)
    monitor, port = service.monitor, config.health.prometheus_port
    metrics = (
        Metrics(port, lambda: monitor.latest, lambda: monitor.totals, monitor.pulse)
        if port
        else None
    )
    page = (
        open_page(
            device_of(
                service,
                panel,
                settings,
                clock,
                pipeline,
                file=start.path if start else None,
                doctor=doctor_settings,
                confirm_view=watched.confirm if watched else lambda: None,
            ),
            clock.monotonic,
        )
        if panel
        else None
    )
    with (
        Watchdog(beats, lambda: monitor.words, os.environ),
        metrics or nullcontext(),
        page or nullcontext(),
    ):
        service.run(watched.frames(paced.frames()) if watched else paced.frames())
    return pipeline


def _say_mode(config: Config) -> None:
    privacy = config.privacy
    if privacy.mode == "lab":
        _log.warning("privacy", mode="lab", note=LAB_NOTICE["zh"], means=LAB_NOTICE["en"])
    else:
        _log.info("privacy", mode=privacy.mode, responsible=privacy.unit)


def watched_view(config: Config, *, live: bool) -> WatchedView | None:
    """Return the watch over the camera's view; None when the config turns it off.

    live: a clip may show one picture for long; a camera never repeats one exactly.
    """
    camera = config.camera
    if not camera.watch:
        return None
    seen = json.dumps([shown(camera.source), camera.masks])
    file = ViewFile(config.records.data_dir, hashlib.sha256(seen.encode()).hexdigest()[:12])
    return WatchedView(file, ViewSettings() if live else ViewSettings(frozen_s=None))


def _signer(config: Config) -> Signer | None:
    """Return the device's key; without one records are counted and sent, and not signed."""
    try:
        key = open_key(config.records.data_dir)
    except DeviceKeyError as error:
        _log.error("no heads are signed", error=str(error))
        return None
    _log.info("heads are signed", key=fingerprint(key.public_key))
    return key


def _close_on_signal(source: ClipSource | LiveSource) -> None:
    """End the pictures, and with them the service, on SIGTERM and SIGINT.

    A handler runs in the middle of whatever the main thread does, perhaps inside a lock
    that closing needs; a thread of its own waits for that lock instead of for ever.
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        threading.Thread(target=source.close, name="close").start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
