"""The turns of many relays in a few threads."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scripts.simulation.driver import Driver

WAIT_S = 10.0


class Turns:
    """A runner that answers as it is told, and says when it had a turn."""

    def __init__(self, *answers: Any, urgent: bool = False, log: list[str] | None = None) -> None:
        self._answers, self.is_urgent = list(answers), urgent
        self.log = [] if log is None else log
        self.name = "turn"
        self.hold = threading.Event()
        self.hold.set()
        self.begun = threading.Semaphore(0)

    def turn(self) -> float | None:
        self.log.append(self.name)
        self.begun.release()
        assert self.hold.wait(WAIT_S)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def driver() -> Iterator[Callable[..., Driver]]:
    opened: list[Driver] = []

    def make(threads: int = 1, surprised: Callable[[str], None] = pytest.fail) -> Driver:
        opened.append(Driver(surprised, threads))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def wait_until(predicate: Callable[[], bool], tick: Callable[[], None] = lambda: None) -> None:
    pause = threading.Event()
    for _ in range(int(WAIT_S / 0.005)):
        tick()
        if predicate():
            return
        pause.wait(0.005)
    pytest.fail("not in time")


def test_a_turn_that_says_when_is_followed_by_another_then(driver) -> None:
    giver, runner = driver(), Turns(0.01, 0.0, None)
    giver.seat(runner).set()
    wait_until(lambda: giver.over == 1, giver.tick)
    assert runner.log == ["turn"] * 3


def test_who_is_woken_during_a_turn_has_another(driver) -> None:
    giver, runner = driver(2), Turns(3600.0, None)
    runner.hold.clear()
    seat = giver.seat(runner)
    seat.set()
    assert runner.begun.acquire(timeout=WAIT_S)
    seat.set()
    seat.set()  # twice is once
    runner.hold.set()
    wait_until(lambda: giver.over == 1)
    assert runner.log == ["turn"] * 2


def test_a_turn_of_long_ago_does_not_wake_who_had_another_since(driver) -> None:
    giver, runner = driver(), Turns(0.05, 3600.0)
    seat = giver.seat(runner)
    seat.set()
    wait_until(lambda: len(runner.log) == 1)
    seat.set()
    wait_until(lambda: len(runner.log) == 2)
    threading.Event().wait(0.1)  # the time of the first answer has come and gone
    giver.tick()
    giver.seat(Turns(None)).set()
    wait_until(lambda: giver.over == 1)  # there is one thread: whoever was woken had a turn before
    assert len(runner.log) == 2


def test_the_urgent_come_first(driver) -> None:
    giver, log = driver(1), []
    first = Turns(None, log=log)
    first.hold.clear()
    giver.seat(first).set()
    assert first.begun.acquire(timeout=WAIT_S)
    for name, urgent in (("patient", False), ("urgent", True)):
        runner = Turns(None, urgent=urgent, log=log)
        runner.name = name
        giver.seat(runner).set()
    first.hold.set()
    wait_until(lambda: giver.over == 3)
    assert log == ["turn", "urgent", "patient"]


def test_what_is_raised_is_told_and_tried_again(driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.simulation.driver.AFTER_A_SURPRISE_S", 0.01)
    told: list[str] = []
    giver, runner = driver(1, told.append), Turns(ValueError("oh"), None)
    giver.seat(runner).set()
    wait_until(lambda: giver.over == 1, giver.tick)
    assert told == ["ValueError in a relay: oh"]
