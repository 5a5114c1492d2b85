"""What the options of `evaluation update` mean: devices, spans of time, moments, hours."""

import re
from datetime import datetime
from pathlib import Path

from edge.config_drawings import daily_windows
from edge.errors import BadInputError, SettingError
from edge.messages import checked_name
from evaluation.rollout import Device

_SPAN = re.compile(r"(\d{1,6})(s|m|h|d)", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def listed(path: Path) -> tuple[Device, ...]:
    """Read a file of devices, in its order; empty lines and what follows a # are left out."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"--devices {path}: cannot be read ({error})") from None
    found: dict[Device, None] = {}
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        tenant, slash, dev = text.partition("/")
        try:
            found[Device(checked_name(tenant, "tenant"), checked_name(dev, "device"))] = None
        except ValueError as error:
            raise BadInputError(
                f"{path}:{number}: {error if slash else 'has no /'}; e.g. street-office-1/lobby-001"
            ) from None
    if not found:
        raise BadInputError(f"--devices {path}: names no device; e.g. street-office-1/lobby-001")
    return tuple(found)


def seconds_of(option: str, text: str, most: int) -> int:
    """Read 0, 30s, 10m, 1h or 2d. Raises BadInputError."""
    found = _SPAN.fullmatch(text.strip())
    seconds = 0 if text.strip() == "0" else int(found[1]) * _UNITS[found[2]] if found else -1
    if not 0 <= seconds <= most:
        raise BadInputError(f"{option} {text}: must be a time such as 0, 30s, 10m, 1h or 2d")
    return seconds


def moment_of(text: str | None) -> int | None:
    """Read a UTC time; return milliseconds. Raises BadInputError."""
    if text is None:
        return None
    try:
        if text.endswith("Z"):
            return round(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError:
        pass
    raise BadInputError(f"--not-before {text}: must be UTC, e.g. 2026-12-01T18:00:00Z")


def hours_of(texts: list[str]) -> tuple[str, ...]:
    """Read times of day. Raises BadInputError."""
    try:
        daily_windows(texts)
    except SettingError as error:
        raise BadInputError(f"--hours: {error.en}") from None
    return tuple(texts)
