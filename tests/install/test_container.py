"""The Dockerfile built and run for real, without Docker: `scripts/test --install tests/install`.

As root, with buildah, mmdebstrap, podman and runc of Debian; the image stays in out/container,
where the next run finds its base. Five minutes the first time.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.adapters.lab_broker import LabBroker, available_kinds
from tests.system.test_camera_rtsp import RtspServer, needs_ffmpeg

TOOLS = ("buildah", "mmdebstrap", "podman", "runc")
pytestmark = [
    pytest.mark.install,
    pytest.mark.skipif(os.geteuid() != 0, reason="a chroot needs root"),
    pytest.mark.skipif(None in map(shutil.which, TOOLS), reason=f"apt install {' '.join(TOOLS)}"),
    pytest.mark.skipif("mosquitto" not in available_kinds(), reason="needs mosquitto"),
]
OUT = Path("out/container").absolute()
CLIP = Path("tests/data/vtest.mp4").absolute()
IMAGE = "localhost/lobbycount:latest"
WAIT_S = 240.0
CONFIG = """
device: {{tenant: t, id: {name}, clock: rtc}}
camera: {{source: "{source}", fps: 10}}
lines: [{{id: door, points: [[0.52, 0.32], [0.52, 0.70]], in: right}}]
mqtt: {{host: 127.0.0.1, port: {port}, insecure_lab: true}}
"""
# As in compose.yaml; on the host's network, because bridges want more than a sandbox gives.
HARDENED = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host"]
HARDENED += ["--tmpfs=/tmp:size=32m,mode=1777,noexec,nosuid,nodev", "--ulimit=core=0"]
HARDENED += ["--ulimit=nofile=1024:4096", "--ulimit=nproc=256:256"]
HARDENED += ["--memory=512m", "--memory-swap=512m"]
HARDENED += ["--pids-limit=128", "--init=false", "--no-healthcheck"]  # that needs systemd


def podman(*arguments, check=True):
    driver = os.environ.get("STORAGE_DRIVER", "overlay")
    store = [f"--storage-driver={driver}", f"--root={OUT}/store", f"--runroot={OUT}/run"]
    plain = ["--runtime=runc", "--cgroup-manager=cgroupfs"]
    command = ["podman", *store, *plain, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT_S)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def image():
    subprocess.run(["scripts/container-build", "--out", str(OUT)], check=True, timeout=1200)
    return json.loads(podman("image", "inspect", IMAGE).stdout)[0]


@pytest.fixture(scope="module")
def broker():
    with LabBroker("mosquitto") as running:
        yield running


class Counter:
    """A container that counts, with an operator's folder of settings and data of its own."""

    def __init__(self, name, check):
        self.name, self._check = name, check

    def healthy(self):
        done = podman("exec", self.name, *self._check, check=False)
        return done.returncode == 0

    def inside(self, *command):
        return podman("exec", self.name, *command).stdout

    def log(self):
        done = podman("logs", self.name)
        return done.stdout + done.stderr

    def wait(self, condition):
        until = time.monotonic() + WAIT_S
        while not condition() and time.monotonic() < until:
            time.sleep(0.5)
        assert condition(), self.log()


@pytest.fixture
def start(image, broker, tmp_path):
    kind, *check = image["Healthcheck"]["Test"]
    assert kind == "CMD"

    @contextmanager
    def started(name, source):
        folder = tmp_path / "settings"
        folder.mkdir()
        config = CONFIG.format(name=name, source=source, port=broker.port)
        (folder / "lobby.yaml").write_text(config, "utf-8")
        data = tmp_path / "data"
        data.mkdir()
        os.chown(data, 10001, 10001)
        mounts = [f"-v={folder}:/etc/lobbycount:ro", f"-v={CLIP}:/clips/vtest.mp4:ro"]
        mounts.append(f"-v={data}:/var/lib/lobbycount")
        podman("run", "-d", "--name", name, *HARDENED, *mounts, IMAGE)
        try:
            yield Counter(name, check)
        finally:
            podman("rm", "-f", "-t", "5", name)

    return started


def test_it_counts_as_here(image):
    """Every record of the clip, in the image and in this checkout."""
    replay = ["replay", "--config", "config/demo.yaml", "--interval", "20", "--json"]
    here = subprocess.run(
        [sys.executable, "-m", "edge", *replay, str(CLIP)],
        capture_output=True,
        check=True,
        timeout=WAIT_S,
    )
    demo = f"-v={Path('config/demo.yaml').absolute()}:/config/demo.yaml:ro"
    clip = f"-v={CLIP}:/clips/vtest.mp4:ro"
    there = podman("run", "--rm", *HARDENED, demo, clip, IMAGE, *replay[:2],
                   "/config/demo.yaml", *replay[3:], "/clips/vtest.mp4")  # fmt: skip
    records = [counted(json.loads(text)) for text in (here.stdout, there.stdout)]
    assert len(records[0]) == 12
    assert records[0] == records[1]


def counted(answer):
    names = ("line", "t0", "t1", "in", "out", "uturn", "ambiguous", "born_past_line", "cov")
    return [[record.get(name) for name in names] for record in answer["records"]]


def test_it_is_healthy_while_it_counts_and_publishes_at_the_end(start, broker, open_inbox):
    inbox = open_inbox(broker.port, "pc/v1/t/on-a-clip/#")
    with start("on-a-clip", "/clips/vtest.mp4") as counter:
        counter.wait(counter.healthy)
        inbox.wait_on("status", b"online")
        state = dict(re.findall(r"^(\w+):\s+(\S+)", counter.inside("cat", "/proc/1/status"), re.M))
        assert (state["Uid"], state["CapEff"], state["CapBnd"]) == ("10001", "0" * 16, "0" * 16)
        assert state["NoNewPrivs"] == "1"
        limits = counter.inside("cat", "/proc/1/limits")
        assert re.search(r"Max core file size\s+0\s+0\s", limits)
        found = podman("exec", "on-a-clip", "touch", "/opt/lobbycount/here", check=False)
        assert "Read-only file system" in found.stderr
        counter.wait(lambda: "exited" in podman("ps", "-a", "--format={{.Status}}").stdout.lower())
        assert podman("inspect", "--format={{.State.ExitCode}}", "on-a-clip").stdout.strip() == "0"
        (record,) = json.loads(inbox.wait_on("counts", b"door").payload)["records"]
        assert record["in"] + record["out"] > 10


def test_a_stop_stores_and_sends_the_open_interval(start, broker, open_inbox):
    inbox = open_inbox(broker.port, "pc/v1/t/stopped/#")
    with start("stopped", "/clips/vtest.mp4") as counter:
        counter.wait(counter.healthy)
        began = time.monotonic()
        podman("stop", "-t", "60", "stopped")
        assert time.monotonic() - began < 50
        assert podman("inspect", "--format={{.State.ExitCode}}", "stopped").stdout.strip() == "0"
        assert inbox.wait_on("counts", b"door")
        assert inbox.wait_on("status", b"offline")


def test_without_a_camera_it_runs_and_is_not_healthy(start):
    with start("no-camera", "rtsp://127.0.0.1:9/lobby") as counter:
        counter.wait(lambda: "no_camera" in failure(counter))
        assert not counter.healthy()


def failure(counter):
    return podman("exec", counter.name, *counter._check, check=False).stderr


@needs_ffmpeg
def test_a_camera_that_dies_is_no_longer_healthy(start):
    camera = RtspServer()
    try:
        with start("camera-dies", camera.url) as counter:
            counter.wait(counter.healthy)
            camera.close()
            counter.wait(lambda: not counter.healthy())
            assert "no_camera" in failure(counter)
    finally:
        camera.hang_up()


def test_nothing_is_in_it_that_does_not_count(image):
    def there(*paths):
        return podman("run", "--rm", *HARDENED, "--entrypoint=ls", IMAGE, *paths, check=False)

    site = "/opt/lobbycount/lib/python3.11/site-packages"
    assert "numpy" in there(site).stdout
    for absent in ("/usr/bin/pip", f"{site}/pip", "/usr/lib/x86_64-linux-gnu/dri", "/src"):
        assert "No such file" in there(absent).stderr, absent
