"""Where something was measured: processor, system, versions of what was used."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "onnxruntime",
    "opencv-python",
    "numpy",
    "torch",
    "ultralytics",
    "supervision",
    "trackers",
)


def versions() -> dict[str, str]:
    """Return the versions of Python and the packages that are there."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> str:
    """Return processor, cores and system in one line."""
    model = next((row.split(":")[1].strip() for row in _rows("/proc/cpuinfo", "model name")), "")
    system = next((row.split("=")[1].strip('"') for row in _rows("/etc/os-release", "PRETTY")), "")
    parts = (model or platform.processor(), f"{os.cpu_count()} cores", system, platform.release())
    return ", ".join(part for part in (*parts[:3], f"Linux {parts[3]}", platform.machine()) if part)


def _rows(path: str, beginning: str) -> list[str]:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError:
        return []
    return [row for row in text.splitlines() if row.startswith(beginning)]
