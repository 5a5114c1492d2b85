"""A PostgreSQL cluster of its own for tests and measurements. Never for production.

It listens on a socket in a temporary folder, not on the network, and is gone afterwards.
"""

import getpass
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from evaluation.errors import StoreError

START_TIMEOUT_S = 30.0
POLL_S = 0.02
_UNPRIVILEGED = ("postgres", "nobody")
_INSTALLED = "/usr/lib/postgresql"


def binaries() -> Path | None:
    """Return the folder of the newest PostgreSQL server on this machine; None without one."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    # Debian puts them where no PATH looks.
    folders = Path(_INSTALLED).glob("*/bin/initdb")
    return max(
        (path.parent for path in folders), key=lambda p: _number(p.parent.name), default=None
    )


class LabDatabase:
    """A cluster in a child process. After `stop` or `kill`, `start` brings it up again."""

    def __init__(self, *, durable: bool = False, settings: Sequence[str] = ()) -> None:
        """Make an empty cluster. durable: whether a commit is a commit, for measurements.

        settings: of the server, e.g. `commit_delay=1000`.
        Raises StoreError when there is no PostgreSQL here.
        """
        folder = binaries()
        if folder is None:
            raise StoreError("there is no PostgreSQL on this machine; e.g. apt install postgresql")
        self._bin = folder
        self._durable = durable
        self._settings = [word for setting in settings for word in ("-c", setting)]
        self._user = _unprivileged()
        self._process: subprocess.Popen[bytes] | None = None
        self._names = 0
        # Short, because the path of a socket must be.
        self._folder = Path(tempfile.mkdtemp(prefix="lab-pg-", dir="/tmp"))
        self.log = self._folder / "log"
        """What the server says."""
        try:
            if self._user != getpass.getuser():
                shutil.chown(self._folder, self._user)
            arguments = ["-D", "data", "-A", "trust", "-U", "lab", "-E", "UTF8", "--no-locale"]
            self._run("initdb", *arguments, *([] if durable else ["--no-sync"]))
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    @property
    def pid(self) -> int | None:
        """The server's process, for measurements; None while it is stopped."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it and wait until it takes connections; idempotent. Raises StoreError."""
        if self._process is not None:
            return
        options = ["-D", "data", "-k", str(self._folder), "-h", "", *self._settings]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [str(self._bin / "postgres"), *options, *([] if self._durable else ["-F"])],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                **self._as_user(),
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise StoreError("the temporary PostgreSQL did not start")
            time.sleep(POLL_S)

    def new_database(self) -> str:
        """Make an empty database; return its URL."""
        self._names += 1
        name = f"lab_{self._names}"
        self._run("createdb", "-h", str(self._folder), "-U", "lab", "-T", "template0", name)
        return f"postgresql://lab@/{name}?host={self._folder}"

    def stop(self) -> None:
        """Stop it in order, ending every connection; idempotent."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it as a power cut does, except that the disk keeps what it was given; idempotent."""
        self._end(signal.SIGQUIT)

    def crash(self) -> None:
        """End all of its processes at one moment with SIGKILL; idempotent.

        None of them can tidy up, write what it holds, or see another one die.
        """
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGSTOP)  # so that it starts no more
        _wait_until(lambda: _stat(process.pid)[0] in "TZ")
        children = [pid for pid in _pids() if _stat(pid)[1] == process.pid]
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.kill()
        process.wait(START_TIMEOUT_S)
        # Their memory is shared, and a new server refuses to start beside one that still uses it.
        _wait_until(lambda: all(_stat(pid)[0] in "ZX" for pid in children))

    def __enter__(self) -> "LabDatabase":
        """Start it."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it and remove everything."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(START_TIMEOUT_S)

    def _is_ready(self) -> bool:
        done = subprocess.run(  # noqa: S603
            [str(self._bin / "pg_isready"), "-q", "-h", str(self._folder)], check=False
        )
        return done.returncode == 0

    def _run(self, name: str, *arguments: str) -> None:
        done = subprocess.run(  # noqa: S603
            [str(self._bin / name), *arguments],
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
            **self._as_user(),
        )
        if done.returncode:
            raise StoreError(f"{name} failed: {' '.join(done.stderr.split())}")

    def _as_user(self) -> dict[str, Any]:
        # PostgreSQL refuses to run as root.
        if self._user == getpass.getuser():
            return {}
        entry = pwd.getpwnam(self._user)
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _stat(pid: int) -> tuple[str, int]:
    """Return the state of a process and its parent, see proc(5); X and 0 when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return "X", 0
    state, parent, *_ = text.rpartition(")")[2].split()
    return state, int(parent)


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not is_so():
        if time.monotonic() > deadline:
            raise StoreError("the temporary PostgreSQL does not end")
        time.sleep(POLL_S)


def _unprivileged() -> str:
    if os.geteuid() != 0:
        return getpass.getuser()
    known = {entry.pw_name for entry in pwd.getpwall()}
    for name in _UNPRIVILEGED:
        if name in known:
            return name
    raise StoreError("PostgreSQL does not run as root, and there is no other user here")


def _number(name: str) -> int:
    return int(name) if name.isdigit() else 0
