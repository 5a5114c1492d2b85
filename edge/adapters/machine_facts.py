"""What a developer asks first: which software on which board, and how the board is."""

import os
import platform
import sys
import time
from importlib.metadata import distributions
from pathlib import Path

from edge.adapters.board import board_name, board_state, usable_cores
from edge.adapters.clock import SystemClock

_OS_RELEASE = Path("/etc/os-release")
_LOCAL_TIME = Path("/etc/localtime")
_MEMORY = Path("/proc/meminfo")
_UPTIME = Path("/proc/uptime")


def software() -> dict[str, object]:
    """Return what runs here."""
    return {
        "python": sys.version.split()[0],
        "installed_in": sys.prefix,
        "os": _of_release("PRETTY_NAME"),
        "kernel": platform.release(),
        "architecture": platform.machine(),
    }


def packages() -> list[str]:
    """Return the packages of this installation, `name==version` each, sorted."""
    found = {f"{each.name}=={each.version}" for each in distributions() if each.name}
    return sorted(found, key=str.lower)


def state(folders: dict[str, Path]) -> dict[str, object]:
    """Return how the machine is now. folders: those whose disks matter, by their role."""
    board, clock = board_state(), SystemClock()
    return {
        "board": board_name(),
        "cores": usable_cores(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "memory_mb": {key: _memory_mb(key) for key in ("MemTotal", "MemAvailable")},
        "uptime_s": _uptime_s(),
        "temperature_c": board.temperature_c,
        "mhz": board.mhz,
        "slowed_by": board.slowed_by,
        "clock": {
            "utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "quality": str(clock.quality()),
            "local": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "time_zone_of_the_system": _time_zone(),
        },
        "disks": {role: _disk(folder) for role, folder in folders.items()},
    }


def _disk(folder: Path) -> dict[str, object]:
    """Return the room where a folder is, or would be, in MB.

    `Path.is_dir` raises below a folder that this user may not enter; `os.path.isdir` does not.
    """
    places = (folder, *folder.parents)
    there = next((each for each in places if os.path.isdir(each)), Path("/"))  # noqa: PTH112
    try:
        found = os.statvfs(there)
    except OSError as error:
        return {"folder": str(folder), "error": str(error.strerror)}
    return {
        "folder": str(folder),
        "is_there": there == folder,
        "total_mb": found.f_blocks * found.f_frsize // 1_000_000,
        "free_mb": found.f_bavail * found.f_frsize // 1_000_000,
        "free_inodes": found.f_favail,
        "read_only": bool(found.f_flag & os.ST_RDONLY),
        "writable": os.access(there, os.W_OK),
    }


def _of_release(key: str) -> str | None:
    for line in _text(_OS_RELEASE).splitlines():
        name, _, value = line.partition("=")
        if name == key:
            return value.strip('"')
    return None


def _memory_mb(key: str) -> int | None:
    for line in _text(_MEMORY).splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0]) * 1024 // 1_000_000
    return None


def _uptime_s() -> int | None:
    words = _text(_UPTIME).split()
    return int(float(words[0])) if words else None


def _time_zone() -> str | None:
    target = _LOCAL_TIME.resolve()
    return str(target).partition("/zoneinfo/")[2] or None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return ""
