"""A small Debian of its own in a folder: what is in it, and commands that run in it."""

import hashlib
import os
import re
import shutil
import signal
import stat
import subprocess
from contextlib import contextmanager
from pathlib import Path

SUITE = "bookworm"
SOURCE = "/srv/lobbycount"
LIMIT_S = 400.0
ENTER = """
mount --make-rprivate / && mount -t proc proc "$1/proc" && mount --bind /dev "$1/dev" &&
mount --bind -o ro "$2" "$1$3" && exec chroot "$1" "${@:4}"
"""
# Caches and logs of Debian's own tools, and what passwd(5) was one change ago.
LEFT_OUT = {"dev", "proc", "run", "sys", "srv", "tmp", "var/cache", "var/lib/apt", "var/lib/dpkg"}
LEFT_OUT |= {"var/log", "root", "etc/ld.so.cache"}
LEFT_OUT |= {f"etc/{name}-" for name in ("passwd", "shadow", "group", "gshadow")}


def mirror():
    """Return where this machine's Debian packages come from; None for debootstrap's default."""
    folder = Path("/etc/apt")
    for path in [folder / "sources.list", *sorted(folder.glob("sources.list.d/*"))]:
        words = path.read_text("utf-8").split() if path.is_file() else []
        for word in words:
            if word.startswith("http") and word.rstrip("/").endswith("/debian"):
                return [word]
    return []


class PowerCutError(Exception):
    """Raised while it is booted: the power is gone."""


class DebianRoot:
    """A root folder with a Debian in it; every command gets mounts that end with it."""

    def __init__(self, folder):
        self.folder = folder
        more = "--include=systemd,systemd-sysv,dbus"  # it is not running, only booted() starts it
        command = ["debootstrap", "--variant=minbase", more, SUITE, str(folder), *mirror()]
        subprocess.run(command, check=True, capture_output=True, timeout=LIMIT_S)
        (folder / SOURCE.lstrip("/")).mkdir()
        self._environment = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        self._environment |= {"LANG": "C.UTF-8"}
        self._use_the_index_of_this_machine()

    def _use_the_index_of_this_machine(self):
        names = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "http_proxy", "https_proxy", "no_proxy")
        self._environment |= {name: os.environ[name] for name in names if name in os.environ}
        certificates = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
        if certificates:
            shutil.copy(certificates, self.folder / "srv/ca.pem")
            self._environment["PIP_CERT"] = "/srv/ca.pem"

    def run(self, *command, source=Path(), before=(), **options):
        """Run a command in it, with the source tree at SOURCE; `before` runs it, e.g. unshare."""
        enter = [*before, "unshare", "--mount", "bash", "-c", ENTER, "bash"]
        paths = [str(self.folder), str(source.absolute()), SOURCE]
        inside = ["env", "-i", *self._variables(), *command]
        return subprocess.run(
            [*enter, *paths, *inside],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=LIMIT_S,
            **options,
        )

    def as_service(self, *command, **how):
        """Run a command as the service's user, away from folders that it may not enter."""
        line = 'cd / && exec runuser -u lobbycount -- "$@"'
        return self.run("bash", "-c", line, "bash", *command, **how)

    @contextmanager
    def booted(self, source, *more):
        """Boot its systemd, with the source tree at SOURCE; yields what runs a command in there.

        more: options of systemd-nspawn. Raise PowerCutError in it to cut the power.
        """
        options = ["-b", "-q", "--register=no", "--keep-unit", "--resolv-conf=off"]
        bind = f"--bind-ro={Path(source).absolute()}:{SOURCE}"
        nspawn = subprocess.Popen(
            ["systemd-nspawn", "-D", str(self.folder), *options, *more, bind],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

        def inside(*command):
            enter = ["nsenter", "-t", str(first_of(nspawn.pid)), "-m", "-u", "-i", "-n", "-p"]
            line = [*enter, "env", "-i", *self._variables(), *command]
            return subprocess.run(
                line, check=False, capture_output=True, text=True, timeout=LIMIT_S
            )

        try:
            yield inside
        except PowerCutError:
            # Its first process takes everything in there with it; without nspawn it would go on.
            os.kill(first_of(nspawn.pid), signal.SIGKILL)
            nspawn.wait(60)
        finally:
            nspawn.terminate()  # powers off
            try:
                nspawn.wait(60)
            except subprocess.TimeoutExpired:
                nspawn.kill()
                nspawn.wait()

    def _variables(self):
        return [f"{name}={value}" for name, value in self._environment.items()]

    def install(self, *options, **how):
        return self.run(f"{SOURCE}/scripts/install", *options, **how)

    def listing(self):
        """Return every path with its mode, owner and content."""
        found = {}
        for top, folders, files in os.walk(self.folder):
            here = Path(top).relative_to(self.folder)
            folders[:] = [name for name in folders if str(here / name) not in LEFT_OUT]
            for name in [*folders, *files]:
                if str(here / name) not in LEFT_OUT:
                    found[str(here / name)] = self._entry(here / name)
        return found

    def _entry(self, path):
        path = self.folder / path
        state = path.lstat()
        content = ""
        if path.is_symlink():
            content = str(path.readlink())
        elif stat.S_ISREG(state.st_mode):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        return f"{stat.filemode(state.st_mode)} {state.st_uid}:{state.st_gid} {content}"


def first_of(nspawn):
    """Return the process that is number 1 in there; 0 while there is none."""
    children = Path(f"/proc/{nspawn}/task/{nspawn}/children").read_text("ascii").split()
    for child in children:
        status = Path(f"/proc/{child}/status").read_text("ascii")
        if re.search(r"^NSpid:.*\s1$", status, re.MULTILINE):
            return int(child)
    return 0


def difference(before, after):
    """Return the paths that are in one only, or are not the same."""
    return sorted(path for path in before | after if before.get(path) != after.get(path))
