"""The two slots of an update: which step follows from which facts, and every power cut.

The device here is in memory, behind the protocol that the real one follows; the real one is in
tests/install. A cut ends the work before or after any effect; what was in memory only is gone.
"""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import UpdateError
from edge.updating.confirmation import Expected
from edge.updating.report import State
from edge.updating.slots import MOST_BOOTS, Do, Facts, Stage, Trial, next_step, other
from edge.updating.trial import Candidate, advance
from edge.updating.words import Code, refusal

WITHIN_S = 600.0


class PowerCutError(Exception):
    """The power is gone."""


@dataclass
class Disk:
    """What survives."""

    links: dict = field(default_factory=lambda: {"current": "a", "confirmed": "a"})
    whole: dict = field(default_factory=lambda: {"a": "0.1.0"})
    trial: Trial | None = None
    incoming: bool = False
    taken: bool = False
    installs: int = 0
    highest: str = "0.1.0"
    told: list = field(default_factory=list)


class InMemory:
    """A device on a disk; cuts the power at the effects that `cuts` says, by number."""

    def __init__(self, disk, *, works=True, bad=False, cuts=()):
        self.disk, self.works, self.bad, self.cuts = disk, works, bad, set(cuts)
        self.effects, self.boot, self.now = 0, 0, 0.0
        self.started = {"lobbycount.service": self.disk.links["current"]}

    def effect(self, act):
        """Do it, or cut the power before (an even number) or after it (an odd one)."""
        number, self.effects = self.effects, self.effects + 1
        if 2 * number in self.cuts:
            raise PowerCutError
        act()
        assert self.disk.links["current"] in self.disk.whole, "no slot that works"
        if 2 * number + 1 in self.cuts:
            raise PowerCutError

    def power_on(self):
        self.boot += 1
        self.now = 0.0
        self.started = {"lobbycount.service": self.disk.links["current"]}

    def facts(self):
        disk = self.disk
        waits = set()
        if disk.trial is not None:
            runs_it = self.started["lobbycount.service"] == disk.trial.slot
            waits = set() if runs_it and self.works else set(disk.trial.services)
        return Facts(
            disk.links["current"],
            disk.links["confirmed"],
            frozenset(disk.whole),
            disk.trial,
            disk.incoming,
            disk.taken,
            disk.installs,
            str(self.boot),
            self.now,
            frozenset(waits),
        )

    def take(self):
        def both():
            self.disk.taken, self.disk.incoming, self.disk.installs = True, False, 0

        self.effect(both)

    def install(self):
        slot = other(self.disk.links["current"])
        self.effect(lambda: setattr(self.disk, "installs", self.disk.installs + 1))
        self.effect(lambda: self.disk.whole.pop(slot, None))
        if self.bad:
            raise refusal(Code.SELF_TEST, what="bad")
        self.effect(lambda: self.disk.whole.update({slot: "0.2.0"}))
        return Candidate(slot, "0.2.0", "b" * 64)

    def services(self):
        return {"lobbycount.service": Expected()}

    def put_trial(self, trial):
        self.effect(lambda: setattr(self.disk, "trial", trial))

    def end_trial(self):
        self.effect(lambda: setattr(self.disk, "trial", None))

    def point(self, link, slot):
        self.effect(lambda: self.disk.links.update({link: slot}))

    def restart(self, services):
        self.effect(lambda: self.started.update(dict.fromkeys(services, self.now_in_use)))

    @property
    def now_in_use(self):
        return self.disk.links["current"]

    def note_confirmed(self, version):
        self.effect(lambda: setattr(self.disk, "highest", version))

    def drop_taken(self):
        self.effect(lambda: setattr(self.disk, "taken", False))

    def clear(self, slot):
        assert slot != self.disk.links["current"]
        self.effect(lambda: self.disk.whole.pop(slot, None))

    def tell(self, state, trial=None):
        self.effect(lambda: self.disk.told.append((state, trial and trial.reason)))

    def tell_refused(self, error: UpdateError):
        self.effect(lambda: self.disk.told.append((State.REFUSED, error.code)))

    def rest(self):
        self.now += 60.0


def run(device, steps=1000):
    """Run the updater as systemd does: again after every cut; return how often that was."""
    starts = 0
    for _ in range(steps):
        try:
            if advance(device, WITHIN_S) is Do.NOTHING:
                return starts
        except PowerCutError:
            starts += 1
            device.power_on()
    raise AssertionError("it never comes to an end")


def ended(disk):
    return disk.trial is None and not disk.taken and not disk.incoming


def effects_of(**how):
    device = InMemory(Disk(incoming=True), **how)
    run(device)
    return device.effects


def test_a_version_that_works_is_kept():
    device = InMemory(Disk(incoming=True))
    run(device)
    assert device.disk.links == {"current": "b", "confirmed": "b"}
    assert device.disk.highest == "0.2.0"
    assert [state for state, _ in device.disk.told] == [State.TRIAL, State.APPLIED]
    assert ended(device.disk)


def test_one_that_does_not_is_taken_back():
    device = InMemory(Disk(incoming=True), works=False)
    run(device)
    assert device.disk.links == {"current": "a", "confirmed": "a"}
    assert device.disk.told[-1] == (State.REVERTED, Code.NOT_CONFIRMED)
    assert device.started == {"lobbycount.service": "a"}
    assert device.disk.whole == {"a": "0.1.0"}
    assert device.disk.highest == "0.1.0"
    assert ended(device.disk)


def test_one_that_is_refused_changes_nothing():
    device = InMemory(Disk(incoming=True), bad=True)
    run(device)
    assert device.disk.links == {"current": "a", "confirmed": "a"}
    assert device.disk.told == [(State.REFUSED, Code.SELF_TEST)]
    assert device.started == {"lobbycount.service": "a"}
    assert ended(device.disk)


@pytest.mark.parametrize("cut", range(2 * effects_of()))
def test_any_one_cut_of_an_update_that_works_ends_in_it(cut):
    device = InMemory(Disk(incoming=True), cuts=[cut])
    assert run(device) == 1
    assert device.disk.links == {"current": "b", "confirmed": "b"}
    assert device.disk.told[-1] == (State.APPLIED, None)
    assert ended(device.disk)


@pytest.mark.parametrize("cut", range(2 * effects_of(works=False)))
def test_any_one_cut_of_one_that_does_not_ends_in_the_version_before(cut):
    device = InMemory(Disk(incoming=True), works=False, cuts=[cut])
    assert run(device) == 1
    assert device.disk.links == {"current": "a", "confirmed": "a"}
    assert device.disk.told[-1][0] is State.REVERTED
    assert device.started == {"lobbycount.service": "a"}
    assert ended(device.disk)


@settings(max_examples=200)
@given(st.booleans(), st.booleans(), st.sets(st.integers(0, 120), max_size=12))
def test_any_cuts_end_with_a_slot_that_works_and_none_on_trial(works, bad, cuts):
    device = InMemory(Disk(incoming=True), works=works, bad=bad, cuts=cuts)
    run(device)
    disk = device.disk
    assert ended(disk)
    assert disk.links["current"] == disk.links["confirmed"]
    assert disk.links["current"] in disk.whole
    if bad or not works:
        assert disk.links["current"] == "a"
    assert device.started == {"lobbycount.service": disk.links["current"]}


def test_two_starts_of_the_device_without_a_word_take_it_back():
    device = InMemory(Disk(incoming=True), works=False)
    while advance(device, WITHIN_S) is not Do.WAIT:
        pass
    for _ in range(MOST_BOOTS):
        assert device.disk.links["current"] == "b"
        device.power_on()
        advance(device, WITHIN_S)  # and the power goes before the time is over
    run(device)
    assert device.disk.told[-1] == (State.REVERTED, Code.RESTARTS)
    assert device.disk.links["current"] == "a"


def test_that_it_goes_back_is_written_before_it_does():
    device = InMemory(Disk(incoming=True), works=False)
    while next_step(device.facts(), WITHIN_S).do is not Do.REVERT:
        advance(device, WITHIN_S)
    device.cuts = {2 * device.effects + 1}
    with pytest.raises(PowerCutError):
        advance(device, WITHIN_S)
    trial = device.disk.trial
    assert (trial.stage, trial.reason) == (Stage.REVERTING, Code.NOT_CONFIRMED)
    assert device.disk.links["current"] == "b"


def test_an_installation_that_is_cut_again_and_again_is_given_up():
    cuts = [2 * number + 1 for number in (2, 4, 6, 8)]  # while the slot is built
    device = InMemory(Disk(incoming=True), cuts=cuts)
    run(device)
    assert device.disk.told[-1] == (State.REFUSED, Code.INTERRUPTED)
    assert device.disk.links["current"] == "a"
    assert ended(device.disk)


RUNNING = Trial("b", "a", "0.2.0", "b" * 64, stage=Stage.RUNNING, boot="1", since=100.0)
ON_TRIAL = Facts("b", "a", frozenset("ab"), RUNNING, boot="1", now=150.0, waits=frozenset("s"))


@pytest.mark.parametrize(
    ("change", "do"),
    [
        ({}, Do.WAIT),
        ({"now": 699.9}, Do.WAIT),
        ({"now": 700.0}, Do.REVERT),
        ({"failures": 4}, Do.WAIT),
        ({"failures": 5}, Do.REVERT),
        ({"waits": frozenset()}, Do.KEEP),
        ({"boot": "2"}, Do.COUNT_BOOT),
        ({"whole": frozenset("b")}, Do.KEEP),  # nothing is there to go back to
        (
            {"whole": frozenset("b"), "trial": replace(RUNNING, stage=Stage.SWITCHING)},
            Do.SWITCH,  # the link still leads to nothing
        ),
        ({"whole": frozenset("a")}, Do.REVERT),
        ({"incoming": True, "taken": True}, Do.WAIT),  # one after the other
        ({"trial": None}, Do.REVERT),  # of two links that differ one was never confirmed
        ({"trial": replace(RUNNING, boots_left=0)}, Do.REVERT),
        ({"trial": replace(RUNNING, stage=Stage.KEEPING)}, Do.KEEP),
        ({"trial": replace(RUNNING, stage=Stage.REVERTING)}, Do.REVERT),
    ],
)
def test_the_step_that_follows_from_facts(change, do):
    assert next_step(replace(ON_TRIAL, **change), WITHIN_S).do is do
