"""What processes cost: processor time and memory, from /proc; and how many files they may open."""

import os
import resource
from pathlib import Path

SPARE_FILES = 300
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Watch:
    """Adds up one service over all the processes that were it, one after the other."""

    def __init__(self) -> None:
        self._cpu_s: dict[int, float] = {}
        self.memory_mb = 0.0
        """The largest resident size that any of them had."""

    def look(self, pid: int | None) -> None:
        """Note what a process has used so far; call it often, and before it is killed."""
        if pid is None:
            return
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
            status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        except OSError:
            return
        user, system = stat.rpartition(")")[2].split()[11:13]  # proc(5): utime, stime
        self._cpu_s[pid] = (int(user) + int(system)) / _TICKS_PER_S
        peak = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
        self.memory_mb = max(self.memory_mb, *(int(kb) / 1024 for kb in peak), 0.0)

    @property
    def cpu_s(self) -> float:
        """Processor time of all of them."""
        return sum(self._cpu_s.values())


def allow_files(connections: int) -> str | None:
    """Let this process and its children open as many files as they may.

    Returns what is needed if that is not enough for one process with so many connections.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    needed = connections + SPARE_FILES
    if hard != resource.RLIM_INFINITY and hard < needed:
        return (
            f"{connections} connections need {needed} open files, and this user may have {hard};"
            f" e.g. as root: prlimit --pid $$ --nofile={needed}, or LimitNOFILE= of the service"
        )
    return None
