"""Single key presses from a terminal, also over ssh, and the terminal as it was afterwards."""

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from edge.errors import BadInputError

_ESCAPE = b"\x1b"
_AT_ONCE = 64


class Keyboard:
    """An open terminal in single-key mode; from `open_keyboard`."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def keys(self, wait_s: float) -> str:
        """Return what was typed within the time, "" when nothing was.

        Arrow and function keys are ignored as a whole: their codes contain letters.
        Raises EOFError when the terminal is gone.
        """
        if not select.select([self._fd], [], [], wait_s)[0]:
            return ""
        try:
            typed = os.read(self._fd, _AT_ONCE)
        except OSError:
            typed = b""
        if not typed:
            raise EOFError
        return "" if typed.startswith(_ESCAPE) else typed.decode("ascii", "replace")


@contextmanager
def open_keyboard() -> Iterator[Keyboard]:
    """Take standard input key by key, without echo, and put it back in any case.

    Ctrl-C, SIGTERM and a hang-up arrive as KeyboardInterrupt; Ctrl-Z does nothing.
    Raises BadInputError when standard input is no terminal.
    """
    if not sys.stdin.isatty():
        raise BadInputError(
            "--live: keys can only be read from a terminal;"
            " over ssh use e.g. ssh -t lobby-001 lobbycount audit --live"
        )
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    interrupts = {}
    try:
        for number in handlers:
            signal.signal(number, _interrupted)
        tty.setcbreak(fd)
        settings = termios.tcgetattr(fd)
        settings[6][termios.VSUSP] = os.fpathconf(fd, "PC_VDISABLE").to_bytes(1, "big")
        termios.tcsetattr(fd, termios.TCSADRAIN, settings)
        yield Keyboard(fd)
    finally:
        for number in (signal.SIGINT, *handlers):  # nothing may come between
            interrupts[number] = signal.signal(number, signal.SIG_IGN)
        with suppress(termios.error):  # the terminal itself is gone
            termios.tcsetattr(fd, termios.TCSADRAIN, before)
        for number, handler in {**interrupts, **handlers}.items():
            signal.signal(number, handler)


def _interrupted(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
