"""`lobbycount doctor line`: the product's own pipe on the camera or a clip, for some minutes.

Nothing is stored and nothing is sent: the outbox is memory, and goes with the process.
"""

from collections.abc import Callable
from contextlib import closing
from math import inf
from pathlib import Path

from edge.adapters.camera_address import kind_of, shown
from edge.adapters.camera_channel import Kind
from edge.adapters.camera_opencv import ClipSource, open_source
from edge.adapters.clock import RecordingClock, SystemClock
from edge.adapters.data_folder import is_claimed
from edge.adapters.detections_mot import MotDetections
from edge.assembly import build_pipeline, configured_lines, doctor_settings
from edge.config import Config
from edge.errors import BadInputError, CameraError
from edge.line_doctor import LineDoctor
from edge.ports import FrameSource
from edge.replay import EPOCH_2026
from edge.testing import MemoryOutbox
from edge.timeline import Timeline
from edge.vocabulary import Frame

Progress = Callable[[float], None]
"""Gets the seconds watched."""
PATIENCE_S = 30.0
"""So long a camera may take for its first picture."""


def doctor_of(config: Config) -> LineDoctor:
    """Return a doctor for the lines of a config, who asks what its counter and camera ask."""
    return LineDoctor(configured_lines(config), settings=doctor_settings(config))


def watch_camera(
    config: Config, seconds: float, progress: Progress, patience_s: float = PATIENCE_S
) -> LineDoctor:
    """Watch what the configured camera shows for so long.

    patience_s: how long it may take for its first picture.

    Raises BadInputError while the service has the camera, CameraError when no picture came.
    """
    source = config.camera.source
    if kind_of(source) is Kind.FILE:
        return watch_clip(config, Path(source), progress)
    if kind_of(source) is Kind.USB and is_claimed(config.records.data_dir):
        raise BadInputError(
            f"camera.source {shown(source)}: the counting service is running and has the"
            " camera; stop it first, e.g. sudo systemctl stop lobbycount, and start it afterwards"
        )
    clock = SystemClock()
    camera = open_source(source, config.camera.fps, config.camera.masks, clock)
    return _watch(
        config,
        camera,
        Timeline(clock, waits=False),
        progress,
        seconds=seconds,
        patience_s=patience_s,
    )


def watch_clip(
    config: Config,
    clip: Path,
    progress: Progress,
    size: tuple[int, int] | None = None,
    clip_fps: float | None = None,
) -> LineDoctor:
    """Watch a recording, or detections as MOT text, to its end.

    size, clip_fps: of the pictures behind a text.
    Raises CameraError for a recording that cannot be read, BadInputError for a text.
    """
    timeline = Timeline(RecordingClock(EPOCH_2026), waits=False)
    if clip.suffix.lower() in {".txt", ".csv"}:
        if size is None or clip_fps is None:
            raise BadInputError(
                f"{clip}: a text file of detections does not say how large and how fast its"
                " pictures were; add e.g. --size 768x576 --clip-fps 10"
            )
        texts = MotDetections(clip, size, clip_fps, config.camera.fps)
        return _watch(config, texts, timeline, progress, texts=texts)
    camera = ClipSource(clip, config.camera.fps, "max", config.camera.masks)
    return _watch(config, camera, timeline, progress)


def _watch(
    config: Config,
    source: FrameSource,
    timeline: Timeline,
    progress: Progress,
    *,
    seconds: float = inf,
    patience_s: float = PATIENCE_S,
    texts: MotDetections | None = None,
) -> LineDoctor:
    doctor = doctor_of(config)
    interval_s = config.records.interval_min * 60.0
    outbox = MemoryOutbox(config.device.id)
    pipeline = build_pipeline(config, outbox, timeline, interval_s=interval_s, detections=texts)
    began: float | None = None
    pictures = 0
    with closing(source):
        for item in source.frames():
            began = item.at if began is None else began
            doctor.observe(pipeline.step(item).tracks)
            pictures += isinstance(item, Frame)
            progress(item.at - began)
            if item.at - began >= (seconds if pictures else patience_s):
                break
    if not pictures:
        raise CameraError(
            f"camera.source {shown(config.camera.source)}: no picture came; is the camera on,"
            " and its address right? `lobbycount run` says what it answers"
        )
    return doctor
