"""scripts/install for real, in a Debian made for it: `scripts/test --install tests/install`.

As root, with debootstrap and systemd-container; mostly Debian's and pip's time: eight minutes
on two cores that seven others share.
"""

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.install.debian_root import SOURCE, DebianRoot, difference

pytestmark = [
    pytest.mark.install,
    pytest.mark.skipif(os.geteuid() != 0, reason="a chroot needs root"),
    pytest.mark.skipif(shutil.which("debootstrap") is None, reason="apt install debootstrap"),
]
DATA = {"etc/lobbycount", "etc/lobbycount/lobby.yaml", "var/lib/lobbycount"}
CLIP = f"{SOURCE}/tests/data/vtest.mp4"
CONFIG = """
device: {tenant: t, id: installed, clock: rtc}   # the operator's words
camera: {source: /usr/share/vtest.mp4, fps: 10}
lines: [{id: door, points: [[0.52, 0.32], [0.52, 0.70]], in: right}]
records: {data_dir: /var/lib/lobbycount}
mqtt: {host: 127.0.0.1, port: 1, insecure_lab: true}
"""
WAIT_S = 60.0


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return DebianRoot(tmp_path_factory.mktemp("clean") / "root")


@pytest.fixture(scope="module")
def device(clean):
    """The same root with an operator's config in it and the wheels fetched."""
    (clean.folder / "srv/given.yaml").write_text(CONFIG, "utf-8")
    shutil.copy("tests/data/vtest.mp4", clean.folder / "usr/share")
    done = clean.install("--config", "/srv/given.yaml")
    assert done.returncode == 0, done.stdout
    fetched = clean.install("--fetch", "/srv/wheels")
    assert fetched.returncode == 0, fetched.stdout
    return clean


def another(folder, version, file=None, text=""):
    """Return a copy of the source tree with another version, and with a mistake in one file."""
    ignored = shutil.ignore_patterns(".*", "out", "__pycache__")
    shutil.copytree(Path(), folder, ignore=ignored)
    where = folder / "edge/__init__.py"
    where.write_text(where.read_text("utf-8").replace('"0.1.0"', f'"{version}"'), "utf-8")
    if file:
        path = folder / file
        path.write_text(path.read_text("utf-8") + text, "utf-8")
    return folder


def version_of(root):
    return root.as_service("lobbycount", "version").stdout.split()[-1]


def slots(root):
    return {path.name for path in (root.folder / "opt/lobbycount").iterdir()}


def test_twice_and_away_leaves_nothing_but_data(clean):
    before = clean.listing()
    first = clean.install()
    assert first.returncode == 0, first.stdout
    once = clean.listing()
    again = clean.install()
    assert again.returncode == 0, again.stdout
    assert "nothing to change" in again.stdout
    assert difference(once, clean.listing()) == []
    checked = clean.as_service("lobbycount", "check", "/etc/lobbycount/lobby.yaml")
    assert checked.returncode == 0, checked.stdout
    options = ("--config", f"{SOURCE}/config/demo.yaml", "--json")
    counted = clean.as_service("lobbycount", "replay", CLIP, *options)
    assert {line["line"]: (line["in"], line["out"]) for line in lines_of(counted.stdout)} == {
        "west": (9, 12),
        "middle": (16, 11),
        "east": (15, 13),
    }
    gone = clean.install("--uninstall")
    assert gone.returncode == 0, gone.stdout
    assert set(difference(before, clean.listing())) == DATA
    assert "Not installed" in clean.install("--uninstall").stdout
    refused = clean.install("--uninstall", "--purge")
    assert refused.returncode == 1
    assert "--yes" in refused.stdout
    assert clean.install("--uninstall", "--purge", "--yes").returncode == 0
    assert difference(before, clean.listing()) == []


def lines_of(text):
    return json.loads(text)["records"]


def test_an_upgrade_keeps_config_and_data(device, tmp_path):
    config = device.folder / "etc/lobbycount/lobby.yaml"
    assert config.read_text("utf-8") == CONFIG
    config.write_text(CONFIG + "# and of today\n", "utf-8")
    record = device.folder / "var/lib/lobbycount/record"
    record.write_text("of yesterday", "utf-8")
    # Nothing is fetched: without network the packages come from the folder.
    options = ("--offline", "/srv/wheels", "--config", "/srv/given.yaml")
    tree = another(tmp_path / "next", "0.2.0")
    done = device.install(*options, source=tree, before=["unshare", "--net"])
    assert done.returncode == 0, done.stdout
    assert version_of(device) == "0.2.0"
    assert "stays as it is" in done.stdout
    assert config.read_text("utf-8") == CONFIG + "# and of today\n"
    assert record.read_text("utf-8") == "of yesterday"
    assert slots(device) == {"b", "bin", "confirmed", "current", "debian-packages"}


def test_a_version_that_fails_its_self_test_is_not_put_to_use(device, tmp_path):
    before, version = device.listing(), version_of(device)
    tree = another(tmp_path / "bad", "0.3.0", "edge/adapters/detector_onnx.py", "raise OSError\n")
    done = device.install("--offline", "/srv/wheels", source=tree)
    assert done.returncode == 1
    assert "failed its self-test" in done.stdout
    assert "stays in use" in done.stdout
    assert difference(before, device.listing()) == []
    assert version_of(device) == version


@pytest.mark.parametrize(
    ("options", "before", "said"),
    [
        ((), ["unshare", "--net"], "Check the network"),
        (("--offline", "/srv"), [], "lacks a package"),
    ],
    ids=["no network", "no wheels"],
)
def test_what_cannot_be_fetched_changes_nothing(device, tmp_path, options, before, said):
    there = device.listing()
    done = device.install(*options, source=another(tmp_path / "next", "0.2.1"), before=before)
    assert done.returncode == 1
    assert said in done.stdout
    assert difference(there, device.listing()) == []


def test_a_full_disk_is_said_with_what_is_needed(device, tmp_path):
    small = device.folder / "opt"
    line = f'mount -t tmpfs -o size=50m none {small} && exec "$@"'
    before = ["unshare", "--mount", "bash", "-c", line, "bash"]
    done = device.install(source=another(tmp_path / "next", "0.2.1"), before=before)
    assert done.returncode == 1
    assert "600 MB are needed" in done.stdout


def test_a_package_with_another_hash_is_not_installed(device, tmp_path):
    there = device.listing()
    tree = another(tmp_path / "next", "0.2.1")
    lock = tree / "requirements.lock"
    lock.write_text(re.sub("sha256:[0-9a-f]{64}", "sha256:" + "0" * 64, lock.read_text("utf-8")))
    done = device.install("--offline", "/srv/wheels", source=tree)
    assert done.returncode == 1
    assert "not the one in requirements.lock" in done.stdout
    assert difference(there, device.listing()) == []


@pytest.mark.skipif(shutil.which("systemd-nspawn") is None, reason="apt install systemd-container")
def test_a_running_service_gets_the_version_before_when_the_new_one_does_not_start(
    device, tmp_path
):
    dead = "\n\ndef run_device(*_args: object, **_options: object) -> None:\n    raise OSError\n"
    tree = another(tmp_path / "bad", "0.4.0", "edge/app.py", dead)
    with (tree / "config/systemd/lobbycount.service").open("a", encoding="utf-8") as unit:
        unit.write("# of a version that does not start\n")
    with device.booted(tree) as inside:
        assert until(lambda: counts(inside)), inside("journalctl", "-u", "lobbycount").stdout
        seen = inside("systemd-analyze", "security", "--threshold=20", "lobbycount")
        assert seen.returncode == 0, seen.stdout
        before = inside("lobbycount", "version").stdout
        unit = device.folder / "etc/systemd/system/lobbycount.service"
        unit_before = unit.read_text("utf-8")
        done = inside(f"{SOURCE}/scripts/install", "--offline", "/srv/wheels")
        assert done.returncode == 1
        assert "the one before is back" in done.stderr
        assert inside("lobbycount", "version").stdout == before
        assert unit.read_text("utf-8") == unit_before
        assert until(lambda: counts(inside))


def counts(inside):
    """Whether the service runs and has looked at pictures."""
    if inside("systemctl", "is-active", "lobbycount").stdout.strip() != "active":
        return False
    told = inside("runuser", "-u", "lobbycount", "--", "lobbycount", "health", "--json").stdout
    return bool(told) and json.loads(told).get("frames", 0) > 0


def until(condition, limit_s=WAIT_S):
    """Wait for a condition, with a limit."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        try:
            if condition():
                return True
        except (OSError, subprocess.SubprocessError, ValueError):
            pass
        time.sleep(0.5)
    return False
