"""Processor time and memory of this process and all below it, picture by picture."""

import ctypes
import os
import time
from pathlib import Path

WARM_UP = 10
"""Source pictures before the measurement begins: caches, allocators, the first tracks."""
_LOOK_EVERY = 25

_libc = ctypes.CDLL(None, use_errno=True)


class Meter:
    """Tell it after each used picture; the time of start and model load is kept apart."""

    def __init__(self) -> None:
        self._ticks = 0
        self._clocks: dict[int, int] = {}
        self._children_s: dict[int, float] = {}
        self._rss_kib: dict[int, int] = {}
        self._began = (0, 0.0, 0.0)
        self._now = (0, 0.0, 0.0)
        self._last_children_s = 0.0
        self.children_ms: list[float] = []
        """What the child processes used between one picture and the next."""
        self.warm = False
        self.start_cpu_s = 0.0
        """Used before the measurement began: start, imports, model load, first pictures."""

    def tick(self, index: int) -> bool:
        """Note that source picture `index` is done; True when the measurement begins now."""
        if self._ticks % _LOOK_EVERY == 0 or not self.warm:
            self.look()
        self._ticks += 1
        total_s = self.total_s()
        children_s = sum(self._children_s.values())
        self._now = (index, total_s, time.perf_counter())
        if self.warm:
            self.children_ms.append(1000 * (children_s - self._last_children_s))
        self._last_children_s = children_s
        if self.warm or index + 1 < WARM_UP:
            return False
        self.warm, self._began, self.start_cpu_s = True, self._now, self._now[1]
        return True

    def look(self) -> None:
        """See which processes there are, and how much memory each has ever had."""
        own = os.getpid()
        for pid in tree(own):
            if pid != own and pid not in self._clocks:
                self._clocks[pid] = clock_of(pid)
            self._rss_kib[pid] = max(self._rss_kib.get(pid, 0), peak_rss_kib(pid))

    @property
    def pictures(self) -> int:
        """Source pictures measured, the unused ones between them too."""
        return self._now[0] - self._began[0]

    @property
    def cpu_s(self) -> float:
        """User and system time of the whole tree since the measurement began."""
        return self._now[1] - self._began[1]

    @property
    def wall_s(self) -> float:
        """Time by the clock since the measurement began."""
        return self._now[2] - self._began[2]

    @property
    def rss_mb(self) -> float:
        """Sum of the peak resident sizes; what processes share is counted in each."""
        return sum(self._rss_kib.values()) / 1024

    def total_s(self) -> float:
        """Return what this process and those seen by `look` have ever used."""
        for pid, clock in self._clocks.items():
            try:
                self._children_s[pid] = time.clock_gettime(clock)
            except OSError:  # it has ended; what it had used is kept
                continue
        return time.process_time() + sum(self._children_s.values())


def clock_of(pid: int) -> int:
    """Return the processor time clock of a process, clock_getcpuclockid(3)."""
    clock = ctypes.c_int()
    if _libc.clock_getcpuclockid(pid, ctypes.byref(clock)):
        raise ProcessLookupError(f"there is no process {pid}")
    return clock.value


def tree(pid: int) -> list[int]:
    """Return a process and all below it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text(encoding="ascii").split()
        except OSError:
            continue
        for child in children:
            found += tree(int(child))
    return found


def peak_rss_kib(pid: int) -> int:
    """Return the most memory a process has ever had resident; 0 when it is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(row.split()[1]) for row in text.splitlines() if row.startswith("VmHWM")), 0)
