"""How hot the processor is, and from where on its board slows it down."""

from functools import cache
from pathlib import Path

_THERMAL = Path("/sys/class/thermal")
_PROCESSORS = ("x86_pkg_temp", "cpu", "soc", "bcm2835", "acpitz")
"""Zones whose heat slows the processor down, the best first; parts of their type."""
_SLOWING = {"passive", "hot"}
"""Trip points at which the kernel takes clock away (Linux, thermal/sysfs-api)."""
_PLAUSIBLE_C = (50.0, 125.0)
"""A trip point that nobody has set reads 0 or -274."""
_MARGIN_C = 2.0
_RASPBERRY_PI_C = 80.0
"""Its firmware throttles the Arm cores from here on, whatever the kernel knows (Raspberry Pi
documentation, "Frequency management and thermal control")."""


def temperature_c(thermal: Path = _THERMAL) -> float | None:
    """Return the processor's temperature where the board tells it."""
    return _celsius(_zone(thermal) / "temp")


def hot_c(board: str, thermal: Path = _THERMAL) -> float | None:
    """Return the temperature from which on to go slower, a little before the board does.

    None where it is not known. board: what it calls itself.
    """
    zone = _zone(thermal)
    limits = [] if _rank(zone) == len(_PROCESSORS) else _trip_points_c(zone)
    if "raspberry pi" in board.lower():
        limits.append(_RASPBERRY_PI_C)
    return min(limits) - _MARGIN_C if limits else None


@cache
def _zone(thermal: Path) -> Path:
    """Return the folder of the processor's zone; where no type tells, of the first one."""
    zones = sorted(thermal.glob("thermal_zone*"), key=lambda zone: (len(zone.name), zone.name))
    return min(zones, key=_rank, default=thermal / "thermal_zone0")


def _rank(zone: Path) -> int:
    kind = _text(zone / "type").lower()
    return next((k for k, part in enumerate(_PROCESSORS) if part in kind), len(_PROCESSORS))


def _trip_points_c(zone: Path) -> list[float]:
    found = [
        _celsius(kind.with_name(kind.name.replace("_type", "_temp")))
        for kind in zone.glob("trip_point_*_type")
        if _text(kind) in _SLOWING
    ]
    least, most = _PLAUSIBLE_C
    return [limit for limit in found if limit is not None and least <= limit <= most]


def _celsius(path: Path) -> float | None:
    try:
        return int(_text(path)) / 1000
    except ValueError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii", errors="replace").strip()
    except OSError:
        return ""
