"""A camera as a source of pictures: whatever happens to it, it is tried again."""

import random
import time
from collections.abc import Generator, Iterator, Sequence
from math import inf, nextafter

import structlog

from edge.adapters.camera_address import kind_of, shown
from edge.adapters.camera_channel import Ended, Failed, Given, Job, Kind, Pace
from edge.adapters.camera_child import ChildGoneError, Keeper, Patience
from edge.adapters.camera_timing import backoff_s
from edge.ports import Clock
from edge.vocabulary import CoverageReason, Frame, NoFrame, Point

_NO_FRAME_S = 0.9  # said at least once a second
_STEADY_S = 10.0

_log = structlog.get_logger(__name__)


class LiveSource:
    """A camera: always the newest picture, and a new try whenever there is none."""

    def __init__(
        self,
        source: str,
        fps: float,
        masks: Sequence[Sequence[Point]],
        clock: Clock,
        *,
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
        self._say_by = time.monotonic() + _NO_FRAME_S
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

    def set_fps(self, fps: float) -> None:
        """Take so many pictures a second from now on."""
        self._quiet_s = max(_NO_FRAME_S, 2.0 / fps)
        self._keeper.set_fps(fps)

    def set_masks(self, masks: Sequence[Sequence[Point]]) -> None:
        """Burn these masks into every picture from the next one on."""
        self._keeper.set_masks(masks)

    def close(self) -> None:
        """Release the camera; idempotent, callable from another thread."""
        self._keeper.close()

    def _until_lost(self) -> Generator[Frame | NoFrame, None, str]:
        """Yield what one camera process gives; return why it gives no more."""
        first_index, first_at = self._index + 1, inf
        try:
            child = self._keeper.start(self._job)
            child.want()
            while True:
                match child.wait(self._say_by - time.monotonic()):
                    case Given() as given:
                        first_at = min(first_at, given.captured)
                        self._note_up(steady=given.captured - first_at > _STEADY_S)
                        self._index = first_index + given.index
                        yield Frame(self._taken_at(given), self._index, child.take())
                        child.want()
                        self._say_by = time.monotonic() + self._quiet_s
                    case Failed(reason):
                        return reason
                    case Ended():
                        return "ended"
                    case None:
                        if child.overdue(self._patience.stall_s):
                            return "got stuck and is started anew"
                        yield self._no_frame()
        except ChildGoneError as gone:
            return f"the process that decodes it {gone}"

    def _pause(self) -> Iterator[NoFrame]:
        """Wait before the next try, a little longer each time."""
        self._failures += 1
        until = time.monotonic() + backoff_s(self._failures, random.random())  # noqa: S311
        yield self._no_frame()
        while not self._keeper.closed.wait(min(until, self._say_by) - time.monotonic()):
            now = time.monotonic()
            if now >= until:
                return
            if now >= self._say_by:
                yield self._no_frame()

    def _taken_at(self, given: Given) -> float:
        age_s = max(time.monotonic() - given.captured, 0.0)
        return self._after_the_last(self._clock.monotonic() - age_s)

    def _no_frame(self) -> NoFrame:
        self._say_by = time.monotonic() + _NO_FRAME_S
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
