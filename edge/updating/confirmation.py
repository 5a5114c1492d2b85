"""When a version may say that it works, and what it writes then. Pure.

Asked of it is what the version before did when it was replaced: at night, with the camera off,
nobody can look at pictures, and where the broker cannot be reached today, a new version cannot
either. Always asked for is that a report was stored and that nothing is wrong with the outbox.
"""

import json
from dataclasses import dataclass
from typing import Any

from edge.sealing import canonical

STEADY_S = 60.0
"""So long it has to work: what falls over within the first minute has not confirmed before."""
MOST_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Expected:
    """What the version before did: looked at pictures, was connected to the broker."""

    pictures: bool = True
    broker: bool = True


@dataclass(frozen=True, slots=True)
class Work:
    """What a version has done since its process started, at one report that was stored.

    at: seconds on a clock that never jumps. frames: pictures looked at.
    is_stored: no interval waits for the disk, and the outbox is not in trouble.
    """

    at: float
    frames: int
    is_stored: bool
    is_connected: bool


class Proof:
    """Follows the reports of one process until they prove that it works."""

    def __init__(self, expected: Expected, steady_s: float = STEADY_S) -> None:
        """Begin with nothing proven."""
        self._expected, self._steady_s = expected, steady_s
        self._since: float | None = None
        self._frames = 0

    def is_given_by(self, work: Work) -> bool:
        """Take the next report; whether all that is expected went on for long enough now.

        The connection need not last, networks have bad minutes; the pictures have to go on.
        """
        has_pictures = work.frames > self._frames or not self._expected.pictures
        self._frames = work.frames
        if not (has_pictures and work.is_stored):
            self._since = None
            return False
        if self._since is None:
            self._since = work.at
        is_reached = work.is_connected or not self._expected.broker
        return is_reached and work.at - self._since >= self._steady_s


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a process that works says: its version, its process id, UTC now."""

    version: str
    pid: int
    at: str


def confirmation_file(config_stem: str) -> str:
    """Return the name for a service: confirm.json for lobby.yaml, confirm-front.json for others."""
    return "confirm.json" if config_stem == "lobby" else f"confirm-{config_stem}.json"


def confirmation_text(confirmation: Confirmation) -> str:
    """Return its canonical JSON."""
    fields = {"version": confirmation.version, "pid": confirmation.pid, "at": confirmation.at}
    return canonical(fields)


def parse_confirmation(text: str | bytes) -> Confirmation | None:
    """Read one; None for anything else."""
    try:
        fields: Any = json.loads(text)
        version, pid, at = fields["version"], fields["pid"], fields["at"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    is_right = isinstance(version, str) and isinstance(at, str) and type(pid) is int
    return Confirmation(version, pid, at) if is_right else None
