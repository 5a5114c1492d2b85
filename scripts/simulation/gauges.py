"""What can be seen of a run while it goes on: how fast records are let go, how a storm ends."""

import time
from collections import deque

from .report import Timings
from .workers import Workers

PEAK_S = 5.0


class Gauges:
    """Looks at the workers' progress. Seconds are real."""

    def __init__(self) -> None:
        self.to_connect_s: float | None = None
        self.share_let_go = 0.0
        """Of what is made, once everything is made."""
        self._began_at: float | None = None
        self._ended_at: float | None = None
        self._storm_at: float | None = None
        self._before = 0
        self._connected_s: float | None = None
        self._drained_s: float | None = None
        self._recent: deque[tuple[float, int]] = deque()
        self._peak = 0.0

    def begin(self) -> float:
        """Simulated time begins now, on the monotonic clock."""
        self._began_at = time.monotonic()
        return self._began_at

    def end(self) -> None:
        """Everything is let go, or nothing more will be."""
        self._ended_at = time.monotonic()

    def begin_storm(self, connected_before: int) -> None:
        """The broker is back, and all of these are about to be."""
        self._storm_at, self._before = time.monotonic(), connected_before

    @property
    def real_s(self) -> float:
        """Seconds since the simulated time began."""
        return 0.0 if self._began_at is None else time.monotonic() - self._began_at

    @property
    def is_storm_over(self) -> bool:
        """Whether there is no storm that has not been seen to its end."""
        return self._storm_at is None or None not in (self._connected_s, self._drained_s)

    def look(self, workers: Workers) -> None:
        """Note the present progress."""
        now, made = time.monotonic(), workers.sum("made")
        let_go = made - workers.sum("pending")
        if made and workers.all_say(lambda p: p.is_made):
            self.share_let_go = let_go / made
        self._note_rate(now, let_go)
        if self._storm_at is not None and workers.all_say(lambda p: p.marks > 0):
            since_s = now - self._storm_at
            if self._connected_s is None and workers.sum("connected") >= self._before:
                self._connected_s = since_s
            if self._drained_s is None and workers.sum("unmarked") == 0:
                self._drained_s = since_s

    def timings(self) -> Timings:
        """Return what was seen."""
        began, ended = self._began_at, self._ended_at
        return Timings(
            to_connect_s=self.to_connect_s,
            run_s=None if began is None or ended is None else ended - began,
            storm_connected_s=self._connected_s,
            storm_drained_s=self._drained_s,
            peak_records_per_s=self._peak,
        )

    def _note_rate(self, now: float, let_go: int) -> None:
        recent = self._recent
        if recent and let_go == recent[-1][1]:
            return
        recent.append((now, let_go))
        while len(recent) > 2 and now - recent[1][0] >= PEAK_S:
            recent.popleft()
        if now - recent[0][0] >= PEAK_S:
            self._peak = max(self._peak, (let_go - recent[0][1]) / (now - recent[0][0]))
