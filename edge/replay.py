"""Counting a recording: the same pipe as on the device, with the clip's own time."""

import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from edge.adapters.annotator_opencv import Annotator
from edge.adapters.camera_opencv import ClipSource, Speed
from edge.adapters.clock import RecordingClock, SystemClock
from edge.adapters.data_folder import OUTBOX_FILE
from edge.adapters.detections_mot import MotDetections
from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.assembly import build_pipeline, configured_lines
from edge.config import Config
from edge.errors import BadInputError
from edge.messages import Health
from edge.pipeline import Pipeline, Step
from edge.ports import Outbox
from edge.station import Station
from edge.testing import MemoryOutbox
from edge.timeline import Timeline
from edge.vocabulary import Bucket, Counted, Crossing, Frame, StoredRecord, Tracks

STREAM = "0" * 16
"""Replays that are not published all have this stream, so that they repeat byte for byte."""
EPOCH_2026 = 1_767_225_600.0


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """How to play: `speed` real or max, `start_utc` the date the clip is said to begin.

    `interval_s` may be shorter than a device allows: a recording has no privacy left
    that an interval could protect.
    size, clip_fps: of the pictures that a text file of detections was made from.
    """

    speed: Speed = "max"
    start_utc: float = EPOCH_2026
    interval_s: float | None = None
    annotate: Path | None = None
    publish: bool = False
    size: tuple[int, int] | None = None
    clip_fps: float | None = None


@dataclass(slots=True)
class Replay:
    """What came out.

    `live` are the crossings as they happened, a U-turn as one in and one out.
    `clip_fps` and `size` (width, height) are those of the clip.
    """

    frames: int = 0
    clip_fps: float = 0.0
    size: tuple[int, int] = (0, 0)
    wall_s: float = 0.0
    cpu_s: float = 0.0
    live: list[Crossing] = field(default_factory=list)
    buckets: list[Bucket] = field(default_factory=list)
    records: list[StoredRecord] = field(default_factory=list)
    """Sealed, in order; empty when they were published instead."""
    undelivered: int = 0
    trouble: str | None = None

    def note(self, step: Step) -> None:
        """Add what one frame led to."""
        self.live += step.counted.live
        if isinstance(step.item, Frame):
            self.frames += 1
            height, width = step.item.image.shape[:2]
            self.size = (width, height)
            if step.item.at > 0:
                self.clip_fps = step.item.index / step.item.at


def replay(
    config: Config,
    clip: Path,
    options: ReplayOptions,
    on_frame: Callable[[int, int | None], None] = lambda _index, _total: None,
) -> Replay:
    """Play a clip, or a text file of detections, to its end.

    `on_frame` gets the index of every frame used and the length of the clip.
    Raises ModelError, CameraError, or BadInputError for the annotated video and the text.
    """
    if options.annotate is not None and options.annotate.resolve() == clip.resolve():
        raise BadInputError(
            f"--annotate {options.annotate}: that is the recording itself and would be"
            " overwritten; give another file, e.g. annotated.mp4"
        )
    result = Replay()
    interval_s = options.interval_s or config.records.interval_min * 60.0
    with ExitStack() as stack:
        camera = config.camera
        texts = _detections(clip, options, camera.fps)
        source = texts or ClipSource(clip, camera.fps, speed=options.speed, masks=camera.masks)
        stack.callback(source.close)
        outbox = _outbox(stack, config, options.publish)
        timeline = Timeline(RecordingClock(options.start_utc), waits=False)
        pipeline = build_pipeline(config, outbox, timeline, interval_s=interval_s, detections=texts)
        station = _station(config, outbox, pipeline, interval_s) if options.publish else None
        pipeline.on_saved(_saver(result, station))
        draw = _drawing(stack, config, options.annotate)

        def on_step(step: Step) -> None:
            result.note(step)
            if isinstance(step.item, Frame):
                draw(step.item, step.tracks, step.counted)
                on_frame(step.item.index, source.length)

        wall, cpu = time.perf_counter(), _cpu_s()
        try:
            pipeline.run(source.frames(), on_step)
        finally:
            source.close()
            if station is not None:
                station.stop()
                result.trouble = station.relay.state.last_error
        result.wall_s, result.cpu_s = time.perf_counter() - wall, _cpu_s() - cpu
        result.undelivered = outbox.depth() if options.publish else 0
        result.records = [] if options.publish else outbox.pending(outbox.depth())
    return result


def _detections(path: Path, options: ReplayOptions, fps: float) -> MotDetections | None:
    if path.suffix.lower() not in {".txt", ".csv"}:
        return None
    if options.size is None or options.clip_fps is None:
        raise BadInputError(
            f"{path}: a text file of detections does not say how large and how fast its"
            " pictures were; add e.g. --size 768x576 --clip-fps 10"
        )
    if options.annotate is not None:
        raise BadInputError(f"--annotate: there are no pictures in {path}; give a video")
    return MotDetections(path, options.size, options.clip_fps, fps)


def _outbox(stack: ExitStack, config: Config, publish: bool) -> Outbox:
    if not publish:
        return MemoryOutbox(config.device.id, STREAM)
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="lobbycount-replay-"))
    outbox = SqliteOutbox(Path(folder) / OUTBOX_FILE, config.device.id)
    stack.callback(outbox.close)
    return outbox


def _station(config: Config, outbox: Outbox, pipeline: Pipeline, interval_s: float) -> Station:
    station = Station(
        config,
        SystemClock(),
        outbox,
        pipeline.provenance,
        interval_s=interval_s,
        health=lambda _: Health(uptime_s=0, queue=outbox.depth()),
    )
    station.start()
    return station


def _saver(result: Replay, station: Station | None) -> Callable[[Sequence[Bucket]], None]:
    def saved(buckets: Sequence[Bucket]) -> None:
        result.buckets += buckets
        if station is not None:
            station.relay.wake.set()

    return saved


def _drawing(
    stack: ExitStack, config: Config, path: Path | None
) -> Callable[[Frame, Tracks, Counted], None]:
    if path is None:
        return lambda _frame, _tracks, _counted: None
    return stack.enter_context(Annotator(path, config.camera.fps, configured_lines(config))).write


def _cpu_s() -> float:
    """Processor seconds of this process and of the children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)
