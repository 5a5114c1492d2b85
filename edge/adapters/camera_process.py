"""The camera process: decodes one source and hands its pictures to the parent.

OpenCV may hang on a camera, or abort the whole process on a hostile file;
here it takes nothing else along. Started by `camera_child`, never by hand.
"""

import math
import os
import re
import signal
import socket
import sys
import threading
import time

import cv2

from edge.adapters.camera_address import host_and_port
from edge.adapters.camera_channel import (
    PACKET_BYTES,
    Board,
    Ended,
    Failed,
    Given,
    Job,
    Kind,
    Opened,
    Pace,
)
from edge.adapters.camera_hatch import Hatch
from edge.adapters.camera_masks import burn
from edge.adapters.camera_timing import Sampler, Timeline
from edge.adapters.off_disk import keep_off_disk, keep_to_root
from edge.vocabulary import Image

_LOOK_UP_S = 0.5
_PROBE_S = 2.0
_ONE_THREAD_PX = 1280 * 720
"""One thread decodes a picture with 8 % less work than two (ADR 13), but a slow core falls behind
with a larger one."""


class _UnusableError(Exception):
    """The source gives nothing more; the message completes a sentence about it."""


class Player:
    """Plays one source into the hatch."""

    def __init__(self, job: Job, hatch: Hatch, board: Board) -> None:
        self._job, self._hatch, self._board = job, hatch, board
        self._index = 0

    def play(self) -> None:
        """Play to the end, if there is one. Raises _UnusableError."""
        self._play_once()
        while self._job.loop:
            self._play_once()
        self._hatch.finish(Ended(self._index))

    def _play_once(self) -> None:
        job, begun = self._job, self._index
        self._board.progress = time.monotonic()
        capture = open_capture(job)
        timeline = Timeline(capture.get(cv2.CAP_PROP_FPS))
        sampler = Sampler(job.fps, _slack_s(job))
        start = time.monotonic()
        while capture.grab():
            captured = self._board.progress = time.monotonic()
            if job.pace is Pace.CAMERA:
                at = captured
            else:
                at = timeline.at(capture.get(cv2.CAP_PROP_POS_MSEC))
            sampler.set_fps(self._board.fps)
            if sampler.wants(at):
                if job.pace is Pace.CLIP:
                    captured = self._pause_until(start + at)
                note = Given(at, captured, self._index)
                self._hatch.put(note, lambda: self._fill(capture))
            self._index += 1
        capture.release()
        if job.pace is Pace.CAMERA:
            raise _UnusableError("stopped giving pictures")
        if self._index == begun:
            raise _UnusableError("holds no picture that can be decoded")

    def _pause_until(self, due: float) -> float:
        while (left := due - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_UP_S))
            self._board.progress = time.monotonic()
        return time.monotonic()

    def _fill(self, capture: cv2.VideoCapture) -> bool:
        slot = self._board.picture
        ok, picture = capture.retrieve() if slot is None else capture.retrieve(slot)
        if not ok:
            return False
        if slot is None:
            slot = self._make_room(picture.shape, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        if picture.shape != slot.shape:
            raise _UnusableError("changed its picture size")
        if picture is not slot:
            slot[:] = picture
        burn(slot, self._hatch.masks)
        return True

    def _make_room(self, shape: tuple[int, ...], length: int) -> Image:
        try:
            slot = self._board.map_picture(*shape[:2])
        except ValueError as error:
            raise _UnusableError(f"has {error}, more than this can take") from None
        self._hatch.say(Opened(shape[0], shape[1], max(length, 0)))
        return slot


def _slack_s(job: Job) -> float:
    # Containers round to a millisecond; cameras deliver a little early or late.
    return 0.25 / job.fps if job.pace is Pace.CAMERA else 0.001


def open_capture(job: Job) -> cv2.VideoCapture:
    """Open the source. Raises _UnusableError."""
    capture = _capture(job)
    if not capture.isOpened():
        raise _UnusableError(_why_not(job))
    return capture


def _capture(job: Job) -> cv2.VideoCapture:
    if job.kind is Kind.USB:
        number = re.fullmatch(r"(?:/dev/video)?(\d+)", job.place)
        capture = cv2.VideoCapture(int(number[1]) if number else job.place, cv2.CAP_V4L2)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        return capture
    capture = _ffmpeg(job, threads=1)
    width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    if width * height > _ONE_THREAD_PX:
        capture.release()  # first: some cameras serve one reader only
        capture = _ffmpeg(job, threads=0)
    return capture


def _ffmpeg(job: Job, threads: int) -> cv2.VideoCapture:
    """Open a file or stream; 0 threads are as many as there are cores."""
    settings = {
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC: math.ceil(job.open_s * 1000),
        cv2.CAP_PROP_READ_TIMEOUT_MSEC: math.ceil(job.read_s * 1000),
    }
    if threads:
        settings[cv2.CAP_PROP_N_THREADS] = threads
    flat = [number for pair in settings.items() for number in pair]
    return cv2.VideoCapture(job.place, cv2.CAP_FFMPEG, flat)


def _why_not(job: Job) -> str:
    if job.kind is Kind.FILE:
        return "is not a video that can be decoded"
    if job.kind is Kind.USB:
        return "is not a camera that can be opened" if os.path.exists(job.place) else "is not there"  # noqa: PTH110
    try:
        socket.create_connection(host_and_port(job.place), _PROBE_S).close()
    except OSError as error:
        return f"cannot be reached: {error.strerror or error}"
    return "answers but gives no stream; check path, user and password"


def main() -> None:
    """Do one job; `argv` names the file descriptors of the socket and the shared memory."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the parent decides; its end is ours
    keep_off_disk()
    keep_to_root()
    channel, board = socket.socket(fileno=int(sys.argv[1])), Board(int(sys.argv[2]))
    job = Job.from_packet(channel.recv(PACKET_BYTES))
    hatch = Hatch(channel, board, job.pace, job.masks)
    threading.Thread(target=hatch.listen, args=(os.getppid(),), daemon=True).start()
    try:
        Player(job, hatch, board).play()
    except _UnusableError as failure:
        hatch.say(Failed(str(failure)))
