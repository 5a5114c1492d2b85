"""The camera process' side of the channel: the one picture, and whose turn it is."""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence

from edge.adapters.camera_channel import (
    DONE,
    MASKS,
    PACKET_BYTES,
    WANT,
    Board,
    Ended,
    Given,
    Masked,
    Pace,
    Word,
    to_packet,
)
from edge.adapters.camera_masks import burn
from edge.vocabulary import Point

_LOOK_UP_S = 0.5
_STALE_S = 1.5  # promised: no picture of a camera stays in memory longer than two seconds


class Hatch:
    """The one shared picture, and whose turn it is.

    The parent asks from its own thread's pace while this process may be stuck
    in OpenCV, so a second thread listens; it is also what notices that the
    parent is gone.
    """

    def __init__(
        self,
        channel: socket.socket,
        board: Board,
        pace: Pace,
        masks: Sequence[Sequence[Point]] = (),
    ) -> None:
        self.masks = masks
        """What is burned into every picture from the next one on."""
        self._channel, self._board, self._pace = channel, board, pace
        self._turn = threading.Condition()
        self._waiting: Given | None = None
        self._lent = False
        self._wanted = pace is Pace.HELD

    def say(self, word: Word) -> None:
        """Send a message."""
        self._channel.send(to_packet(word))

    def put(self, note: Given, fill: Callable[[], bool]) -> None:
        """Offer a picture, which `fill` writes; it says False when there is none after all.

        Blocks while the consumer holds a clip back, else replaces what nobody took.
        """
        with self._turn:
            if self._pace is Pace.HELD:
                self._turn.wait_for(self._empty)
            elif not self._empty():
                self._board.dropped += 1
            if self._lent or not fill():
                return
            self._waiting = note
            self._hand_over()

    def finish(self, word: Ended) -> None:
        """Say the last word once the last picture is taken."""
        with self._turn:
            self._turn.wait_for(self._empty)
            self.say(word)

    def listen(self, parent: int) -> None:
        """Answer the parent until it is gone, then end this process wherever it is."""
        try:
            self._channel.settimeout(_LOOK_UP_S)
            while os.getppid() == parent:
                try:
                    packet = self._channel.recv(PACKET_BYTES)
                except TimeoutError:
                    self._wipe_what_is_stale()
                    continue
                if not packet:
                    break
                self._obey(packet)
        finally:
            os._exit(0)  # the main thread may be inside OpenCV, where no exception reaches it

    def _obey(self, packet: bytes) -> None:
        with self._turn:
            if packet == DONE:
                self._lent = False
                self._wanted = self._wanted or self._pace is Pace.HELD
            elif packet == WANT:
                self._wanted = True
            elif packet.startswith(MASKS):
                self._mask(json.loads(packet[len(MASKS) :]))
            self._hand_over()
            self._turn.notify_all()

    def _mask(self, masks: Sequence[Sequence[Point]]) -> None:
        """Burn other masks from now on, also into the picture that waits."""
        self.masks = masks
        if self._waiting is not None and self._board.picture is not None:
            burn(self._board.picture, masks)
        self.say(Masked())

    def _empty(self) -> bool:
        return self._waiting is None and not self._lent

    def _hand_over(self) -> None:
        if self._wanted and self._waiting is not None and not self._lent:
            self._wanted, self._lent = False, True
            word, self._waiting = self._waiting, None
            self.say(word)

    def _wipe_what_is_stale(self) -> None:
        with self._turn:
            note = self._waiting if self._pace is Pace.CAMERA else None
            if note is not None and time.monotonic() - note.captured > _STALE_S:
                self._waiting = None
                self._board.dropped += 1
                if self._board.picture is not None:
                    self._board.picture[:] = 0
