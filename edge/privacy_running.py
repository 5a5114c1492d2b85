"""What `privacy-check` looks at in the running service: its memory, files and connections."""

import re
import time
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from edge.adapters import proc
from edge.adapters.proc import Process
from edge.privacy_deny import denied_files
from edge.privacy_files import unknown_files
from edge.privacy_links import Allowed, Link, strange_links
from edge.privacy_promises import PromiseId, Said
from edge.privacy_verdicts import Look

SAMPLE_S = 0.25
_PICTURE = re.compile(r"/memfd:picture\b")
_SHARED = re.compile(r"/memfd:|/dev/shm/|/SYSV")
_MOST_PICTURE_BYTES = 4096 + 8192 * 8192 * 3
_NO_FILES = re.compile(
    r"(pipe|socket|anon_inode):|/dev/(null|zero|u?random|tty|pts/|video|ptmx)|/proc/"
)
_ABOUT: tuple[PromiseId, ...] = (
    "pictures-forgotten",
    "memory-not-written",
    "nobody-recognised",
    "files-in-place",
    "connections-configured",
)


def not_running(why: Said) -> list[Look]:
    """Return the looks that there are none of without a running service."""
    return [Look(about, _THE_SERVICE, not_run=why) for about in _ABOUT]


_THE_SERVICE = Said("运行中的服务", "the running service")


def processes_of(pid: int) -> list[Process]:
    """Return the process tree of a service, the service first; empty when it is gone."""
    return [found for each in proc.tree(pid) if (found := proc.look_at(each)) is not None]


def look_at_processes(processes: Sequence[Process], data: Path) -> list[Look]:
    """Look at memory, files and libraries of a process tree."""
    pids = ", ".join(str(each.pid) for each in processes)
    seen = Said(f"进程 {pids}", f"processes {pids}")
    hidden = _hidden(processes)
    return [
        Look(
            "memory-not-written",
            seen,
            (*_memory(processes), *_swap(processes[0].pid)),
            hidden,
        ),
        Look("pictures-forgotten", *_shared(processes), hidden),
        Look("files-in-place", *_files(processes, data), hidden),
        Look("nobody-recognised", *_libraries(processes), hidden),
    ]


def look_at_links(
    pid: int, allowed: Allowed, setup_port: int, *, watch_s: float, unresolved: Said | None
) -> list[Look]:
    """Watch all connections of a service for a while.

    setup_port: what is listened on there is about the set-up page.
    unresolved: why it is not known where some may lead.
    """
    links: list[Link] = []
    listening: list[set[Link]] = []
    until, samples, raw, hidden = time.monotonic() + watch_s, 0, 0, None
    while samples < 2 or time.monotonic() < until:
        if samples:
            time.sleep(SAMPLE_S)
        processes = processes_of(pid)
        inodes = frozenset(inode for each in processes for inode in each.sockets)
        found = [
            Link(each.protocol, each.local, each.remote, each.listens)
            for each in proc.sockets_of(pid, inodes)
        ]
        links += [each for each in found if not each.listens]
        listening.append({each for each in found if each.listens})
        raw = max(raw, proc.packet_sockets(pid, inodes))
        hidden, samples = hidden or _hidden(processes), samples + 1
    # paho listens on loopback for the moment in which it connects to itself.
    steady = [one for a, b in pairwise(listening) for one in a & b]
    strange = strange_links([*links, *steady], allowed)
    if raw:
        strange.append(f"{raw} packet sockets, which hear everything on the wire")
    about_setup = [each for each in strange if _is_setup(each, setup_port)]
    others = [each for each in strange if each not in about_setup]
    shown = sorted({f"{each.remote[0]}:{each.remote[1]}" for each in links if each.remote[1]})
    at = Said(
        f"{samples} 次查看，连接：{'、'.join(shown) or '无'}",
        f"{samples} looks; connected: {', '.join(shown) or 'nothing'}",
    )
    ports = sorted({each.local[1] for each in steady})
    listens = Said(
        f"监听端口：{'、'.join(map(str, ports)) or '无'}",
        f"listening ports: {', '.join(map(str, ports)) or 'none'}",
    )
    return [
        Look("connections-configured", at, tuple(map(_same, others)), hidden or unresolved),
        Look("setup-closed", listens, tuple(map(_same, about_setup)), hidden),
    ]


def log_files(processes: Iterable[Process]) -> list[Path]:
    """Return the files that standard output and error of a process tree lead to."""
    return sorted({Path(f.path) for p in processes for f in p.files if _is_log(f.fd, f.path)})


def log_goes_to(processes: Sequence[Process]) -> str:
    """Return where the first process' standard error leads: "file", "journal", "nowhere" or else.

    A socket is the journal's, as systemd sets it up; a terminal keeps nothing.
    """
    if processes[0].hidden:
        return "hidden"
    path = next((f.path for f in processes[0].files if f.fd == 2), "/dev/null")
    if path.startswith("socket:"):
        return "journal"
    if path.startswith("/dev/"):
        return "nowhere"
    return "file" if path.startswith("/") else "pipe"


def _memory(processes: Sequence[Process]) -> Iterable[Said]:
    for each in processes:
        if each.core != 0:
            limit = "unlimited" if each.core is None else f"{each.core} bytes"
            yield Said(
                f"进程 {each.pid} 的内存转储上限不是 0（{limit}）",
                f"process {each.pid} may leave a core dump ({limit})",
            )
        if each.dumps and not each.hidden:
            yield Said(
                f"进程 {each.pid} 的内存会进入转储",
                f"process {each.pid}: a dump would hold its memory (coredump_filter)",
            )
        if each.swapped_kb:
            yield Said(
                f"进程 {each.pid} 有 {each.swapped_kb} kB 内存已换出到磁盘",
                f"process {each.pid}: {each.swapped_kb} kB of it are swapped out",
            )


def _swap(pid: int) -> Iterable[Said]:
    for place in proc.disk_swap() if proc.may_swap(pid) else []:
        yield Said(
            f"内存可能被换出到 {place}：请用 systemd 单元（MemorySwapMax=0）运行，或 swapoff",
            f"its memory may be swapped out to {place}; run it by the unit file, which has"
            " MemorySwapMax=0, or switch swap off",
        )


def _shared(processes: Sequence[Process]) -> tuple[Said, tuple[Said, ...]]:
    shared = {f.path for p in processes for f in p.files if _SHARED.match(f.path)}
    pictures = {f.inode: f.bytes for p in processes for f in p.files if _PICTURE.match(f.path)}
    problems = [
        Said(f"未知的共享内存 {path}", f"shared memory that nobody knows: {path}")
        for path in sorted(shared | _mapped_shared(processes))
        if not _PICTURE.match(path)
    ]
    cameras = max(1, sum("camera_process" in each.command for each in processes))
    if len(pictures) > cameras:
        problems.append(
            Said(
                f"{len(pictures)} 块画面内存，只应有 {cameras} 块",
                f"{len(pictures)} pieces of memory for pictures, not {cameras}",
            )
        )
    size = sum(pictures.values())
    if size > _MOST_PICTURE_BYTES * cameras:
        problems.append(Said(f"画面内存过大：{size}", f"memory for pictures: {size} bytes"))
    resident = sum(each.resident_kb for each in processes) // 1024
    at = Said(
        f"共享画面 {len(pictures)} 块、{size / 1e6:.1f} MB，进程共占内存 {resident} MB",
        f"{len(pictures)} shared picture(s) of {size / 1e6:.1f} MB; {resident} MB resident in all",
    )
    return at, tuple(problems)


def _mapped_shared(processes: Sequence[Process]) -> set[str]:
    return {path for each in processes for path in each.writable if _SHARED.match(path)}


def _files(processes: Sequence[Process], data: Path) -> tuple[Said, tuple[Said, ...]]:
    root = data.resolve()
    opened = {
        f.path
        for p in processes
        for f in p.files
        if f.writes and not _is_log(f.fd, f.path) and not _NO_FILES.match(f.path)
    }
    opened |= {path for each in processes for path in each.writable}
    names = sorted(path for path in opened if not _SHARED.match(path))
    problems = []
    for name in names:
        path = Path(name.removesuffix(" (deleted)"))
        inside = path.is_relative_to(root) and not name.endswith(" (deleted)")
        if not inside or unknown_files([path.relative_to(root).as_posix()]):
            problems.append(Said(f"打开写入的文件：{name}", f"open for writing: {name}"))
    at = Said(f"打开写入的文件 {len(names)} 个", f"{len(names)} files open for writing")
    return at, tuple(problems)


def _libraries(processes: Sequence[Process]) -> tuple[Said, tuple[Said, ...]]:
    mapped = {path for each in processes for path in each.mapped}
    opened = {f.path for each in processes for f in each.files if f.path.startswith("/")}
    names = {"/".join(Path(path).parts[-2:]) for path in mapped | opened}
    at = Said(f"加载的文件 {len(mapped)} 个", f"{len(mapped)} files loaded")
    return at, tuple(Said(f"已加载：{n}", f"loaded: {n}") for n in denied_files(names))


def _hidden(processes: Sequence[Process]) -> Said | None:
    closed = [each for each in processes if each.hidden]
    if not closed:
        return None
    return Said(
        f"进程 {closed[0].pid} 不允许查看，请用 sudo 运行",
        f"process {closed[0].pid} may not be looked at ({closed[0].hidden}); run this with sudo",
    )


def _is_log(fd: int, path: str) -> bool:
    return fd in {1, 2} and path.startswith("/") and not path.startswith("/dev/")


def _is_setup(strange: str, port: int) -> bool:
    return strange.startswith("listens") and strange.endswith(f":{port}")


def _same(text: str) -> Said:
    return Said(text, text)
