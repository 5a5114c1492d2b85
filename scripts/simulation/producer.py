"""The time of many devices: whoever's interval ends next is let go on, when it is due."""

import heapq
import threading
from collections.abc import Callable, Sequence

from .clocks import Pace
from .device import Device

LOOK_S = 0.1


class Producer:
    """One thread that makes the records of some devices at the pace that is asked for."""

    def __init__(
        self, devices: Sequence[Device], pace: Pace, surprised: Callable[[str], None]
    ) -> None:
        """surprised: called with whatever nobody thought of."""
        self._pace, self._surprised = pace, surprised
        self._due = [(device.next_at, device.plan.index, device) for device in devices]
        heapq.heapify(self._due)
        self._away = sorted(
            (d for d in devices if d.plan.network_at > 0),
            key=lambda d: d.plan.network_at,
            reverse=True,
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="producer", daemon=True)
        self.at = 0.0
        """How far the simulated time has come, in seconds."""
        self.is_over = False

    def start(self) -> None:
        """Begin; the pace must have begun."""
        self._thread.start()

    def stop(self) -> None:
        """Let no more time pass, and close the open intervals."""
        self._stop.set()
        self._pace.halt()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            while self._due and not self._stop.is_set():
                at = self._due[0][0]
                self._let_in(min(at, self._pace.now()))
                if self._pace.wait_until(at, LOOK_S):
                    self._produce(heapq.heappop(self._due)[2], at)
            for _, _, device in self._due:
                device.finish()
            self._let_in(float("inf"))
        except Exception as error:
            self._surprised(f"{type(error).__name__} while making records: {error}")
        self.is_over = True

    def _produce(self, device: Device, at: float) -> None:
        device.produce()
        self.at = at
        if not device.is_finished:
            heapq.heappush(self._due, (device.next_at, device.plan.index, device))

    def _let_in(self, now: float) -> None:
        """Give their network to those whose time has come."""
        while self._away and self._away[-1].plan.network_at <= now:
            self._away.pop().connect()
