"""Who sends when: the relays of many devices take turns in a pool of threads.

On a device `Relay.run` is a loop around `step`; here a step is a turn of some thread, and
between turns a device costs nothing. A step that waits for the broker keeps its thread, so as
many devices can be waiting at a time as there are threads.
"""

import heapq
import threading
import time
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

THREADS = 200
AFTER_A_SURPRISE_S = 1.0
_STACK_BYTES = 512 * 1024


class Runner(Protocol):
    """What takes turns."""

    @property
    def is_urgent(self) -> bool:
        """Whether its turn comes before those of all that are not."""
        ...

    def turn(self) -> float | None:
        """Do what is due; return seconds until there is more, None when it is over."""
        ...


class _State(Enum):
    IDLE = auto()
    READY = auto()
    RUNNING = auto()
    AGAIN = auto()
    OVER = auto()


class Seat:
    """One runner's place. It stands where a relay has its `wake`."""

    def __init__(self, driver: "Driver", runner: Runner) -> None:
        self._driver, self.runner = driver, runner
        self.state, self.ticket = _State.IDLE, 0

    def set(self) -> None:
        """Have the runner take a turn at once."""
        self._driver.wake(self)


class Driver:
    """Gives turns. `tick` is called often, from one thread."""

    def __init__(self, surprised: Callable[[str], None], threads: int = THREADS) -> None:
        """surprised: called with whatever nobody thought of."""
        self._surprised = surprised
        self._lock = threading.Lock()
        self._is_ready = threading.Condition(self._lock)
        self._urgent: deque[Seat] = deque()
        self._ready: deque[Seat] = deque()
        self._is_closed = False
        self._later: list[tuple[float, int, bool, Seat]] = []
        self._tickets = 0
        self.over = 0
        """How many have had their last turn."""
        before = threading.stack_size(_STACK_BYTES)
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()
        threading.stack_size(before)

    def seat(self, runner: Runner) -> Seat:
        """Give a runner its place; its first turn comes when the seat is set."""
        return Seat(self, runner)

    def wake(self, seat: Seat) -> None:
        """Have it take a turn as soon as a thread is free; callable from any thread."""
        with self._lock:
            if seat.state is _State.IDLE:
                self._queue(seat)
            elif seat.state is _State.RUNNING:
                seat.state = _State.AGAIN

    def wake_later(self, seat: Seat, after_s: float) -> None:
        """Have it take a turn in a while, whatever it does meanwhile; from any thread."""
        with self._lock:
            self._push(seat, after_s, is_firm=True)

    def tick(self) -> None:
        """Wake those whose time has come."""
        now = time.monotonic()
        while True:
            with self._lock:
                if not self._later or self._later[0][0] > now:
                    return
                _, ticket, is_firm, seat = heapq.heappop(self._later)
                is_due = is_firm or ticket == seat.ticket
            if is_due:
                self.wake(seat)

    def close(self) -> None:
        """End the threads that are free."""
        with self._lock:
            self._is_closed = True
            self._is_ready.notify_all()

    def _queue(self, seat: Seat) -> None:
        seat.state = _State.READY
        (self._urgent if seat.runner.is_urgent else self._ready).append(seat)
        self._is_ready.notify()

    def _next(self) -> Seat | None:
        """Wait for somebody who is ready; None when this is over."""
        with self._lock:
            self._is_ready.wait_for(lambda: self._urgent or self._ready or self._is_closed)
            if self._is_closed:
                return None
            seat = (self._urgent or self._ready).popleft()
            seat.state = _State.RUNNING
            seat.ticket = 0  # what it was waiting for is void
            return seat

    def _push(self, seat: Seat, after_s: float, *, is_firm: bool) -> int:
        self._tickets += 1
        entry = (time.monotonic() + after_s, self._tickets, is_firm, seat)
        heapq.heappush(self._later, entry)
        return self._tickets

    def _work(self) -> None:
        while (seat := self._next()) is not None:
            wait_s = self._turn(seat)
            with self._lock:
                if wait_s is None:
                    seat.state = _State.OVER
                    self.over += 1
                elif seat.state is _State.AGAIN or wait_s <= 0:
                    self._queue(seat)
                else:
                    seat.state = _State.IDLE
                    seat.ticket = self._push(seat, wait_s, is_firm=False)

    def _turn(self, seat: Seat) -> float | None:
        try:
            return seat.runner.turn()
        except Exception as error:
            self._surprised(f"{type(error).__name__} in a relay: {error}")
            return AFTER_A_SURPRISE_S
