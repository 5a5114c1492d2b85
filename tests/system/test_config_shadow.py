"""The config changed over a real broker while a real device counts real footage."""

import json
import re
import secrets
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from itertools import groupby, pairwise
from pathlib import Path

import pytest

from edge.adapters.lab_broker import LabBroker, available_kinds
from edge.adapters.mqtt_connection import Connection
from edge.adapters.mqtt_settings import MqttSettings
from edge.records import parse_counts, verify_chain
from edge.shadow import INTERRUPTED, Desired
from edge.shadow_messages import desired_message

pytestmark = pytest.mark.skipif("mosquitto" not in available_kinds(), reason="needs mosquitto")

CLIP = Path("tests/data/vtest.mp4").absolute()
SECRET = "sentinel-s3cret"
CONFIG = """
device: {{tenant: t, id: {dev}, name: 大厅, clock: rtc}}
camera: {{source: "{source}", fps: 10}}
lines: [{{id: door, points: [[0.99, 0.01], [0.99, 0.10]], in: right}}]
records: {{data_dir: data}}
mqtt: {{host: 127.0.0.1, port: {port}, insecure_lab: true,
  username: {secret}, password_file: password}}
"""
# The service as `lobbycount run` starts it, with a shorter probation, and with lines that only
# break what counts them after the dry run: no settings are known to do that.
DEVICE = """
import sys
import threading
from functools import partial
from pathlib import Path
from edge import app
from edge.config import load

class Trap(app.Counter):
    def __init__(self, lines, settings):
        super().__init__(lines, settings)
        self.ids, self.steps = [line.id for line in lines], 0

    def update(self, tracks):
        self.steps += 1
        if self.steps > 27 and "raises" in self.ids:
            raise ZeroDivisionError("sentinel-s3cret")
        if self.steps > 27 and "hangs" in self.ids:
            threading.Event().wait()
        return super().update(tracks)

app.Counter = Trap
app.Service = partial(app.Service, hang_s=1.0)
app.run_device(load(Path(sys.argv[1])), probation_s=float(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def port():
    with LabBroker("mosquitto") as broker:
        yield broker.port


class Lobby:
    """A device's folder, what it says, and what is wished for it."""

    def __init__(self, folder, port, open_inbox, source):
        self.dev = f"shadow-{secrets.token_hex(4)}"
        self.folder, self.port = folder, port
        self.inbox = open_inbox(port, f"pc/v1/t/{self.dev}/#")
        self.path = folder / "lobby.yaml"
        text = CONFIG.format(dev=self.dev, source=source, port=port, secret=SECRET)
        self.path.write_text(text, "utf-8")
        (folder / "password").write_text(SECRET, "utf-8")
        self.seen = 0

    @contextmanager
    def running(self, probation_s=60.0, stop=signal.SIGTERM, code=0):
        """Run the device; it is stopped by this signal and ends with this code."""
        command = [sys.executable, "-c", DEVICE, str(self.path), str(probation_s)]
        left = self.count("status", b'"offline"')
        with (self.folder / "log").open("ab") as log:
            device = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield device
            device.send_signal(stop)
            assert device.wait(30) == code
            if code == 0:  # it says goodbye after everything else
                assert self.inbox.wait_for(lambda _: self.count("status", b'"offline"') > left)
        finally:
            device.kill()
            device.wait()

    def count(self, leaf, needle):
        return sum(needle in m.payload for m in self.inbox.on(leaf))

    def wait_for_pictures(self):
        """Wait until several were counted: a wish is heard after a picture, an answer sent then."""
        assert self.inbox.wait_for(lambda _: self.count("health", b'"video":null'), 20)
        for rev in ("look", "look again"):
            self.wish(rev, {"mqtt": {}})
            self.reported("rejected", rev)

    def wish(self, rev, config):
        message = desired_message("t", self.dev, None if rev is None else Desired(rev, config))
        settings = MqttSettings("127.0.0.1", self.port, insecure_lab=True)
        sender = Connection(settings, f"sender-{secrets.token_hex(4)}", clean_start=True)
        sender.publish(message)
        sender.leave()

    def reported(self, state, rev):
        """Wait until the device says this, after what was waited for before."""

        def found(messages):
            for k, message in enumerate(messages[self.seen :], self.seen + 1):
                if message.topic.endswith("/config/reported"):
                    said = json.loads(message.payload)
                    if (said["state"], said["rev"]) == (state, rev):
                        return k, said
            return None

        hit = self.inbox.wait_for(found, 20)
        assert hit, [m.payload for m in self.inbox.on("config/reported")]
        self.seen, said = hit
        return said

    def records(self):
        counts = self.inbox.on("counts")
        records = {r.seq: r for m in counts for r in parse_counts(m.payload)}
        return [records[seq] for seq in sorted(records)]


@pytest.fixture
def lobby(tmp_path, port, open_inbox):
    return Lobby(tmp_path, port, open_inbox, CLIP)


def door(points, **changes):
    return {"lines": [{"id": "door", "points": points, "in": "right", **changes}]}


MOVED = door([[0.80, 0.0], [0.80, 1.0]], name="大门")  # somebody passes every second or two


def test_a_line_is_moved_while_people_walk_and_stays_moved(lobby):
    with lobby.running(probation_s=5.0):
        file = lobby.reported("file", None)
        assert (file["in_force"], file["errors"]) == (None, [])
        lobby.wait_for_pictures()
        lobby.wish("1", MOVED)
        assert lobby.reported("probation", "1")["in_force"] == "1"
        moved = lobby.reported("applied", "1")
        assert moved["config"]["lines"][0]["points"] == MOVED["lines"][0]["points"]
        wrong = {"mqtt": {"password": "x"}, "lines": [{"id": "door", "points": 1, "in": "rihgt"}]}
        lobby.wish("2", wrong)
        refused = lobby.reported("rejected", "2")
        assert (refused["in_force"], refused["cfg"]) == ("1", moved["cfg"])
        assert [error.partition(":")[0] for error in refused["errors"]] == [
            "config.mqtt",
            "config.lines[0].in",
            "config.lines[0].points",
        ]
    records = lobby.records()  # two, or three when a quarter of an hour ended meanwhile
    assert [cfg for cfg, _ in groupby(r.raw["cfg"] for r in records)] == [file["cfg"], moved["cfg"]]
    assert {(record.line, record.cov) for record in records} == {("door", 1)}
    assert all(a.t1_ms == b.t0_ms for a, b in pairwise(records))
    before = [r for r in records if r.raw["cfg"] == file["cfg"]]
    after = records[len(before) :]
    assert {(r.entered, r.left) for r in before} == {(0, 0)}
    assert sum(r.entered + r.left + r.uturn for r in after) > 0
    verify_chain(records)
    info = json.loads(lobby.inbox.on("info")[-1].payload)
    assert (info["cfg"], info["lines"]) == (moved["cfg"], [{"id": "door", "name": "大门"}])

    with lobby.running(stop=signal.SIGKILL, code=-signal.SIGKILL):
        again = lobby.reported("rejected", "2")
        assert (again["in_force"], again["cfg"]) == ("1", moved["cfg"])
        lobby.wish("3", door([[0.30, 0.32], [0.30, 0.70]]))
        assert lobby.reported("probation", "3")["in_force"] == "3"
    with lobby.running():
        back = lobby.reported("rolled_back", "3")
        assert (back["in_force"], back["cfg"]) == ("1", moved["cfg"])
        assert back["errors"] == [INTERRUPTED]
        pictures = lobby.count("health", b'"video":null')
        lobby.inbox.wait_for(lambda _: lobby.count("health", b'"video":null') > pictures, 20)
    assert json.loads(lobby.inbox.on("config/reported")[-1].payload)["state"] == "rolled_back"
    assert lobby.records()[-1].raw["cfg"] == moved["cfg"]


def test_what_breaks_the_counting_is_taken_out_and_the_counting_goes_on(lobby):
    with lobby.running(stop=signal.SIGCONT, code=1) as device:
        file = lobby.reported("file", None)
        lobby.wait_for_pictures()
        lobby.wish("1", door([[0.5, 0.2], [0.5, 0.8]], id="raises"))
        trial = lobby.reported("probation", "1")
        back = lobby.reported("rolled_back", "1")
        assert (back["in_force"], back["cfg"]) == (None, file["cfg"])
        assert back["errors"] == [
            "counting with it failed (ZeroDivisionError);"
            " send a document with another rev to try again"
        ]
        assert device.poll() is None
        lobby.wish("2", door([[0.5, 0.2], [0.5, 0.8]], id="hangs"))
        lobby.reported("probation", "2")
        device.wait(20)
    with lobby.running():
        assert lobby.reported("rolled_back", "2")["cfg"] == file["cfg"]
    records = lobby.records()
    seen = [key for key, _ in groupby((r.line, r.raw["cfg"]) for r in records)]
    assert seen[:3] == [
        ("door", file["cfg"]),
        ("raises", trial["cfg"]),
        ("door", file["cfg"]),
    ]
    assert all(a.t1_ms <= b.t0_ms for a, b in pairwise(records))
    assert max(r.cov for r in records if r.line == "raises") > 0
    verify_chain(records)


def test_without_a_camera_a_trial_waits_and_no_secret_is_on_the_wire(tmp_path, port, open_inbox):
    source = f"rtsp://{SECRET}:{SECRET}@127.0.0.1:1/live?key={SECRET}"
    lobby = Lobby(tmp_path, port, open_inbox, source)
    with lobby.running(probation_s=0.5):
        file = lobby.reported("file", None)
        lobby.wish("1", MOVED | {"camera": {"source": "rtsp://a:b@c/"}})
        lobby.reported("rejected", "1")
        lobby.wish("2", MOVED)
        lobby.reported("probation", "2")
        lobby.inbox.wait_on("health", b'"video":"no_camera"', 20)
    stored = (tmp_path / "data" / "shadow.json").read_text("utf-8")
    assert json.loads(stored)["trial"] is None
    with lobby.running(probation_s=0.5):
        lobby.reported("file", None)
        trial = lobby.reported("probation", "2")  # a stop in order proved nothing
        shown = subprocess.run(
            [sys.executable, "-m", "edge", "check", str(lobby.path)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert f"rev '2' of MQTT, on probation 试用中, config hash {trial['cfg']}" in shown.stdout
        lobby.wish(None, {})
        taken_back = lobby.reported("file", None)
        assert (taken_back["in_force"], taken_back["cfg"]) == (None, file["cfg"])
    said = list(lobby.inbox.messages)
    assert {m.topic.rpartition("/")[2] for m in said} >= {"counts", "reported", "info", "privacy"}
    assert not [m for m in said if SECRET.encode() in m.payload or SECRET in str(m.user)]
    kept = stored + (tmp_path / "log").read_text("utf-8") + shown.stdout
    assert SECRET not in kept


SAVE = """
import sys
from pathlib import Path
from edge.adapters.shadow_file import ShadowFile
from edge.shadow import Kept
ShadowFile(Path(sys.argv[1])).save(Kept("base"))
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_what_is_kept_is_on_the_disk_before_and_after_it_has_its_name(tmp_path):
    trace, data = tmp_path / "trace", tmp_path / "data"
    data.mkdir()
    calls = "trace=openat,fsync,rename,renameat,renameat2"
    command = ["strace", "-e", calls, "-o", str(trace), sys.executable, "-c", SAVE, str(data)]
    subprocess.run(command, check=True)
    text = trace.read_text("utf-8")
    text = text[text.index("shadow.tmp") :]
    steps = re.findall(r"^(fsync|rename)|(data)\"", text, re.MULTILINE)
    assert [a or b for a, b in steps] == ["fsync", "rename", "data", "fsync"]
