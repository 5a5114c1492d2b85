"""Updates for real: signed bundles of real versions, in a Debian under a systemd of its own.

`scripts/test --install tests/install/test_update.py`, as root. Mostly pip's time.
"""

import json
import os
import re
import shutil
import subprocess
import sys

import cv2
import pytest

from tests.install.debian_root import DebianRoot, PowerCutError
from tests.install.test_install import CONFIG, another, counts, until

pytestmark = [
    pytest.mark.install,
    pytest.mark.skipif(os.geteuid() != 0, reason="a chroot needs root"),
    pytest.mark.skipif(shutil.which("debootstrap") is None, reason="apt install debootstrap"),
    pytest.mark.skipif(
        shutil.which("systemd-nspawn") is None, reason="apt install systemd-container"
    ),
]
DROP = "/var/lib/lobbycount/update"
WITHIN_S = 150
LIMIT_S = 420.0
DEAD = "\n\ndef run_device(*_args: object, **_options: object) -> None:\n    raise OSError\n"
IDLE = """

def run_device(*_args: object, **_options: object) -> None:
    import socket, time
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
        to.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
    while True:
        time.sleep(1)
"""


def builder(tree, *words):
    command = [sys.executable, "scripts/bundle.py", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(tree), "SOURCE_DATE_EPOCH": "1764201600"}
    done = subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ours", "theirs"):
        builder(".", "key", "--no-passphrase", folder / name)
    return folder


@pytest.fixture(scope="module")
def device(tmp_path_factory, keys):
    """A Debian with 0.1.0 on it, which counts from a clip of four minutes and trusts our key."""
    root = DebianRoot(tmp_path_factory.mktemp("updated") / "root")
    (root.folder / "srv/given.yaml").write_text(CONFIG, "utf-8")
    longer(root.folder / "usr/share/vtest.mp4")
    shutil.copy(keys / "ours/update-key.pem", root.folder / "srv")
    done = root.install("--config", "/srv/given.yaml", "--update-key", "/srv/update-key.pem")
    assert done.returncode == 0, done.stdout
    place = root.folder / "etc/systemd/system/lobbycount-update.service.d/within.conf"
    place.parent.mkdir()
    start = "/opt/lobbycount/confirmed/bin/lobbycount update run --within"
    # These two would show the host's boot id, where the container has one of its own over it.
    more = "ProtectKernelTunables=no\nProtectControlGroups=no\n"
    place.write_text(f"[Service]\nExecStart=\nExecStart={start} {WITHIN_S}\n{more}", "utf-8")
    return root


def longer(path, times=3):
    """Write the bundled clip several times over: a version has to work for a minute."""
    writer = None
    for _ in range(times):
        clip = cv2.VideoCapture("tests/data/vtest.mp4")
        while (picture := clip.read()[1]) is not None:
            if writer is None:
                size = picture.shape[1], picture.shape[0]
                writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, size)
            writer.write(picture)
    writer.release()


@pytest.fixture
def bundle(device, keys, tmp_path):
    """Return what makes a bundle of a version, with a mistake in one file."""

    def make(version, file=None, text="", *options, key="ours"):
        tree = another(tmp_path / version, version, file, text)
        out, private = tmp_path / f"lobbycount-{version}.lcu", keys / key / "update-key.private"
        target = (
            "--platform",
            os.uname().machine,
            "--wheels",
            device.folder / "opt/lobbycount/wheels",
        )
        builder(tree, "build", "--key", private, *target, *options, out)
        return out

    return make


def drop(device, bundle):
    """Put a bundle into the drop folder as the service would."""
    shutil.copy(bundle, device.folder / "srv/incoming.lcu")
    (device.folder / "srv/incoming.lcu").chmod(0o644)
    line = f"cp /srv/incoming.lcu {DROP}/draft && mv {DROP}/draft {DROP}/incoming.lcu"
    return ["runuser", "-u", "lobbycount", "--", "sh", "-c", line]


def report(device):
    path = device.folder / DROP.lstrip("/") / "report.json"
    return json.loads(path.read_text("utf-8"))


def ends(device, wanted, state):
    said = report(device)
    return (said["wanted"], said["state"]) == (wanted, state)


def works(inside, version):
    """Whether this version is in use and the running service is of it and counts."""
    pid = inside("systemctl", "show", "-P", "MainPID", "lobbycount").stdout.strip()
    program = inside("readlink", "-f", f"/proc/{pid}/cwd", f"/proc/{pid}/exe").stdout
    used = inside("lobbycount", "version").stdout.split()[-1:]
    return bool(program) and used == [version] and counts(inside)


def log(inside):
    return inside("journalctl", "--no-pager", "-u", "lobbycount-update", "-u", "lobbycount").stdout


def links(device):
    home = device.folder / "opt/lobbycount"
    return {(home / name).readlink().name for name in ("current", "confirmed")}


def tampered(bundle):
    content = bytearray(bundle.read_bytes())
    content[len(content) // 2] ^= 1
    bundle.write_bytes(content)
    return bundle


def test_a_version_that_works_is_kept_and_what_must_not_come_is_refused(device, bundle):
    """Offered through the drop folder, as over MQTT, with everything in it."""
    good = bundle("0.2.0")
    refused = [
        ("tampered", tampered(bundle("0.2.1"))),
        ("unknown_key", bundle("0.2.2", key="theirs")),
        ("downgrade", bundle("0.1.5")),
        ("not_newer", good),
    ]
    with device.booted(".") as inside:
        assert until(lambda: counts(inside)), log(inside)
        inside(*drop(device, good))
        assert until(lambda: ends(device, "0.2.0", "applied"), LIMIT_S), log(inside)
        assert until(lambda: works(inside, "0.2.0")), log(inside)
        assert links(device) == {"b"}
        said = json.loads(inside("lobbycount", "update", "status", "--json").stdout)
        assert (said["version"], said["highest"], said["trial"]) == ("0.2.0", "0.2.0", None)
        for reason, file in refused:
            inside(*drop(device, file))
            assert until(lambda reason=reason: report(device)["reason"] == reason), log(inside)
            assert report(device)["state"] == "refused"
        assert works(inside, "0.2.0")
        assert links(device) == {"b"}
        unit = inside("systemctl", "show", "-P", "NRestarts", "lobbycount-update").stdout.strip()
        assert unit == "0"


def test_a_thin_bundle_that_starts_and_never_looks_is_taken_back(device, bundle):
    thin = bundle("0.3.0", "edge/app.py", IDLE, "--thin")
    assert thin.stat().st_size < 5e6
    with device.booted(".") as inside:
        assert until(lambda: works(inside, "0.2.0")), log(inside)
        inside(*drop(device, thin))
        assert until(lambda: ends(device, "0.3.0", "trial"), LIMIT_S), log(inside)
        assert until(lambda: ends(device, "0.3.0", "reverted"), LIMIT_S), log(inside)
        assert report(device)["reason"] == "not_confirmed"
        assert until(lambda: works(inside, "0.2.0")), log(inside)
        assert links(device) == {"b"}


def test_a_version_that_does_not_start_is_taken_back(device, bundle):
    dead = bundle("0.4.0", "edge/app.py", DEAD, "--thin")
    with device.booted(".") as inside:
        assert until(lambda: works(inside, "0.2.0")), log(inside)
        inside(*drop(device, dead))
        assert until(lambda: ends(device, "0.4.0", "reverted"), LIMIT_S), log(inside)
        assert report(device)["reason"] == "keeps_failing"
        assert until(lambda: works(inside, "0.2.0")), log(inside)


def test_one_that_fails_its_self_test_is_not_tried(device, bundle):
    bad = bundle("0.5.0", "edge/adapters/detector_onnx.py", "raise OSError\n", "--thin")
    with device.booted(".") as inside:
        assert until(lambda: works(inside, "0.2.0")), log(inside)
        inside(*drop(device, bad))
        assert until(lambda: ends(device, "0.5.0", "refused"), LIMIT_S), log(inside)
        assert report(device)["reason"] == "self_test"
        assert works(inside, "0.2.0")


def test_a_power_cut_while_it_is_installed_and_one_on_trial_end_in_the_new_version(device, bundle):
    thin = bundle("0.6.0", None, "", "--thin")
    home = device.folder / "opt/lobbycount"
    half = home / "a/lib/python3.11/site-packages/numpy"
    assert not half.exists()
    with device.booted(".") as inside:
        assert until(lambda: works(inside, "0.2.0")), log(inside)
        inside(*drop(device, thin))
        assert until(half.exists), log(inside)
        inside("systemctl", "kill", "--signal=KILL", "lobbycount-update")
        assert links(device) == {"b"}
        assert until(lambda: (home / "update/installs").read_text("ascii") == "2"), log(inside)
        assert until(half.exists), log(inside)
        raise PowerCutError
    assert links(device) == {"b"}
    with device.booted(".") as inside:
        assert until(lambda: ends(device, "0.6.0", "trial"), LIMIT_S), log(inside)
        raise PowerCutError
    assert links(device) == {"a", "b"}
    with device.booted(".") as inside:
        assert until(lambda: ends(device, "0.6.0", "applied"), LIMIT_S), log(inside)
        assert until(lambda: works(inside, "0.6.0")), log(inside)
    assert links(device) == {"a"}


def test_starts_of_a_device_on_which_nothing_works_bring_the_version_before_back(device, bundle):
    thin = bundle("0.7.0", "edge/app.py", IDLE, "--thin")
    with device.booted(".") as inside:
        assert until(lambda: works(inside, "0.6.0")), log(inside)
        inside(*drop(device, thin))
        assert until(lambda: ends(device, "0.7.0", "trial"), LIMIT_S), log(inside)
        assert until(lambda: trial(device)["stage"] == "running"), log(inside)
        raise PowerCutError
    with device.booted(".") as inside:
        assert until(lambda: trial(device)["boots_left"] == 1), log(inside)
        raise PowerCutError
    with device.booted(".") as inside:
        assert until(lambda: ends(device, "0.7.0", "reverted")), log(inside)
        assert report(device)["reason"] == "restarts"
        assert until(lambda: works(inside, "0.6.0")), log(inside)


def trial(device):
    return json.loads((device.folder / "opt/lobbycount/update/trial.json").read_text("utf-8"))


def test_a_stick_says_on_itself_how_it_went_and_the_installer_goes_on_from_there(
    device, bundle, tmp_path
):
    stick = device.folder / "srv/stick"
    stick.mkdir()
    shutil.copy(bundle("0.8.0", None, "", "--thin"), stick)
    shutil.copy(bundle("0.1.7", None, "", "--thin"), stick)
    with device.booted(".") as inside:
        assert until(lambda: works(inside, "0.6.0")), log(inside)
        done = inside("lobbycount", "update", "usb", "/srv/stick")
        assert done.returncode == 0, done.stderr
        text = (stick / "lobbycount-update-result.txt").read_bytes().decode("utf-8-sig")
        assert "lobbycount-0.8.0.lcu: 升级完成" in text
        assert until(lambda: works(inside, "0.8.0")), log(inside)
    # The stamp of the slot is that of the source tree: the same one has nothing to do.
    tree = another(tmp_path / "same", "0.8.0")
    done = device.install(source=tree)
    assert done.returncode == 0, done.stdout
    assert not re.search(r"opt/lobbycount/[ab]", done.stdout), done.stdout
    newer = device.install("--offline", "/opt/lobbycount/wheels", source=tree)
    assert "nothing to change" in newer.stdout
