"""Pictures from a clip, a USB camera or an RTSP stream, decoded by OpenCV in a process of its own.

Three pictures at most are in memory: the one between the two processes, the
one being handed over, and the one the consumer still holds.
"""

import random
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from math import inf, nextafter
from pathlib import Path
from typing import Literal

import structlog

from edge.adapters.camera_address import kind_of, shown
from edge.adapters.camera_channel import Ended, Failed, Given, Job, Kind, Opened, Pace
from edge.adapters.camera_child import CameraProcess, ChildGoneError, Keeper
from edge.adapters.camera_timing import backoff_s
from edge.errors import CameraError
from edge.ports import Clock
from edge.vocabulary import CoverageReason, Frame, NoFrame, Point

Masks = Sequence[Sequence[Point]]
Speed = Literal["real", "max"]

_LOOK_UP_S = 0.5
_NO_FRAME_S = 0.9  # said at least once a second
_STEADY_S = 10.0
_CLIP_WORKS = "use an MP4, AVI or MKV file"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait before giving up on something, in seconds.

    open_s: for a network camera to connect. read_s: for its next picture.
    stall_s: for any sign of life from the camera process, which is then replaced.
    """

    open_s: float = 10.0
    read_s: float = 5.0
    stall_s: float = 10.0


class ClipSource:
    """A video file on its own time base: the same pictures and times at any speed."""

    def __init__(
        self,
        path: str | Path,
        fps: float,
        speed: Speed = "real",
        masks: Masks = (),
        patience: Patience | None = None,
    ) -> None:
        """Play `path` at up to `fps` pictures a second of clip time.

        speed: "real" keeps the clip's pace and drops what the consumer is too slow
        for; "max" goes as fast as the consumer and drops nothing.
        """
        self._path = Path(path)
        self._patience = patience or Patience()
        pace = Pace.HELD if speed == "max" else Pace.CLIP
        place = str(self._path.absolute())
        self._job = Job(
            Kind.FILE, place, fps, masks, pace, self._patience.open_s, self._patience.read_s
        )
        self._keeper = Keeper()
        self._seen = 0
        self.length = 0
        """How many pictures the container claims, skipped ones included; 0 while unknown."""
        self.missing = 0
        """How many of those were not there when the clip ended: it is cut short or damaged."""

    @property
    def dropped(self) -> int:
        """How many pictures the consumer was too slow for; always 0 at speed max."""
        return self._keeper.dropped

    @property
    def child_pid(self) -> int | None:
        """The process that decodes, while there is one."""
        return self._keeper.child.pid if self._keeper.child else None

    def frames(self) -> Iterator[Frame]:
        """Yield the clip's pictures; `at` begins at 0 and `index` counts skipped ones too.

        Ends early and in silence only after `close`. Raises CameraError when the file
        is no video, or when it stops or kills the process that decodes it.
        """
        self._check_file()
        try:
            child = self._keeper.start(self._job)
            while (given := self._next(child)) is not None:
                self._seen = given.index + 1
                yield Frame(given.at, given.index, child.take())
        except ChildGoneError as gone:
            if self._keeper.closed.is_set():
                return
            raise CameraError(
                f"clip {self._path}: the process that decodes it {gone}"
                f" after picture {self._seen}; the file may be damaged, {_CLIP_WORKS}"
            ) from None
        finally:
            self._keeper.stop()

    def close(self) -> None:
        """End the clip; idempotent, callable from another thread."""
        self._keeper.close()

    def _next(self, child: CameraProcess) -> Given | None:
        child.want()
        while True:
            match child.wait(_LOOK_UP_S):
                case Given() as given:
                    return given
                case Opened(length=length):
                    self.length = length
                case Failed(reason):
                    raise CameraError(f"clip {self._path}: {reason}; {_CLIP_WORKS}")
                case Ended(pictures):
                    self._check_length(pictures)
                    return None
                case None if child.overdue(self._patience.stall_s):
                    raise CameraError(
                        f"clip {self._path}: the process that decodes it got stuck after picture"
                        f" {self._seen}; the file may be damaged, {_CLIP_WORKS}"
                    )

    def _check_file(self) -> None:
        try:
            with self._path.open("rb") as file:
                problem = "" if file.read(1) else "the file is empty"
        except OSError as error:
            problem = error.strerror or type(error).__name__
        if problem:
            raise CameraError(f"clip {self._path}: {problem}; {_CLIP_WORKS}")

    def _check_length(self, pictures: int) -> None:
        # Some containers only estimate their length, so a few per cent mean nothing.
        missing = max(self.length - pictures, 0)
        if missing > 2 + self.length // 50:
            self.missing = missing
            _log.warning(
                "clip.cut_short", clip=str(self._path), pictures=pictures, claimed=self.length
            )


class LiveSource:
    """A camera: always the newest picture, and a new try whenever there is none."""

    def __init__(
        self,
        source: str,
        fps: float,
        masks: Masks,
        clock: Clock,
        patience: Patience | None = None,
        kind: Kind | None = None,
    ) -> None:
        """Watch `source` at up to `fps` pictures a second.

        kind: what it is, when its name does not tell. Kind.FILE plays a clip over and
        over at its own pace, as if it were a camera. Raises CameraError for a name
        that cannot be a camera.
        """
        kind = kind or kind_of(source)
        self._shown = shown(source)
        self._clock = clock
        self._patience = patience or Patience()
        is_file = kind is Kind.FILE
        pace = Pace.CLIP if is_file else Pace.CAMERA
        self._job = Job(
            kind, source, fps, masks, pace, self._patience.open_s, self._patience.read_s, is_file
        )
        # A camera slower than this would seem to be gone between two pictures.
        self._quiet_s = max(_NO_FRAME_S, 2.0 / fps)
        self._keeper = Keeper()
        self._up: bool | None = None
        self._last_at = -inf
        self._index = -1
        self._failures = 0

    @property
    def dropped(self) -> int:
        """How many due pictures the consumer was too slow for."""
        return self._keeper.dropped

    @property
    def child_pid(self) -> int | None:
        """The process that decodes, while there is one."""
        return self._keeper.child.pid if self._keeper.child else None

    def frames(self) -> Iterator[Frame | NoFrame]:
        """Yield the newest pictures until `close`, and NoFrame each second without one.

        `at` is when the picture was taken from the camera, on the clock's monotonic
        time. `index` counts the camera's pictures, the unused ones too.
        """
        try:
            while not self._keeper.closed.is_set():
                reason = yield from self._until_lost()
                self._keeper.stop()
                if not self._keeper.closed.is_set():
                    self._note_lost(reason)
                    yield from self._pause()
        finally:
            self._keeper.stop()

    def close(self) -> None:
        """Release the camera; idempotent, callable from another thread."""
        self._keeper.close()

    def _until_lost(self) -> Generator[Frame | NoFrame, None, str]:
        """Yield what one camera process gives; return why it gives no more."""
        first_index, first_at = self._index + 1, inf
        deadline = time.monotonic() + _NO_FRAME_S
        try:
            child = self._keeper.start(self._job)
            child.want()
            while True:
                match child.wait(deadline - time.monotonic()):
                    case Given() as given:
                        first_at = min(first_at, given.captured)
                        self._note_up(steady=given.captured - first_at > _STEADY_S)
                        self._index = first_index + given.index
                        yield Frame(self._taken_at(given), self._index, child.take())
                        child.want()
                        deadline = time.monotonic() + self._quiet_s
                    case Failed(reason):
                        return reason
                    case Ended():
                        return "ended"
                    case None:
                        if child.overdue(self._patience.stall_s):
                            return "got stuck and is started anew"
                        yield self._no_frame()
                        deadline = time.monotonic() + _NO_FRAME_S
        except ChildGoneError as gone:
            return f"the process that decodes it {gone}"

    def _pause(self) -> Iterator[NoFrame]:
        """Wait before the next try, a little longer each time."""
        self._failures += 1
        until = time.monotonic() + backoff_s(self._failures, random.random())  # noqa: S311
        while not self._keeper.closed.is_set() and (left := until - time.monotonic()) > 0:
            yield self._no_frame()
            self._keeper.closed.wait(min(left, _NO_FRAME_S))

    def _taken_at(self, given: Given) -> float:
        age_s = max(time.monotonic() - given.captured, 0.0)
        return self._after_the_last(self._clock.monotonic() - age_s)

    def _no_frame(self) -> NoFrame:
        at = self._after_the_last(self._clock.monotonic())
        return NoFrame(at, CoverageReason.NO_CAMERA)

    def _after_the_last(self, at: float) -> float:
        # A picture may have been taken just before we said that there is none.
        self._last_at = max(at, nextafter(self._last_at, inf))
        return self._last_at

    def _note_up(self, *, steady: bool) -> None:
        if steady:
            self._failures = 0
        if not self._up:
            self._up = True
            _log.info("camera.up", camera=self._shown)

    def _note_lost(self, reason: str) -> None:
        if self._up is not False:
            self._up = False
            _log.warning("camera.lost", camera=self._shown, reason=reason)


def open_source(
    source: str, fps: float, masks: Masks, clock: Clock, speed: Speed = "real"
) -> ClipSource | LiveSource:
    """Return the source for a file, /dev/videoN or its number, or an rtsp:// URL.

    Nothing is opened before the first picture is asked for. `speed` is for files.
    Raises CameraError for any other kind of address.
    """
    if kind_of(source) is Kind.FILE:
        return ClipSource(source, fps, speed, masks)
    return LiveSource(source, fps, masks, clock)
