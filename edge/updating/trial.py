"""Carries out what `slots` says, step by step, on a device behind a protocol. Pure.

Every effect may be the last before the power goes. All may be repeated: what runs next finds the
facts and does the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from edge.errors import UpdateError
from edge.updating.confirmation import Expected
from edge.updating.report import State
from edge.updating.slots import WITHIN_S, Do, Facts, Stage, Step, Trial, next_step
from edge.updating.words import Code, refusal


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version that was built into a slot and passed its self-test."""

    slot: str
    version: str
    bundle: str


class Device(Protocol):
    """What the updater does to the device; each is on the disk when it returns."""

    def facts(self) -> Facts:
        """Look."""
        ...

    def take(self) -> None:
        """Copy what lies in the drop folder to where only root may write, and remove it there."""
        ...

    def install(self) -> Candidate:
        """Verify what was taken and build the other slot. Raises UpdateError."""
        ...

    def services(self) -> Mapping[str, Expected]:
        """Return the services that run, and what each does now."""
        ...

    def put_trial(self, trial: Trial) -> None:
        """Write the trial."""
        ...

    def end_trial(self) -> None:
        """Remove the trial."""
        ...

    def point(self, link: str, slot: str) -> None:
        """Turn `current` or `confirmed` to a slot, by renaming a link."""
        ...

    def restart(self, services: Sequence[str]) -> None:
        """Have services started again; do not wait for them."""
        ...

    def note_confirmed(self, version: str) -> None:
        """Remember that a version worked here, and keep its wheels."""
        ...

    def drop_taken(self) -> None:
        """Remove what was taken."""
        ...

    def clear(self, slot: str) -> None:
        """Remove what is in a slot that is not in use."""
        ...

    def tell(self, state: State, trial: Trial | None = None) -> None:
        """Report a state."""
        ...

    def tell_refused(self, error: UpdateError) -> None:
        """Report that what was taken is refused."""
        ...

    def rest(self) -> None:
        """Wait a little, for a confirmation."""
        ...


def advance(device: Device, within_s: float = WITHIN_S) -> Do:
    """Do the next step and return which it was."""
    facts = device.facts()
    step = next_step(facts, within_s)
    trial = facts.trial
    match step.do:
        case Do.TAKE:
            _take(device)
        case Do.INSTALL:
            _install(device, facts)
        case Do.GIVE_UP:
            device.tell_refused(refusal(Code.INTERRUPTED))
            device.drop_taken()
        case Do.WAIT:
            device.rest()
        case Do.REVERT:
            _revert(device, facts, step)
        case _ if trial is not None:
            _on_trial(device, facts, trial, step.do)
    return step.do


def _take(device: Device) -> None:
    try:
        device.take()
    except UpdateError as error:
        device.tell_refused(error)


def _install(device: Device, facts: Facts) -> None:
    try:
        found = device.install()
    except UpdateError as error:
        device.tell_refused(error)
        device.drop_taken()
        return
    trial = Trial(
        found.slot,
        facts.current,
        found.version,
        found.bundle,
        boot=facts.boot,
        services=device.services(),
    )
    device.put_trial(trial)
    device.drop_taken()


def _on_trial(device: Device, facts: Facts, trial: Trial, do: Do) -> None:
    if do is Do.SWITCH:
        device.point("current", trial.slot)
        device.tell(State.TRIAL, trial)
        device.restart(sorted(trial.services))
        device.put_trial(replace(trial, stage=Stage.RUNNING, since=facts.now))
    elif do is Do.COUNT_BOOT:
        left = trial.boots_left - 1
        device.put_trial(replace(trial, boots_left=left, boot=facts.boot, since=facts.now))
    elif do is Do.KEEP:
        device.put_trial(replace(trial, stage=Stage.KEEPING))
        device.point("confirmed", facts.current)
        device.note_confirmed(trial.version)
        device.tell(State.APPLIED, trial)
        device.drop_taken()
        device.end_trial()


def _revert(device: Device, facts: Facts, step: Step) -> None:
    """Turn the link back first: whatever starts from then on is the version before."""
    trial = facts.trial
    if trial is None:
        services = device.services()
        trial = Trial(facts.current, facts.confirmed, "", "", services=services)
    trial = replace(trial, stage=Stage.REVERTING, reason=step.reason, what=step.what)
    device.put_trial(trial)
    device.point("current", trial.previous)
    device.point("confirmed", trial.previous)
    device.restart(sorted(trial.services))
    device.tell(State.REVERTED, trial)
    device.drop_taken()
    device.clear(trial.slot)
    device.end_trial()
