"""The counting services, as systemd knows them: which run, started again, how they fare."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_LIMIT_S = 60.0
_STARTED = "active,activating,deactivating,reloading"
_UNITS = ("lobbycount.service", "lobbycount@*.service")


@dataclass(frozen=True, slots=True)
class Fare:
    """How a service fares. pid: of its main process, 0 for none; starts: by systemd itself."""

    pid: int
    starts: int


def has_systemd() -> bool:
    """Whether systemd runs this machine."""
    return Path("/run/systemd/system").is_dir()


def started() -> list[str]:
    """Return the units of the counting services that run, or are being started once more."""
    if not has_systemd():
        return []
    told = _systemctl("list-units", "--plain", "--no-legend", f"--state={_STARTED}", *_UNITS)
    return [line.split()[0] for line in told.splitlines() if line.strip()]


def restart(units: Sequence[str]) -> None:
    """Have them started again without waiting."""
    if units and has_systemd():
        _systemctl("restart", "--no-block", *units)


def fare(unit: str) -> Fare:
    """Return how a service fares now."""
    told = _systemctl("show", "-p", "MainPID", "-p", "NRestarts", unit)
    said = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
    return Fare(_number(said.get("MainPID")), _number(said.get("NRestarts")))


def config_stem(unit: str) -> str:
    """Return the name of a unit's config: `lobby`, or that of the instance."""
    name = unit.removesuffix(".service")
    return name.partition("@")[2] or "lobby"


def unit_of(stem: str) -> str:
    """Return the unit of a config: the other way round."""
    return "lobbycount.service" if stem == "lobby" else f"lobbycount@{stem}.service"


def start_updater() -> None:
    """Have the updater look at what is there, without waiting."""
    _systemctl("start", "--no-block", "lobbycount-update.service")


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0


def _systemctl(*words: str) -> str:
    done = subprocess.run(  # noqa: S603
        ["/usr/bin/systemctl", *words],
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    return done.stdout
