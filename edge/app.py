"""The composition root: config → adapters → pipeline and relay → threads, signals."""

import signal
from collections.abc import Sequence
from functools import partial
from types import FrameType

from edge.adapters.camera_opencv import ClipSource, open_source
from edge.adapters.clock import RecordingClock, SystemClock
from edge.adapters.detector_onnx import OnnxDetector
from edge.adapters.model_catalog import load_catalog
from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.aggregation import Aggregator
from edge.config import Config
from edge.counting import Counter
from edge.errors import OutboxError
from edge.monitor import Monitor
from edge.pipeline import Pipeline
from edge.ports import Clock, Outbox
from edge.station import Station
from edge.tracking import Tracker, TrackerSettings
from edge.vocabulary import Line, Provenance

OUTBOX_FILE = "outbox.sqlite"


def configured_lines(config: Config) -> list[Line]:
    """Return the counting lines of a config."""
    return [section.line() for section in config.lines]


def build_pipeline(
    config: Config,
    outbox: Outbox,
    clock: Clock,
    *,
    interval_s: float,
) -> Pipeline:
    """Open the model and join the stages. Raises ModelError."""
    lines = configured_lines(config)
    catalog = load_catalog(config.model.folder)
    entry = catalog.entry(config.model.name)
    detector = OnnxDetector(entry, catalog.path(entry), config.model.threads)
    return Pipeline(
        detector=detector,
        tracker=Tracker(TrackerSettings(sure_score=entry.sure_score)),
        counter=Counter(lines, config.counting.settings()),
        aggregator=partial(_aggregator, [line.id for line in lines], round(interval_s * 1000)),
        outbox=outbox,
        clock=clock,
        provenance=Provenance(cfg=config.hash(), model=detector.model_hash),
    )


def _aggregator(lines: Sequence[str], interval_ms: int, start_ms: int) -> Aggregator:
    return Aggregator(lines, interval_ms, start_ms)


def open_outbox(config: Config) -> SqliteOutbox:
    """Make the data folder and open the outbox in it. Raises OutboxError."""
    folder = config.records.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutboxError(
            f"{folder}: the data folder cannot be made ({error.strerror});"
            " set records.data_dir to a folder this user may write"
        ) from error
    return SqliteOutbox(folder / OUTBOX_FILE, config.device.id)


def run_device(config: Config) -> None:
    """Count until SIGTERM or SIGINT (or the end of a clip), then close the last interval.

    Raises ModelError, OutboxError, ConfigError or CameraError before anything runs.
    """
    clock = SystemClock()
    interval_s = config.records.interval_min * 60.0
    camera = config.camera
    source = open_source(camera.source, camera.fps, camera.masks, clock)
    outbox = open_outbox(config)
    # A clip has a time base of its own; it is said to begin now.
    time_base = RecordingClock(clock.utc()) if isinstance(source, ClipSource) else clock
    pipeline = build_pipeline(config, outbox, time_base, interval_s=interval_s)
    monitor = Monitor(config.records.data_dir, clock, pipeline, outbox, source)
    station = Station(
        config,
        clock,
        outbox,
        pipeline.provenance,
        interval_s=interval_s,
        health=monitor.health,
    )
    pipeline.on_saved = lambda _: station.relay.wake.set()

    def stop(_number: int, _frame: FrameType | None) -> None:
        source.close()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    station.start()
    try:
        pipeline.run(source.frames(), lambda step: monitor.tick(step, station.relay))
    finally:
        source.close()
        station.stop()
        monitor.report(station.relay.state)
        outbox.close()
