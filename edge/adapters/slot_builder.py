"""A slot: a virtual environment made offline from wheels with known hashes, and its self-test.

pip runs as root but nothing of a wheel does: no source packages, nothing is built. What the new
version does first, it does as the service's user.
"""

import json
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from edge.adapters.update_place import STAMP, Place
from edge.updating.manifest import Manifest
from edge.updating.words import Code, refusal

USER = "lobbycount"
ROOM_BYTES = 450 * 10**6
"""Measured: a slot takes 424 MB."""
_INSTALL_LIMIT_S = 1800.0
_TEST_LIMIT_S = 300.0
_SHOWN = 600


def build(place: Place, slot: str, manifest: Manifest, wheels: Path) -> None:
    """Make a slot of the wheels in a folder, without its stamp. Raises UpdateError, OSError."""
    home = place.home / slot
    shutil.rmtree(home, ignore_errors=True)
    scratch = place.home / "tmp"  # not /tmp, which may be in memory and too small
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    requirements = place.own / "requirements.txt"
    requirements.write_text(manifest.requirements(), "utf-8")
    python = Path(sys.base_prefix) / "bin" / f"python{manifest.python}"
    pip = [str(home / "bin/python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    options = ["--no-index", "--no-deps", "--no-cache-dir", "--only-binary", ":all:"]
    options += ["--require-hashes", "--find-links", str(wheels), "-r", str(requirements)]
    try:
        _install(scratch, str(python), "-m", "venv", str(home))
        _install(scratch, *pip, "install", "-q", *options)
        _install(scratch, *pip, "check")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        requirements.unlink(missing_ok=True)


def stamp(place: Place, slot: str, manifest: Manifest) -> None:
    """Say that a slot is whole, as scripts/install does; all of it is on the disk then."""
    os.sync()
    with (place.home / slot / STAMP).open("w", encoding="ascii") as file:
        file.write(f"{manifest.source} {manifest.python}")
        file.flush()
        os.fsync(file.fileno())
    os.sync()


def self_test(place: Place, slot: str, old: str, version: str) -> None:
    """As scripts/install does: version, model, and every config that the old one accepts.

    Raises UpdateError with what was said.
    """
    program = str(place.home / slot / "bin/lobbycount")
    if said := _trouble(program, "version"):
        raise refusal(Code.SELF_TEST, what=said)
    told = as_service(program, "version").stdout.split()
    if told[-1:] != [version]:
        raise refusal(Code.SELF_TEST, what=f"it says that it is {' '.join(told)}, not {version}")
    if said := _trouble(program, "models", "verify"):
        raise refusal(Code.SELF_TEST, what=said)
    before = str(place.home / old / "bin/lobbycount")
    for path in sorted(place.settings.glob("*.yaml")):
        # What the old version refuses as well is no reason to keep it.
        if _trouble(before, "check", str(path)):
            continue
        if said := _trouble(program, "check", str(path)):
            raise refusal(Code.SELF_TEST, what=said)


def health(place: Place, slot: str, stem: str) -> dict[str, Any]:
    """Return what `lobbycount health` says of a running service; nothing where it says nothing."""
    program, config = place.home / slot / "bin/lobbycount", place.settings / f"{stem}.yaml"
    done = as_service(str(program), "health", "--json", "--config", str(config))
    try:
        said = json.loads(done.stdout)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def as_service(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a program as the service's user, where this is root and there is such a user."""
    identity: dict[str, Any] = {}
    if os.geteuid() == 0:
        try:
            user = pwd.getpwnam(USER)
        except KeyError:
            pass
        else:
            groups = os.getgrouplist(USER, user.pw_gid)
            identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": groups}
    try:
        return subprocess.run(  # noqa: S603
            command,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=_TEST_LIMIT_S,
            check=False,
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent"},
            **identity,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


def _trouble(*command: str) -> str:
    """Return what a command said that failed; nothing when it did not."""
    done = as_service(*command)
    return "" if done.returncode == 0 else _last(done.stderr or done.stdout) or "it failed"


def _install(scratch: Path, *command: str) -> None:
    done = subprocess.run(  # noqa: S603
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=_INSTALL_LIMIT_S,
        check=False,
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TMPDIR": str(scratch)},
    )
    if done.returncode == 0:
        return
    if "no space left" in done.stdout.lower():
        free = shutil.disk_usage(scratch).free
        raise refusal(Code.NO_ROOM, what=round(ROOM_BYTES / 1e6), here=round(free / 1e6))
    raise refusal(Code.INSTALL, what=_last(done.stdout))


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-3:])[-_SHOWN:]
