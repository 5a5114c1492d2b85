"""What the board tells about itself: its name, heat, clock and power."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from edge.adapters.thermometer import temperature_c

_NAMES = (
    Path("/proc/device-tree/model"),
    Path("/sys/class/dmi/id/product_name"),
)
_CPU_INFO = Path("/proc/cpuinfo")
_MHZ = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq")
_FIRMWARE = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
"""Of a Raspberry Pi, hexadecimal; the bits are those of `vcgencmd get_throttled`."""
_NOW = {
    0: "the power supply is too weak",
    1: "the clock is capped",
    2: "the board is throttled",
    3: "the board is at its temperature limit",
}


@dataclass(frozen=True, slots=True)
class BoardState:
    """Heat and clock at one moment; None where the board does not tell."""

    temperature_c: float | None
    mhz: int | None
    slowed_by: tuple[str, ...] | None


def board_name() -> str:
    """Return what the board calls itself, and its processor."""
    name = next((text for path in _NAMES if (text := _text(path))), "")
    processor = next(
        (
            line.partition(":")[2].strip()
            for line in _text(_CPU_INFO).splitlines()
            if line.lower().startswith("model name")
        ),
        platform.machine(),
    )
    return f"{name}, {processor}" if name else processor


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def board_state() -> BoardState:
    """Read heat, clock and what slows the board down now."""
    mhz = _text(_MHZ)
    return BoardState(
        temperature_c(), int(mhz) // 1000 if mhz.isdecimal() else None, _slowed(_text(_FIRMWARE))
    )


def _slowed(flags: str) -> tuple[str, ...] | None:
    try:
        bits = int(flags, 16)
    except ValueError:
        return None
    return tuple(words for bit, words in _NOW.items() if bits >> bit & 1)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return ""
