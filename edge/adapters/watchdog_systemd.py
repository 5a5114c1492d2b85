"""What systemd is told, by its sd_notify protocol: ready, how it goes, alive, stopping.

A datagram to the socket in NOTIFY_SOCKET; see sd_notify(3) and sd_watchdog_enabled(3). Spoken
here because the Python bindings need system libraries. Without that variable nobody listens
and nothing is done; but where WATCHDOG_USEC is set all the same, as in a container, the
process ends itself as systemd would end it, to be started anew.
"""

import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

import structlog

from edge.heartbeats import Silence

STATUS_EVERY_S = 30.0
"""Where systemd wants no watchdog."""

_log = structlog.get_logger(__name__)


class Beats(Protocol):
    """Who knows which parts of the service move, such as `edge.heartbeats.Heartbeats`."""

    def silent(self) -> Sequence[Silence]:
        """Return what hangs; called every half of the watchdog's time."""
        ...


class Watchdog:
    """Tells systemd while every part moves. As a context: from READY=1 to STOPPING=1."""

    def __init__(
        self, beats: Beats, words: Callable[[], str], environment: Mapping[str, str]
    ) -> None:
        """Read what systemd wants from the environment of the process.

        words: how the service is, for `systemctl status`; must not wait for anything.
        """
        self._beats, self._words = beats, words
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._interval_s = _half_of_the_watchdog_s(environment)
        self._ends_itself = not self._address and "WATCHDOG_USEC" in environment
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._hanging: set[str] = set()

    def __enter__(self) -> Self:
        """Say that the service is ready, and go on in a thread of its own."""
        if self._address:
            self._tell("READY=1")
        if self._address or self._ends_itself:
            self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        """Say that the service stops; the thread is over."""
        if self._thread.is_alive():
            self._stop.set()
            self._thread.join()
        if self._address:
            self._tell("STOPPING=1")

    def look(self) -> None:
        """Say that the service is alive, or which part of it is not."""
        silent = self._beats.silent()
        for each in silent:
            if each.part not in self._hanging:
                _log.error("service.hangs", part=each.part, for_s=round(each.for_s))
        self._hanging = {each.part for each in silent}
        if silent and self._ends_itself:
            os.abort()  # with PYTHONFAULTHANDLER, where every thread was is in the log
        if not self._address:
            return
        if silent:
            self._tell("STATUS=" + "; ".join(map(str, silent)))
        else:
            self._tell("WATCHDOG=1", "STATUS=" + self._words())

    def _run(self) -> None:
        while not self._stop.is_set():
            self.look()
            self._stop.wait(self._interval_s)

    def _tell(self, *assignments: str) -> None:
        text = "\n".join(each.replace("\n", " ") for each in assignments)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
                to.settimeout(1.0)
                to.sendto(text.encode(), self._address)
        except OSError as error:
            _log.warning("systemd was not told", reason=str(error))


def _address(name: str) -> str:
    """Return it as the socket API wants it: an abstract one begins with a zero byte, not "@"."""
    if not name.startswith(("/", "@")):
        return ""
    return "\0" + name[1:] if name.startswith("@") else name


def _half_of_the_watchdog_s(environment: Mapping[str, str]) -> float:
    wanted, of = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not wanted.isdecimal() or int(wanted) == 0 or of not in {"", str(os.getpid())}:
        return STATUS_EVERY_S
    return int(wanted) / 2e6
