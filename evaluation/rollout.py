"""A new version for many devices, a few first: who is asked next, and when it stops. Pure.

    stage 1 ─▶ every device of it runs the version ─▶ a wait ─▶ stage 2 ─▶ … ─▶ done
       └─▶ one device went back or refuses it ─▶ stopped, and nobody else is asked

The first that fails stops it: what is broken on one device is broken on others like it.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from edge.errors import BadInputError
from edge.updating.answers import Reported
from edge.updating.wanted import Wanted

FAILED = frozenset({"reverted", "refused"})
RolloutState = Literal["running", "stopped", "done", "withdrawn"]


class Device(NamedTuple):
    """A device on the broker."""

    tenant: str
    dev: str

    def __str__(self) -> str:
        """Return it as an operator writes it."""
        return f"{self.tenant}/{self.dev}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is offered to whom.

    devices: in the order in which they are asked. stages: how many of them by the end of each
    stage, rising to all. wait_s: how long a stage must hold before the next one begins.
    tolerate: so many devices of a stage may say nothing, e.g. because they are switched off.
    """

    wanted: Wanted
    devices: tuple[Device, ...]
    stages: tuple[int, ...]
    wait_s: float = 3600.0
    tolerate: int = 0


@dataclass(slots=True)
class Rollout:
    """How far it is. Times are UTC in milliseconds; what is kept on disk is `plan` and the rest.

    stage: which one is going on, from 0. complete_ms: since when it is complete.
    """

    plan: Plan
    state: RolloutState = "running"
    stage: int = 0
    complete_ms: int | None = None
    applied: set[Device] = field(default_factory=set)
    said: dict[Device, Reported] = field(default_factory=dict)
    failed: Device | None = None

    @property
    def invited(self) -> tuple[Device, ...]:
        """The devices of this stage and those before."""
        return self.plan.devices[: self.plan.stages[self.stage]]

    @property
    def missing(self) -> list[Device]:
        """Those of them that do not run the version yet."""
        return [device for device in self.invited if device not in self.applied]

    def hear(self, device: Device, said: Reported) -> bool:
        """Take what a device says; return whether that is news."""
        if device not in self.plan.devices or self.said.get(device) == said:
            return False
        self.said[device] = said
        if said.version == self.plan.wanted.version and said.state in {"applied", "idle"}:
            self.applied.add(device)
        self._judge()
        return True

    def step(self, now_ms: int) -> bool:
        """Go on to the next stage, or end, when it is time; return whether that happened."""
        if self.state != "running":
            return False
        needed = max(1, len(self.invited) - self.plan.tolerate)
        if len(self.invited) - len(self.missing) < needed:
            self.complete_ms = None
            return False
        if self.complete_ms is None:
            self.complete_ms = now_ms
        if self.stage + 1 == len(self.plan.stages):
            self.state = "done"
            return True
        if now_ms - self.complete_ms < self.plan.wait_s * 1000:
            return False
        self.stage, self.complete_ms = self.stage + 1, None
        self._judge()
        return True

    def _judge(self) -> None:
        """Stop at the first device of this stage that has failed with this very file."""
        if self.state != "running":
            return
        for device in self.invited:
            said = self.said.get(device)
            if said and said.bundle == self.plan.wanted.bundle and said.state in FAILED:
                self.state, self.failed = "stopped", device
                return


def in_order(devices: Iterable[Device], bundle: str) -> tuple[Device, ...]:
    """Return devices in an order of chance that is the same again: a stage is a fair sample."""

    def draw(device: Device) -> str:
        return hashlib.sha256(f"{bundle}/{device}".encode()).hexdigest()

    return tuple(sorted(set(devices), key=draw))


def stages_of(text: str, count: int) -> tuple[int, ...]:
    """Read `1,10%,100%` for so many devices. Raises BadInputError."""
    example = "numbers or shares that rise to all of them, e.g. --stages 1,10%,100%"
    numbers: list[int] = []
    for part in text.split(","):
        share = part.strip().endswith("%")
        digits = part.strip().removesuffix("%")
        if not digits.isascii() or not digits.isdigit() or not 0 < len(digits) < 8:
            raise BadInputError(f"--stages {text}: must be {example}")
        number = -(-int(digits) * count // 100) if share else int(digits)
        numbers.append(min(number, count))
    if numbers != sorted(numbers) or numbers[0] < 1 or numbers[-1] != count:
        raise BadInputError(f"--stages {text}: is {_shown(numbers)} of {count}; must be {example}")
    return tuple(dict.fromkeys(numbers))


def _shown(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
