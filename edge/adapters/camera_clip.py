"""A video file as a source of pictures, on the clip's own time base."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Literal

import structlog

from edge.adapters.camera_channel import Ended, Failed, Given, Job, Kind, Opened, Pace
from edge.adapters.camera_child import CameraProcess, ChildGoneError, Keeper, Patience
from edge.errors import CameraError
from edge.vocabulary import Frame, Point

Speed = Literal["real", "max"]

_LOOK_UP_S = 0.5
_WHAT_WORKS = "use an MP4, AVI or MKV file"

_log = structlog.get_logger(__name__)


class ClipSource:
    """A video file on its own time base: the same pictures and times at any speed."""

    def __init__(
        self,
        path: str | Path,
        fps: float,
        speed: Speed = "real",
        masks: Sequence[Sequence[Point]] = (),
        *,
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
        self.check()
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
                f" after picture {self._seen}; the file may be damaged, {_WHAT_WORKS}"
            ) from None
        finally:
            self._keeper.stop()

    def set_fps(self, fps: float) -> None:
        """Take so many pictures a second of clip time from now on; not at speed max.

        There a clip gives the same pictures on every machine.
        """
        if self._job.pace is not Pace.HELD:
            self._keeper.set_fps(fps)

    def set_masks(self, masks: Sequence[Sequence[Point]]) -> None:
        """Burn these masks into every picture from the next one on."""
        self._keeper.set_masks(masks)

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
                    raise CameraError(f"clip {self._path}: {reason}; {_WHAT_WORKS}")
                case Ended(pictures):
                    self._check_length(pictures)
                    return None
                case None if child.overdue(self._patience.stall_s):
                    raise CameraError(
                        f"clip {self._path}: the process that decodes it got stuck after picture"
                        f" {self._seen}; the file may be damaged, {_WHAT_WORKS}"
                    )

    def check(self) -> None:
        """Raise CameraError when the file is not there, not readable or empty."""
        try:
            state = self._path.stat()
            if not S_ISREG(state.st_mode):  # opening a pipe would wait for its other end
                problem = "this is a folder" if S_ISDIR(state.st_mode) else "this is not a file"
            else:
                with self._path.open("rb") as file:
                    problem = "" if file.read(1) else "the file is empty"
        except OSError as error:
            problem = error.strerror or type(error).__name__
        if problem:
            raise CameraError(f"clip {self._path}: {problem}; {_WHAT_WORKS}")

    def _check_length(self, pictures: int) -> None:
        # Some containers only estimate their length, so a few per cent mean nothing.
        missing = max(self.length - pictures, 0)
        if missing > 2 + self.length // 50:
            self.missing = missing
            _log.warning(
                "clip.cut_short", clip=str(self._path), pictures=pictures, claimed=self.length
            )
