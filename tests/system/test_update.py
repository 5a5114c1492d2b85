"""Updates with real files, links and virtual environments, under a folder and without services.

The program in the bundles is a small one that answers what is asked of a new version; real
versions under a real systemd are in tests/install/test_update.py.
"""

import hashlib
import io
import json
import os
import platform
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from typer.testing import CliRunner

from edge import __version__
from edge.adapters.confirmation_note import ConfirmationNote
from edge.adapters.device_key import DeviceKey
from edge.adapters.drop_folder import DropFolder
from edge.adapters.health import HealthReport
from edge.adapters.update_keys import trusted_keys
from edge.adapters.update_place import Place, only_one
from edge.adapters.update_trial_file import highest_confirmed, read_trial, write_trial
from edge.errors import BadInputError, BusyError, UpdateError
from edge.update_cli import update
from edge.update_usb import RESULT_FILE, from_stick
from edge.update_verb import apply_file, last_report, revert, run_updates
from edge.updating.bundle import sign, write_bundle
from edge.updating.confirmation import Expected
from edge.updating.manifest import Manifest, Wheel, manifest_bytes
from edge.updating.slots import Stage, Trial

PROGRAM = """
import sys
def main():
    if sys.argv[1] == "version":
        print("lobbycount", "{version}")
    if "{bad}" and sys.argv[1] == "{bad}":
        sys.exit("it is broken")
"""
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def builder(*words, folder="."):
    command = [sys.executable, "scripts/bundle.py", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    folder = tmp_path_factory.mktemp("key")
    done = builder("key", "--no-passphrase", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def place(tmp_path, key):
    """A device with one slot, in which the version of this source tree answers."""
    place = Place(tmp_path / "device")
    program = place.home / "a/bin/lobbycount"
    for folder in (program.parent, place.keys, place.drop, place.settings):
        folder.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho lobbycount {__version__}\n", "ascii")
    program.chmod(0o755)
    (place.home / "a/.source").write_text("of the installer", "ascii")
    place.point("current", "a")
    (place.keys / "ours.pem").write_bytes((key / "update-key.pem").read_bytes())
    return place


def wheel(version, bad=""):
    """Return a wheel of a program that has this version, and fails at one verb."""
    info, out = f"lobbycount-{version}.dist-info", io.BytesIO()
    files = {
        "program.py": PROGRAM.format(version=version, bad=bad),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: lobbycount\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nlobbycount = program:main\n",
    }
    record = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in (files | {f"{info}/RECORD": record}).items():
            archive.writestr(name, text)
    return out.getvalue()


def bundle(key, version="9.0.0", bad="", carried=True):
    content = wheel(version, bad)
    name, digest = f"lobbycount-{version}-py3-none-any.whl", hashlib.sha256(content).hexdigest()
    wheels = [Wheel(name, len(content), digest, carried)]
    machine, built = platform.machine(), "2026-11-27T20:00:00Z"
    manifest = Manifest(version, "0.1.0", built, machine, PYTHON, "0" * 16, 3, wheels)
    private = load_pem_private_key((key / "update-key.private").read_bytes(), None)
    out, said = io.BytesIO(), manifest_bytes(manifest)
    carries = [(wheels[0], [content])] if carried else []
    write_bundle(out, said, sign(said, DeviceKey(private)), carries)
    return out.getvalue()


def drop(place, content):
    (place.drop / "incoming.lcu").write_bytes(content)


def links(place):
    return [place.slot_of(name) for name in ("current", "confirmed")]


def test_a_bundle_in_the_drop_folder_is_installed_and_an_older_one_refused(place, key):
    content = bundle(key)
    drop(place, content)
    told = []
    run_updates(place, 10, lambda report: told.append(str(report.state)))
    assert told == ["verifying", "installing", "trial", "applied"]
    report = last_report(place)
    assert (report.version, report.wanted) == ("9.0.0", "9.0.0")
    assert report.bundle == hashlib.sha256(content).hexdigest()
    assert links(place) == ["b", "b"]
    assert (place.home / "b/.source").read_text("ascii") == f"{'0' * 16} {PYTHON}"
    program = [str(place.home / "current/bin/lobbycount"), "version"]
    assert subprocess.run(program, capture_output=True, check=True).stdout == b"lobbycount 9.0.0\n"
    assert [path.name for path in place.wheels.iterdir()] == ["lobbycount-9.0.0-py3-none-any.whl"]
    left = {"confirmed.json"}
    assert {path.name for path in place.own.iterdir()} == left
    assert [path.name for path in place.drop.iterdir()] == ["report.json"]
    # The same again, taken back by hand; what worked here does not come back by itself.
    revert(place, 10)
    assert links(place) == ["a", "a"]
    assert last_report(place).reason == "by_hand"
    drop(place, content)
    run_updates(place, 10)
    assert last_report(place).reason == "downgrade"
    assert highest_confirmed(place.own, __version__) == "9.0.0"


def test_what_is_known_to_work_can_be_gone_back_to_without_a_stamp(place):
    """Somebody installed it by hand: on trial of another version it is still the way back."""
    (place.home / "a/.source").unlink()
    assert place.whole() == {"a"}
    place.point("confirmed", "a")
    place.point("current", "b")
    assert place.whole() == {"a"}
    (place.home / "a/bin/lobbycount").unlink()
    assert place.whole() == frozenset()


def test_a_version_that_fails_its_self_test_changes_nothing(place, key):
    (place.settings / "lobby.yaml").write_text("of the operator", "ascii")
    drop(place, bundle(key, bad="check"))
    run_updates(place, 10)
    report = last_report(place)
    assert (report.state, report.reason) == ("refused", "self_test")
    assert "it is broken" in report.en
    assert (report.version, report.wanted) == (__version__, "9.0.0")
    assert links(place)[0] == "a"
    assert list(place.own.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda content, key: content[:-600] + b"\1" + content[-599:], "tampered"),
        (lambda content, key: b"hello", "not_a_bundle"),
        (lambda content, key: bundle(key, "0.0.1"), "downgrade"),
        (lambda content, key: bundle(key, __version__), "not_newer"),
        (lambda content, key: bundle(key, carried=False), "wheels_missing"),
    ],
)
def test_what_is_refused_is_told_and_gone(place, key, change, reason):
    drop(place, change(bundle(key), key))
    before = sorted(place.home.glob("a/**/*"))
    run_updates(place, 10)
    assert (last_report(place).state, last_report(place).reason) == ("refused", reason)
    assert links(place)[0] == "a"
    assert sorted(place.home.glob("a/**/*")) == before
    assert not (place.home / "b").exists()
    assert list(place.own.iterdir()) == []
    assert not (place.drop / "incoming.lcu").exists()


def test_without_a_key_there_are_no_updates(place, key):
    (place.keys / "ours.pem").unlink()
    drop(place, bundle(key))
    run_updates(place, 10)
    assert last_report(place).reason == "no_keys"


def test_a_key_that_others_may_change_is_not_trusted(place):
    assert len(trusted_keys(place.keys)) == 1
    (place.keys / "ours.pem").chmod(0o666)
    assert trusted_keys(place.keys) == {}
    (place.keys / "ours.pem").chmod(0o644)
    place.keys.chmod(0o777)
    assert trusted_keys(place.keys) == {}


def test_a_link_in_the_drop_folder_is_not_followed(place, key, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(bundle(key))
    (place.drop / "incoming.lcu").symlink_to(secret)
    run_updates(place, 10)
    assert last_report(place).reason == "not_a_bundle"
    assert secret.exists()
    assert not os.path.lexists(place.drop / "incoming.lcu")


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_what_is_no_file_is_removed(place, make):
    make(place.drop / "incoming.lcu")
    run_updates(place, 10)
    assert last_report(place).reason == "not_a_bundle"


def test_a_drop_folder_that_is_a_link_is_not_written_to(place, tmp_path):
    elsewhere = tmp_path / "etc"
    place.drop.rmdir()
    elsewhere.mkdir()
    place.drop.symlink_to(elsewhere)
    with pytest.raises(OSError, match="Not a directory"):
        DropFolder(place.drop).write("report.json", b"{}")
    assert list(elsewhere.iterdir()) == []


def test_a_report_that_is_a_link_is_replaced_and_not_followed(place, tmp_path):
    target = tmp_path / "target"
    target.write_text("root's", "ascii")
    for name in ("report.json", "report.json.new", "report.json.new-by-root"):
        (place.drop / name).symlink_to(target)
    DropFolder(place.drop).write("report.json", b"{}")
    assert target.read_text("ascii") == "root's"
    assert (place.drop / "report.json").read_bytes() == b"{}"


def test_one_at_a_time(place, key, tmp_path):
    file = tmp_path / "file.lcu"
    file.write_bytes(bundle(key))
    with only_one(place) as is_mine:
        assert is_mine
        with pytest.raises(BusyError):
            run_updates(place, 10)
        with pytest.raises(BusyError):
            apply_file(place, file, 10, lambda _: None)
    assert not place.taken.exists()


def test_going_back_needs_something_to_go_back_to(place):
    with pytest.raises(BadInputError, match="no version to go back to"):
        revert(place, 10)


def test_a_stick_has_the_newest_taken_and_says_how_it_went(place, key, tmp_path):
    stick = tmp_path / "stick"
    stick.mkdir()
    assert from_stick(stick, place, 10) is None
    assert list(stick.iterdir()) == []  # somebody's own
    (stick / "lobbycount-old.lcu").write_bytes(bundle(key, "0.0.1"))
    (stick / "lobbycount-no.lcu").write_bytes(b"no")
    (stick / "lobbycount-link.lcu").symlink_to("/etc/passwd")
    from_stick(stick, place, 10)
    said = (stick / RESULT_FILE).read_bytes().decode("utf-8-sig")
    assert "lobbycount-old.lcu: 版本 0.0.1 低于" in said
    assert "lobbycount-no.lcu: 不是升级包" in said
    assert "link" not in said
    assert not (place.drop / "report.json").exists()
    (stick / "lobbycount-8.lcu").write_bytes(bundle(key, "8.0.0", carried=False))
    (stick / "lobbycount-7.lcu").write_bytes(bundle(key, "7.0.0"))
    from_stick(stick, place, 10)
    said = (stick / RESULT_FILE).read_bytes().decode("utf-8-sig")
    assert "lobbycount-8.lcu: 这个升级包不含本机缺少的软件包" in said
    assert f"version in use: {__version__}" in said


@pytest.fixture
def as_device(tmp_path):
    """Return what makes a block device of a folder; it is gone after the test."""
    devices = []

    def make(folder):
        image = tmp_path / "stick.img"
        subprocess.run(
            ["/sbin/mke2fs", "-q", "-t", "ext4", "-d", str(folder), str(image), "8M"], check=True
        )
        found = subprocess.run(
            ["/sbin/losetup", "--find", "--show", str(image)],
            capture_output=True,
            text=True,
            check=False,
        )
        if found.returncode:
            pytest.skip("no loop devices here")
        devices.append(found.stdout.strip())
        return Path(devices[-1])

    yield make
    for device in devices:
        subprocess.run(["/sbin/losetup", "--detach", device], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.skipif(not Path("/sbin/mke2fs").exists(), reason="needs e2fsprogs")
def test_a_stick_is_mounted_and_left_with_the_result_on_it(place, key, tmp_path, as_device):
    stick = tmp_path / "stick"
    stick.mkdir()
    (stick / "lobbycount-old.lcu").write_bytes(bundle(key, "0.0.1"))
    device = as_device(stick)
    said = from_stick(device, place, 10)
    assert "版本 0.0.1 低于" in said
    assert str(device) not in Path("/proc/self/mounts").read_text("utf-8")
    image = str(tmp_path / "stick.img")
    shown = subprocess.run(
        ["/sbin/debugfs", "-R", f"cat {RESULT_FILE}", image], capture_output=True, check=True
    )
    assert shown.stdout.decode("utf-8-sig").replace("\r\n", "\n") == said


def test_a_stick_that_cannot_be_mounted_is_told(place, tmp_path):
    nothing = tmp_path / "nothing"
    nothing.write_bytes(bytes(4096))
    with pytest.raises(BadInputError, match="FAT32"):
        from_stick(nothing, place, 10)


REPORT = HealthReport(
    "2026-11-27T20:00:00Z", os.getpid(), 10, 10.0, 5.0, 0, "ok", 0, 0, "synced", False, None,
    "not connected", None, 100.0, 1000.0, None,
)  # fmt: skip


def test_the_service_says_once_that_it_works(place):
    place.own.mkdir()
    expected = {"lobbycount.service": Expected(pictures=False, broker=False)}
    trial = Trial("b", "a", __version__, "b" * 64, Stage.RUNNING, services=expected)
    write_trial(place.own, trial)
    assert read_trial(place.own) == trial
    note = ConfirmationNote(__version__, Path("/etc/lobbycount/lobby.yaml"), place, steady_s=0.0)
    other = ConfirmationNote(__version__, Path("/etc/lobbycount/front.yaml"), place, steady_s=0.0)
    assert list(place.drop.iterdir()) == []
    note(REPORT)
    other(REPORT)  # of which more is expected: the broker
    said = json.loads((place.drop / "confirm.json").read_text("utf-8"))
    assert (said["version"], said["pid"]) == (__version__, os.getpid())
    assert time.strptime(said["at"], "%Y-%m-%dT%H:%M:%SZ")
    assert [path.name for path in place.drop.iterdir()] == ["confirm.json"]


def test_a_trial_that_makes_no_sense_is_none(place):
    place.own.mkdir()
    for text in ("", "[]", "{}", '{"services": 1}', '{"services": {}, "stage": "?"}'):
        (place.own / "trial.json").write_text(text, "ascii")
        assert read_trial(place.own) is None


def test_the_builder_keeps_its_keys_and_says_what_it_wants(tmp_path, key):
    again = builder("key", "--no-passphrase", key)
    assert again.returncode == 1
    assert "is there already" in again.stderr
    assert (key / "update-key.private").stat().st_mode & 0o777 == 0o600
    words = ["scripts/bundle.py", "key", str(tmp_path / "locked")]
    short = subprocess.run(
        [sys.executable, *words], input="short\n", capture_output=True, text=True, check=False
    )
    assert "at least 8 characters" in short.stderr
    made = subprocess.run(
        [sys.executable, *words], input="long enough\n", capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    private = (tmp_path / "locked/update-key.private").read_bytes()
    assert b"ENCRYPTED" in private
    with pytest.raises(TypeError):
        load_pem_private_key(private, None)


def test_inspecting_says_what_a_bundle_is(place, key, tmp_path):
    file = tmp_path / "file.lcu"
    file.write_bytes(bundle(key))
    words = ["inspect", str(file), "--root", str(place.root)]
    done = CliRunner().invoke(update, words)
    assert done.exit_code == 0, done.output
    assert "lobbycount 9.0.0" in done.output
    assert "it can be applied" in done.output
    file.write_bytes(bundle(key)[:-1])
    assert CliRunner().invoke(update, words).exception.code == "tampered"


def test_a_refusal_is_an_error_of_what_was_given():
    assert issubclass(UpdateError, BadInputError)
