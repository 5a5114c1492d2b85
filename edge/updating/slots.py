"""The two slots and the trial of a version: facts → the next step. Pure.

Two links say everything: `current` is what runs, `confirmed` what is known to work, and the
updater itself runs from `confirmed`. An update makes the other slot, writes the trial, turns
`current`, and ends by turning `confirmed` after it or `current` back. Each step leaves the disk
so that the one after a power cut follows from what is there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from edge.updating.confirmation import Expected
from edge.updating.words import Code

SLOTS = ("a", "b")
MOST_BOOTS = 2
"""The start of the device that is this many after the switch takes the version back."""
MOST_INSTALLS = 3
"""So often an installation is begun; more were cut short for a reason of their own."""
MOST_FAILURES = 5
"""So often systemd may start a service on trial again."""
WITHIN_S = 600.0
"""So long a version may take, from the switch or from a start of the device, to confirm."""


class Stage(StrEnum):
    """Where a trial stands, on the disk."""

    SWITCHING = "switching"
    RUNNING = "running"
    REVERTING = "reverting"
    KEEPING = "keeping"


@dataclass(frozen=True, slots=True)
class Trial:
    """A version on trial, in trial.json.

    slot, previous: of the version and of what ran before. bundle: SHA-256 of its file.
    boots_left: starts of the device until it is taken back; boot: the id of the present one.
    since: seconds of the monotonic clock of that boot.
    services: who has to confirm, by unit, and what is expected of each.
    reason, what: why it is taken back.
    """

    slot: str
    previous: str
    version: str
    bundle: str
    stage: Stage = Stage.SWITCHING
    boots_left: int = MOST_BOOTS
    boot: str = ""
    since: float = 0.0
    services: Mapping[str, Expected] = field(default_factory=dict)
    reason: Code | None = None
    what: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is on the disk and what is known of the services.

    current, confirmed: where the links point. whole: slots that were built to the end; that of
    `confirmed` works, whoever built it.
    incoming: a bundle lies in the drop folder; taken: one was copied to where only root may
    write. installs: how often its installation was begun. boot, now: see Trial.
    waits: the services on trial that have not confirmed. failures: most starts of one of them.
    """

    current: str
    confirmed: str
    whole: frozenset[str]
    trial: Trial | None = None
    incoming: bool = False
    taken: bool = False
    installs: int = 0
    boot: str = ""
    now: float = 0.0
    waits: frozenset[str] = frozenset()
    failures: int = 0


class Do(StrEnum):
    """What the updater does next."""

    NOTHING = "nothing"
    TAKE = "take"
    INSTALL = "install"
    GIVE_UP = "give_up"
    SWITCH = "switch"
    COUNT_BOOT = "count_boot"
    WAIT = "wait"
    KEEP = "keep"
    REVERT = "revert"


@dataclass(frozen=True, slots=True)
class Step:
    """One step; reason and what: of REVERT."""

    do: Do
    reason: Code | None = None
    what: str = ""


def other(slot: str) -> str:
    """Return the other slot."""
    return SLOTS[1] if slot == SLOTS[0] else SLOTS[0]


def next_step(facts: Facts, within_s: float = WITHIN_S) -> Step:
    """Return what to do now; asked again after each step. A trial is ended before anything new."""
    trial = facts.trial
    if trial is not None:
        return _of_trial(facts, trial, within_s)
    if facts.current != facts.confirmed and facts.confirmed in facts.whole:
        # No trial says so: it is on the disk before the link is turned.
        return Step(Do.REVERT, Code.INTERRUPTED)
    if facts.taken:
        return Step(Do.INSTALL if facts.installs < MOST_INSTALLS else Do.GIVE_UP)
    return Step(Do.TAKE if facts.incoming else Do.NOTHING)


def _of_trial(facts: Facts, trial: Trial, within_s: float) -> Step:
    if trial.previous not in facts.whole:
        # There is no way back; a link that was not turned yet has to be.
        return Step(Do.SWITCH if trial.stage is Stage.SWITCHING else Do.KEEP)
    if trial.stage is Stage.KEEPING:
        return Step(Do.KEEP)
    if trial.stage is Stage.REVERTING or trial.slot not in facts.whole:
        return Step(Do.REVERT, trial.reason or Code.INTERRUPTED, trial.what)
    if trial.boot != facts.boot:
        return Step(Do.COUNT_BOOT)
    return _of_this_boot(facts, trial, within_s)


def _of_this_boot(facts: Facts, trial: Trial, within_s: float) -> Step:
    if trial.boots_left <= 0:
        return Step(Do.REVERT, Code.RESTARTS, str(MOST_BOOTS))
    if trial.stage is Stage.SWITCHING:
        return Step(Do.SWITCH)
    return _of_running(facts, trial, within_s)


def _of_running(facts: Facts, trial: Trial, within_s: float) -> Step:
    if not facts.waits:
        return Step(Do.KEEP)
    names = ", ".join(sorted(facts.waits))
    if facts.failures >= MOST_FAILURES:
        return Step(Do.REVERT, Code.KEEPS_FAILING, names)
    if facts.now - trial.since >= within_s:
        return Step(Do.REVERT, Code.NOT_CONFIRMED, f"{within_s:.0f}")
    return Step(Do.WAIT)
