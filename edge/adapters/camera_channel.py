"""What a camera process and its parent share: a job, messages, one picture.

Messages are JSON packets over a socket pair. The picture and three numbers are
in anonymous shared memory (memfd): it has no name, so nothing can be left
behind whoever dies, and it is never a file. Both sides import this, so it
knows neither OpenCV nor the rest of the product.
"""

import json
import mmap
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from edge.vocabulary import Image, Point

PACKET_BYTES = 1 << 20
"""More than any message; a longer one would be cut."""
WANT = b"want"
"""Parent to child: hand over the newest picture."""
DONE = b"done"
"""Parent to child: the picture handed over is copied, its memory is yours again."""
MASKS = b"masks "
"""Parent to child, before JSON: burn these polygons into every picture from now on."""
MAX_SIDE_PX = 8192


class Kind(StrEnum):
    """What a source is."""

    FILE = "file"
    USB = "usb"
    RTSP = "rtsp"


class Pace(StrEnum):
    """Who decides when the next picture comes."""

    HELD = "held"
    """The consumer: nothing is skipped."""
    CLIP = "clip"
    """The clip's own time: what the consumer is too slow for is dropped."""
    CAMERA = "camera"
    """The camera, likewise."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a camera process is to do, told over the socket: a URL may hold a password.

    fps: pictures wanted per second, to begin with. masks: polygons of normalised points.
    open_s, read_s: how long the network may take to connect, to deliver a picture.
    loop: begin again at the end of a file.
    """

    kind: Kind
    place: str
    fps: float
    masks: Sequence[Sequence[Point]]
    pace: Pace
    open_s: float
    read_s: float
    loop: bool = False

    def to_packet(self) -> bytes:
        """Return it as JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_packet(cls, packet: bytes) -> "Job":
        """Read what `to_packet` wrote."""
        fields = json.loads(packet)
        return cls(**fields | {"kind": Kind(fields["kind"]), "pace": Pace(fields["pace"])})


@dataclass(frozen=True, slots=True)
class Opened:
    """The first picture came; `length` is how many the container claims, 0 if it does not say."""

    height: int
    width: int
    length: int


@dataclass(frozen=True, slots=True)
class Given:
    """The shared picture is the parent's until it says DONE.

    at: seconds on the clip's own time base. captured: seconds on CLOCK_MONOTONIC,
    which all processes share. index: 0-based, counting skipped pictures too.
    """

    at: float
    captured: float
    index: int


@dataclass(frozen=True, slots=True)
class Masked:
    """Every picture given from now on has the masks that were sent last."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The clip is over after so many pictures, skipped ones included."""

    pictures: int


@dataclass(frozen=True, slots=True)
class Failed:
    """There is nothing to be had; `reason` completes a sentence about the source."""

    reason: str


Word = Opened | Given | Masked | Ended | Failed
_WORDS = {word.__name__: word for word in (Opened, Given, Masked, Ended, Failed)}


def to_packet(word: Word) -> bytes:
    """Return a message as JSON."""
    return json.dumps([type(word).__name__, asdict(word)]).encode()


def from_packet(packet: bytes) -> Word:
    """Read what `to_packet` wrote."""
    name, fields = json.loads(packet)
    word: Word = _WORDS[name](**fields)
    return word


class Board:
    """The shared memory: three numbers on the first page, then the picture."""

    def __init__(self, fd: int) -> None:
        """Map the numbers; the file descriptor stays the caller's."""
        self._fd = fd
        if os.fstat(fd).st_size == 0:
            os.ftruncate(fd, mmap.ALLOCATIONGRANULARITY)
        self._numbers: npt.NDArray[np.float64] = np.frombuffer(
            mmap.mmap(fd, mmap.ALLOCATIONGRANULARITY), np.float64, 3
        )
        self.picture: Image | None = None
        """(height, width, 3) uint8 BGR in shared memory, once its size is known."""

    @property
    def progress(self) -> float:
        """When the child last got anywhere, seconds on CLOCK_MONOTONIC; 0 before that."""
        return float(self._numbers[0])

    @progress.setter
    def progress(self, at: float) -> None:
        self._numbers[0] = at

    @property
    def dropped(self) -> int:
        """How many due pictures the consumer was too slow for."""
        return int(self._numbers[1])

    @dropped.setter
    def dropped(self, count: int) -> None:
        self._numbers[1] = count

    @property
    def fps(self) -> float:
        """How many pictures a second the parent wants now."""
        return float(self._numbers[2])

    @fps.setter
    def fps(self, fps: float) -> None:
        self._numbers[2] = fps

    def map_picture(self, height: int, width: int) -> Image:
        """Make room for a picture and return it. Raises ValueError for an absurd size."""
        if not (0 < height <= MAX_SIDE_PX and 0 < width <= MAX_SIDE_PX):
            raise ValueError(f"a picture of {width}×{height} pixels")
        size = height * width * 3
        os.ftruncate(self._fd, mmap.ALLOCATIONGRANULARITY + size)
        memory = mmap.mmap(self._fd, size, offset=mmap.ALLOCATIONGRANULARITY)
        self.picture = np.frombuffer(memory, np.uint8).reshape(height, width, 3)
        return self.picture
