"""What the kernel says of running processes: their files, connections, limits. Linux only.

See proc(5). What may not be looked at, because a process is another user's or hides itself
from its own, is named, never taken for empty.
"""

import ipaddress
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_PROC = Path("/proc")
_LISTENING, _FLAGS = "0A", re.compile(r"^flags:\s+([0-7]+)", re.M)
_TABLES = ("tcp", "tcp6", "udp", "udp6", "raw", "raw6")


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file descriptor. path: as the kernel names it, e.g. `/memfd:picture (deleted)`.

    inode: two descriptors with the same one are of the same file.
    """

    fd: int
    path: str
    writes: bool
    bytes: int
    inode: int


@dataclass(frozen=True, slots=True)
class Process:
    """A process at one moment.

    hidden: why its files may not be looked at; None when they were. core: its limit of a core
    dump in bytes, None without one. dumps: whether any memory would be in a dump.
    mapped: the files it has mapped; writable: those that it could write to through memory.
    """

    pid: int
    command: str
    hidden: str | None = None
    files: tuple[OpenFile, ...] = ()
    mapped: frozenset[str] = frozenset()
    writable: frozenset[str] = frozenset()
    core: int | None = 0
    dumps: bool = False
    swapped_kb: int = 0
    resident_kb: int = 0
    sockets: frozenset[int] = field(default=frozenset())


@dataclass(frozen=True, slots=True)
class Socket:
    """An internet socket of the process tree; addresses as "192.0.2.1" and ports."""

    inode: int
    protocol: str
    local: tuple[str, int]
    remote: tuple[str, int]
    listens: bool


def tree(pid: int) -> list[int]:
    """Return a process and all its descendants, itself first; empty when it is gone."""
    found, todo = [], [pid]
    while todo:
        each = todo.pop()
        try:
            lists = [p.read_text("ascii") for p in (_PROC / f"{each}/task").glob("*/children")]
        except OSError:
            continue  # ended meanwhile
        if (_PROC / str(each)).exists():
            found.append(each)
            todo += [int(child) for text in lists for child in text.split()]
    return found


def look_at(pid: int) -> Process | None:
    """Return what a process is doing now; None when it is gone."""
    folder = _PROC / str(pid)
    try:
        status = (folder / "status").read_text("utf-8", "replace")
        command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        limits = (folder / "limits").read_text("ascii")
    except OSError:
        return None
    sizes = {k: int(v) for k, v in re.findall(r"^(VmSwap|VmRSS):\s+(\d+) kB", status, re.M)}
    core = re.search(r"^Max core file size\s+(\S+)", limits, re.M)
    limit = core[1] if core else "unlimited"
    try:
        files = tuple(_open_files(folder))
        mapped, writable = _maps(folder)
        dumps = int((folder / "coredump_filter").read_text("ascii"), 16) != 0
        hidden = None
    except PermissionError as error:
        files, mapped, writable, dumps = (), frozenset(), frozenset(), False
        hidden = f"{error.strerror}"
    except OSError:
        return None
    return Process(
        pid=pid,
        command=command.strip(),
        hidden=hidden,
        files=files,
        mapped=mapped,
        writable=writable,
        core=None if limit == "unlimited" else int(limit),
        dumps=dumps,
        swapped_kb=sizes.get("VmSwap", 0),
        resident_kb=sizes.get("VmRSS", 0),
        sockets=frozenset(
            int(each.path[8:-1]) for each in files if each.path.startswith("socket:[")
        ),
    )


def sockets_of(pid: int, inodes: frozenset[int]) -> list[Socket]:
    """Return those internet sockets with these inodes, in the network that a process sees."""
    found = []
    for name in _TABLES:
        try:
            rows = (_PROC / str(pid) / "net" / name).read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            parts = row.split()
            inode = int(parts[9])
            if inode in inodes:
                listens = parts[3] == _LISTENING if name.startswith("tcp") else False
                ends = _end(parts[1]), _end(parts[2])
                found.append(Socket(inode, name.rstrip("6"), *ends, listens))
    return found


def packet_sockets(pid: int, inodes: frozenset[int]) -> int:
    """Return how many of these are sockets that read from the wire itself."""
    try:
        rows = (_PROC / str(pid) / "net/packet").read_text("ascii").splitlines()[1:]
    except OSError:
        return 0
    return sum(int(row.split()[8]) in inodes for row in rows)


def disk_swap() -> list[str]:
    """Return where memory may be swapped to that is not memory itself."""
    try:
        rows = (_PROC / "swaps").read_text("utf-8").splitlines()[1:]
    except OSError:
        return []
    return [row.split()[0] for row in rows if not row.startswith("/dev/zram")]


def may_swap(pid: int) -> bool:
    """Say whether the process' control group lets its memory be swapped out."""
    try:
        group = (_PROC / str(pid) / "cgroup").read_text("utf-8").strip().rpartition("::")[2]
        limit = Path(f"/sys/fs/cgroup{group}/memory.swap.max").read_text("ascii")
    except OSError:
        return True
    return limit.strip() != "0"


def _open_files(folder: Path) -> Iterator[OpenFile]:
    for link in os.scandir(folder / "fd"):
        try:
            path = os.readlink(link.path)  # noqa: PTH115  names such as "socket:[1]" are no paths
            state = Path(link.path).stat()
            info = (folder / "fdinfo" / link.name).read_text("ascii")
        except FileNotFoundError:
            continue  # closed meanwhile
        flags = _FLAGS.search(info)
        mode = int(flags[1], 8) & os.O_ACCMODE if flags else os.O_RDWR
        yield OpenFile(int(link.name), path, mode != os.O_RDONLY, state.st_size, state.st_ino)


def _maps(folder: Path) -> tuple[frozenset[str], frozenset[str]]:
    mapped, writable = set(), set()
    for row in (folder / "maps").read_text("utf-8", "replace").splitlines():
        parts = row.split(maxsplit=5)
        if len(parts) == 6 and parts[5].startswith("/"):
            mapped.add(parts[5])
            if "w" in parts[1] and parts[1].endswith("s"):
                writable.add(parts[5])
    return frozenset(mapped), frozenset(writable)


def _end(text: str) -> tuple[str, int]:
    """Read one end of /proc/net/tcp: the address in the machine's byte order, and the port."""
    address, _, port = text.partition(":")
    raw = bytes.fromhex(address)
    if sys.byteorder == "little":
        raw = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
    parsed = ipaddress.ip_address(raw)
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped or parsed), int(port, 16)
