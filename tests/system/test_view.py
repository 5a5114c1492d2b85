"""A running device whose camera is covered, darkened, blurred and turned, and what it then says."""

import json
import secrets
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import pytest
from view import changes

from edge.adapters.lab_broker import LabBroker
from edge.adapters.record_reader import read_records

CLIP = Path(__file__).parent.parent / "data" / "vtest.mp4"
CONFIG = """
device: {{tenant: t, id: {dev}}}
camera: {{source: lobby.mp4, fps: 8}}
lines: [{{id: square, points: [[0.52, 0.32], [0.52, 0.70]], in: right}}]
records: {{data_dir: data}}
mqtt: {{host: 127.0.0.1, port: {port}, insecure_lab: true}}
health: {{prometheus_port: {metrics}}}
"""
# The service as `lobbycount run` starts it; what has to hold for 10 or 20 s holds for one here.
DEVICE = """
import sys
from functools import partial
from pathlib import Path
from edge import app, assembly
from edge.config import load
from edge.view_verdict import ViewSettings

hold_s = {reason: 1.0 for reason in ViewSettings().hold_s}
assembly.ViewSettings = partial(ViewSettings, hold_s=hold_s, recover_s=1.0, learn_s=2.5)
app.run_device(load(Path(sys.argv[1])))
"""
FPS = 10
TURNED = changes.turned(8, 1.0)


@pytest.fixture(scope="module")
def broker():
    with LabBroker("mosquitto") as running:
        yield running


@pytest.fixture(scope="module")
def pictures():
    capture = cv2.VideoCapture(str(CLIP))
    return [capture.read()[1] for _ in range(240)]


def write(path, parts):
    """Write a clip of pictures and what is done to them, one part after the other."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (768, 576))
    for shown, change in parts:
        for number, picture in enumerate(shown):
            writer.write(picture if change is None else change(picture, number))
    writer.release()


class Lobby:
    def __init__(self, folder, broker, open_inbox, metrics):
        self.dev = f"view-{secrets.token_hex(4)}"
        self.folder, self.clip = folder, folder / "lobby.mp4"
        self.path, self.metrics = folder / "lobby.yaml", metrics
        self.inbox = open_inbox(broker.port, f"pc/v1/t/{self.dev}/#")
        text = CONFIG.format(dev=self.dev, port=broker.port, metrics=metrics)
        self.path.write_text(text, "utf-8")

    def run(self, *command, until=None):
        """Run a device to the end of the clip, or until something is so; return its log."""
        with (self.folder / "log").open("w+b") as log:
            device = subprocess.Popen([sys.executable, *command], stdout=log, stderr=log)
            try:
                if until is not None:
                    until()
                    device.send_signal(signal.SIGTERM)
                assert device.wait(90) == 0
            finally:
                device.kill()
                device.wait()
        return (self.folder / "log").read_text("utf-8")

    def records(self):
        return read_records(self.folder / "data/outbox.sqlite", "t", self.dev)

    def told(self):
        """Return what health said of the view, in order, each once while it lasted."""
        said = [json.loads(m.payload)["video"] for m in self.inbox.on("health")]
        said = [v for v in said if v not in {"restart", "overload"}]
        return [v for k, v in enumerate(said) if k == 0 or v != said[k - 1]]


@pytest.fixture
def lobby(tmp_path, broker, open_inbox, unused_port):
    return Lobby(tmp_path, broker, open_inbox, unused_port)


@pytest.fixture
def unused_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def unwatched_s(records):
    """Return the seconds that were not watched well, and the reasons; a machine may be slow."""
    lost = sum((1 - r.cov) * (r.t1_ms - r.t0_ms) / 1000 for r in records)
    return lost, {r.cov_reason for r in records if r.cov < 1} - {"overload"}


def test_each_spoilt_view_is_told_and_a_turn_during_the_power_cut_too(lobby, pictures):
    healthy, spoilt = pictures[:25], pictures[30:60]
    parts = [(pictures[:40], None)]
    for change in (changes.uniform(110), changes.gain(0.05, 2.0), changes.blur(0.012)):
        parts += [(spoilt, change), (healthy, None)]
    write(lobby.clip, parts)
    log = lobby.run("-c", DEVICE, str(lobby.path))
    for reason in ("covered", "dark", "blurred"):
        assert log.count(f"view.{reason}.begins") == 1, log
        assert log.count(f"view.{reason}.ends") == 1, log
    assert log.count("view.") == 2 * 3 + 1, log
    first = lobby.records()
    lost_s, reasons = unwatched_s(first)
    assert lost_s > 3 * 2.0, "three times three seconds, held for one before it is said"
    assert reasons <= {"covered", "dark", "blurred"}
    assert lobby.told() == [None, "covered", None, "dark", None, "blurred", None]
    kept = lobby.folder / "data/view.json"
    assert kept.stat().st_mode & 0o777 == 0o600

    write(lobby.clip, [(pictures[100:190], TURNED)])
    log = lobby.run("-c", DEVICE, str(lobby.path))
    assert log.count("view.moved.begins") == 1, log
    assert "view.learned" not in log
    second = lobby.records()[len(first) :]
    lost_s, reasons = unwatched_s(second)
    assert lost_s > 6.0, "of nine"
    assert reasons == {"moved"}
    assert sum(r.entered + r.left for r in second if r.entered is not None) > 0, "it counts on"


def test_the_installed_command_says_covered_everywhere_after_ten_seconds(lobby, pictures):
    write(lobby.clip, [([np.zeros_like(pictures[0])] * 300, changes.uniform(120))])

    def until():
        lobby.inbox.wait_on("health", b'"video":"covered"', 60)
        with urllib.request.urlopen(f"http://127.0.0.1:{lobby.metrics}/metrics", timeout=10) as a:
            assert "lobbycount_video_healthy 0.0" in a.read().decode()
        asked = [sys.executable, "-m", "edge", "health", "-c", str(lobby.path)]
        health = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False)
        assert health.returncode == 1
        assert "no healthy picture: covered; something is before the lens" in health.stdout
        assert "镜头被遮挡" in health.stdout

    log = lobby.run("-m", "edge", "run", "-c", str(lobby.path), until=until)
    assert log.count("view.covered.begins") == 1
    records = lobby.records()
    assert "covered" in {r.cov_reason for r in records}
    assert not (lobby.folder / "data/view.json").exists(), "nothing is learned of a covered lens"
