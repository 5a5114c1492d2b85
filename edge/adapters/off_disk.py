"""Keeping the memory of a process, with the pictures in it, off the disk."""

import ctypes
import resource
from contextlib import suppress
from pathlib import Path

_PR_SET_DUMPABLE = 4


def keep_off_disk() -> None:
    """Leave no core dump of this process and its future children.

    The limit does not bind a core handler, so the kernel is also told to leave out every kind
    of memory (core(5), coredump_filter), which children inherit.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):  # a kernel without it writes no dump of memory either
        Path("/proc/self/coredump_filter").write_text("0", encoding="ascii")


def keep_to_root() -> None:
    """Let no other process of this user look into this one, and no handler take its memory."""
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
