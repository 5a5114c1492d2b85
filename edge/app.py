"""The composition root: config → adapters → pipeline and relay → threads, signals."""

import os
import signal
import threading
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from types import FrameType

import structlog

from edge import __version__
from edge.adapters.board import board_name
from edge.adapters.camera_opencv import ClipSource, LiveSource, open_source
from edge.adapters.camera_paced import PacedSource
from edge.adapters.clock import RecordingClock, SystemClock, boot_id
from edge.adapters.confirmation_note import ConfirmationNote
from edge.adapters.data_folder import OUTBOX_FILE, claim, claim_name
from edge.adapters.device_key import open_key
from edge.adapters.metrics_prometheus import Metrics
from edge.adapters.off_disk import keep_off_disk
from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.adapters.thermometer import hot_c, temperature_c
from edge.adapters.watchdog_systemd import Watchdog
from edge.answered_for import require_acknowledgement
from edge.assembly import build_pipeline, build_stages, doctor_settings, look_anew, watched_view
from edge.config import Config
from edge.config_in_force import ConfigInForce
from edge.config_start import Start
from edge.errors import DeviceKeyError, OutboxError
from edge.heads import fingerprint
from edge.heartbeats import Heartbeats
from edge.pacing import Pacer, PacingSettings
from edge.pipeline import Pipeline
from edge.ports import Clock, Outbox, Signer
from edge.privacy_text import LAB_NOTICE
from edge.rehearsal import rehearse
from edge.service import Service
from edge.setup_page.composition import device_of, new_panel
from edge.setup_page.device import Device
from edge.shadow import PROBATION_S
from edge.timeline import Timeline
from edge.update_courier import courier_of

SPREAD_S = 30.0
"""Every device of a city closes its interval on the quarter hour; they send within this time."""

_log = structlog.get_logger(__name__)


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
        on_masks=partial(look_anew, watched) if watched else lambda _: None,
        watch=start.watch(config.records.data_dir, dry_run) if start else None,
        updates=courier_of(config, clock, outbox),
        on_report=ConfirmationNote(__version__, start.path) if start else lambda _: None,
    )
    _say_mode(config)
    _close_on_signal(source)
    monitor, port = service.monitor, config.health.prometheus_port
    metrics = (
        Metrics(port, lambda: monitor.latest, lambda: monitor.totals, monitor.pulse)
        if port
        else None
    )
    page: AbstractContextManager[object] = nullcontext()
    if panel is not None:
        device = device_of(
            service,
            panel,
            settings,
            clock,
            pipeline,
            file=start.path if start else None,
            doctor=doctor_settings,
            confirm_view=watched.confirm if watched else lambda: None,
        )
        page = _page(device, clock)
    with (
        Watchdog(beats, lambda: monitor.words, os.environ),
        metrics or nullcontext(),
        page,
    ):
        service.run(watched.frames(paced.frames()) if watched else paced.frames())
    return pipeline


def _page(device: Device, clock: Clock) -> AbstractContextManager[object]:
    # The web stack takes 4 MB and 0.2 s, which nobody pays who has the page off.
    from edge.setup_page.page import open_page  # noqa: PLC0415

    return open_page(device, clock.monotonic) or nullcontext()


def _say_mode(config: Config) -> None:
    privacy = config.privacy
    if privacy.mode == "lab":
        _log.warning("privacy", mode="lab", note=LAB_NOTICE["zh"], means=LAB_NOTICE["en"])
    else:
        _log.info("privacy", mode=privacy.mode, responsible=privacy.unit)


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
