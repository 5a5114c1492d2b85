"""The parent's side of a camera process: start it, wait for it with a limit, end it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge.adapters.camera_channel import (
    DONE,
    MASKS,
    PACKET_BYTES,
    WANT,
    Board,
    Job,
    Kind,
    Masked,
    Opened,
    Word,
    from_packet,
)
from edge.adapters.camera_masks import burn
from edge.vocabulary import Image, Point

_END_S = 5.0
_START_S = 10.0  # importing OpenCV from a cold SD card
_BOOT = (
    "import sys; sys.path[:] = sys.argv[3:]; from edge.adapters.camera_process import main; main()"
)
# A text file passes as a video of its letters, and a playlist names other files
# and hosts: only these containers are opened, and only from the disk.
_FILE_OPTIONS = (
    "protocol_whitelist;file|format_whitelist;"
    "mov,mp4,m4a,3gp,3g2,mj2,avi,matroska,webm,mpegts,mpeg,mpegvideo,h264,hevc,mjpeg,ogg,flv,asf"
)
_OPTIONS = {
    Kind.FILE: _FILE_OPTIONS,
    Kind.RTSP: "rtsp_transport;tcp|protocol_whitelist;rtsp,rtp,tcp,tls,crypto",
    Kind.USB: "",
}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait before giving up on something, in seconds.

    open_s: for a network camera to connect. read_s: for its next picture.
    stall_s: for any sign of life from the camera process, which is then replaced.
    """

    open_s: float = 10.0
    read_s: float = 5.0
    stall_s: float = 10.0


class ChildGoneError(Exception):
    """The camera process died, was ended or never began; says how, after its name."""


class CameraProcess:
    """One camera process, from its start to its end; never reused.

    Everything but `stop` belongs to one thread.
    """

    def __init__(self, job: Job) -> None:
        """Start the process and give it its job. Raises ChildGoneError."""
        self._job = job
        self._opened = False
        self._asked_at = time.monotonic()
        self._reading = threading.Lock()
        self._masks: Sequence[Sequence[Point]] = ()
        self._unmasked = 0
        self._memory: int | None = os.memfd_create("picture")
        self._board = Board(self._memory)
        self._board.fps = job.fps
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                self._process = _spawn(job, theirs.fileno(), self._memory)
        except OSError as error:
            self._release()
            raise ChildGoneError(f"cannot be started: {error.strerror}") from None
        self._send(job.to_packet())

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def dropped(self) -> int:
        """How many due pictures nobody took in time."""
        return self._board.dropped

    def set_fps(self, fps: float) -> None:
        """Have so many pictures a second made and handed over from now on."""
        self._board.fps = fps

    def set_masks(self, masks: Sequence[Sequence[Point]]) -> None:
        """Have these masks in every picture from the next one on that is taken here.

        Until the process says that it burns them in, it is done here.
        """
        self._masks, self._unmasked = masks, self._unmasked + 1
        self._send(MASKS + json.dumps(masks).encode())

    def want(self) -> None:
        """Ask for the newest picture."""
        self._asked_at = time.monotonic()
        self._send(WANT)

    def overdue(self, stall_s: float) -> bool:
        """Say whether it got nowhere for longer than it may, while someone was waiting."""
        limit = stall_s if self._opened else stall_s + self._job.open_s + _START_S
        return time.monotonic() - max(self._board.progress, self._asked_at) > limit

    def wait(self, timeout_s: float) -> Word | None:
        """Return its next message, None after the timeout, in seconds. Raises ChildGoneError."""
        until = time.monotonic() + timeout_s
        while True:
            with self._reading:
                packet = self._receive(max(until - time.monotonic(), 0.001))
            if packet is None:
                return None
            word = from_packet(packet)
            if isinstance(word, Masked):
                self._unmasked -= 1
                continue
            if isinstance(word, Opened):
                self._opened = True
                self._board.map_picture(word.height, word.width)
            return word

    def take(self) -> Image:
        """Return a copy of the picture just handed over, and give its memory back."""
        with self._reading:
            if self._board.picture is None:
                raise ChildGoneError("handed over a picture of unknown size")
            picture = np.array(self._board.picture)
        if self._unmasked:
            burn(picture, self._masks)
        self._send(DONE)
        return picture

    def stop(self) -> None:
        """Kill the process and release everything; idempotent, from any thread."""
        self._process.kill()  # a thread that waits wakes up: the other end is closed
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        self._release()

    def _release(self) -> None:
        with self._reading:
            self._channel.close()
            if self._memory is not None:
                os.close(self._memory)
            self._memory = None

    def _receive(self, timeout_s: float) -> bytes | None:
        try:
            self._channel.settimeout(timeout_s)
            try:
                packet = self._channel.recv(PACKET_BYTES)
            except ConnectionResetError:
                # It left a message of ours unread; its own last words come after this error.
                packet = self._channel.recv(PACKET_BYTES)
        except TimeoutError:
            return None
        except OSError:
            packet = b""
        if not packet:
            raise ChildGoneError(self._epitaph())
        return packet

    def _epitaph(self) -> str:
        try:
            code = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            return "fell silent"
        return f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended ({code})"

    def _send(self, packet: bytes) -> None:
        with contextlib.suppress(OSError):  # its death is noticed where its answer is awaited
            self._channel.send(packet)


def _spawn(job: Job, *fds: int) -> subprocess.Popen[bytes]:
    options = {"OPENCV_FFMPEG_CAPTURE_OPTIONS": _OPTIONS[job.kind]}
    return subprocess.Popen(  # noqa: S603 our own interpreter and code
        [sys.executable, "-c", _BOOT, *map(str, fds), *sys.path],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,  # OpenCV and FFmpeg talk a lot, and show URLs with passwords
        pass_fds=fds,
        env=os.environ | options,
        process_group=0,  # Ctrl-C at the terminal is for the parent
    )


class Keeper:
    """Holds the one camera process of a source, so that `close` finds it whoever calls."""

    def __init__(self) -> None:
        self.closed = threading.Event()
        self._lock = threading.Lock()
        self._child: CameraProcess | None = None
        self._dropped_before = 0
        self._fps: float | None = None
        self._masks: Sequence[Sequence[Point]] | None = None

    @property
    def child(self) -> CameraProcess | None:
        """The process that runs now."""
        return self._child

    @property
    def dropped(self) -> int:
        """How many due pictures were dropped, over all processes."""
        with self._lock:
            return self._dropped_before + (self._child.dropped if self._child else 0)

    def set_fps(self, fps: float) -> None:
        """Have so many pictures a second, from this process and the next ones; any thread."""
        with self._lock:
            self._fps = fps
            if self._child is not None:
                self._child.set_fps(fps)

    def set_masks(self, masks: Sequence[Sequence[Point]]) -> None:
        """Have these masks in every picture, from this process and the next ones."""
        with self._lock:
            self._masks = masks
            if self._child is not None:
                self._child.set_masks(masks)

    def start(self, job: Job) -> CameraProcess:
        """Start a process in place of the last. Raises ChildGoneError after `close`."""
        self.stop()
        with self._lock:
            if self.closed.is_set():
                raise ChildGoneError("is not wanted any more")
            fps = job.fps if self._fps is None else self._fps
            masks = job.masks if self._masks is None else self._masks
            self._child = CameraProcess(replace(job, fps=fps, masks=masks))
            return self._child

    def stop(self) -> None:
        """End the process, if one runs."""
        with self._lock:
            child, self._child = self._child, None
            if child is not None:
                self._dropped_before += child.dropped
                child.stop()

    def close(self) -> None:
        """End the process and start no other."""
        self.closed.set()
        self.stop()
