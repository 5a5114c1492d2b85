"""The system's clocks, and the clock of a recording."""

import ctypes
import secrets
import time
from pathlib import Path
from typing import ClassVar

from edge.vocabulary import TimeQuality

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIMEX_BYTES = 256  # struct timex is 208 bytes on 64-bit Linux; modes = 0 only reads
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised


class SystemClock:
    """CLOCK_MONOTONIC and CLOCK_REALTIME; quality from the kernel's NTP state."""

    def __init__(self, *, trusted: bool = False) -> None:
        """Trusted: somebody vouches for this clock, though the kernel cannot: it is an `rtc`."""
        self._trusted = trusted

    def monotonic(self) -> float:
        """Seconds since boot."""
        return time.monotonic()

    def utc(self) -> float:
        """Seconds since 1970 UTC."""
        return time.time()

    def quality(self) -> TimeQuality:
        """Return NTP when the kernel says that something disciplines its clock."""
        buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
        state = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
        if 0 <= state < _TIME_ERROR:
            return TimeQuality.NTP
        return TimeQuality.RTC if self._trusted else TimeQuality.UNSYNCED


def boot_id() -> str:
    """Return what names this start of the machine; its monotonic clock goes on until the next.

    Where the kernel does not tell, every process is a start of its own.
    """
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return secrets.token_hex(16)


class RecordingClock:
    """The time base of a clip that is said to begin at a given moment.

    Its dates are made up, so its quality is `unsynced`, always.
    """

    quality_of_a_recording: ClassVar[TimeQuality] = TimeQuality.UNSYNCED

    def __init__(self, start_utc: float) -> None:
        self._start_utc = start_utc

    def monotonic(self) -> float:
        """Return the start of the clip's own time base."""
        return 0.0

    def utc(self) -> float:
        """Return the moment the clip begins, seconds since 1970 UTC."""
        return self._start_utc

    def quality(self) -> TimeQuality:
        """Return `unsynced`."""
        return self.quality_of_a_recording
