"""Searching the memory of a stopped process for something; needs to be its parent or root."""

import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_ROW = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \d+\s*(.*)$")
_PART = 16 << 20


@contextmanager
def stopped(pids: Sequence[int]) -> Iterator[None]:
    """Hold processes of one's own still, so that nothing moves while they are looked at."""
    try:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def search(
    pid: int, find: Callable[[bytes], list[int]], *, longest: int, shared: bool
) -> list[int]:
    """Return all that `find` finds in the memory a process can write to.

    longest: bytes of what is looked for. shared: whether what it shares with others is searched
    too. Raises OSError when it may not be looked at.
    """
    found: list[int] = []
    rows = Path(f"/proc/{pid}/maps").read_text("utf-8", "replace").splitlines()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for row in rows:
            match = _ROW.match(row)
            if match is None or "rw" not in match[3] or match[4] in {"[vvar]", "[vsyscall]"}:
                continue
            if match[3].endswith("s") and not shared:
                continue
            for part in _parts(memory.fileno(), int(match[1], 16), int(match[2], 16), longest - 1):
                found += find(part)
    return found


def _parts(descriptor: int, begin: int, end: int, overlap: int) -> Iterator[bytes]:
    for at in range(begin, end, _PART):
        try:
            yield os.pread(descriptor, min(_PART + overlap, end - at), at)
        except OSError:
            return  # a mapping that cannot be read, e.g. of a device
