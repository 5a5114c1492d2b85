"""A real service, its real file, a real broker: an installer's good and bad days."""

import json
import re
import secrets
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.adapters.lab_broker import LabBroker, available_kinds
from edge.records import parse_counts

pytestmark = pytest.mark.skipif("mosquitto" not in available_kinds(), reason="needs mosquitto")

CLIP = Path("tests/data/vtest.mp4").absolute()
TEXT = """\
device: {{tenant: t, id: {dev}, clock: rtc}}
camera: {{source: "{clip}", fps: 10}}
lines:
  - id: west
    points: [[0.42, 0.33], [0.42, 0.66]]
    in: right
records: {{data_dir: {data}}}
mqtt: {{host: 127.0.0.1, port: {port}, insecure_lab: true}}
"""


@pytest.fixture(scope="module")
def port():
    with LabBroker("mosquitto") as broker:
        yield broker.port


def verb(*words):
    command = [sys.executable, "-m", "edge", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


class Lobby:
    def __init__(self, folder, port, open_inbox, data="data"):
        folder.mkdir(exist_ok=True)
        self.dev = f"live-{secrets.token_hex(4)}"
        self.folder, self.path = folder, folder / "lobby.yaml"
        self.text = TEXT.format(dev=self.dev, clip=CLIP, port=port, data=data)
        self.path.write_text(self.text, "utf-8")
        self.inbox = open_inbox(port, f"pc/v1/t/{self.dev}/#")

    @contextmanager
    def running(self):
        with (self.folder / "log").open("ab") as log:
            command = [sys.executable, "-m", "edge", "run", "--config", str(self.path)]
            self.device = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield
            self.device.send_signal(signal.SIGTERM)
            assert self.device.wait(40) == 0, self.log()
        finally:
            self.device.kill()
            self.device.wait()

    def log(self):
        return (self.folder / "log").read_text("utf-8")

    def reported(self, is_it):
        """Wait for a config/reported of which this is true."""

        def found(_):
            for message in reversed(self.inbox.on("config/reported")):
                said = json.loads(message.payload)
                if is_it(said):
                    return said
            return None

        said = self.inbox.wait_for(found, 40)
        assert said, [m.payload for m in self.inbox.on("config/reported")] + [self.log()]
        return said

    def counts_on(self):
        """Wait until it has looked at more pictures than it has now."""
        path, seen = self.folder / "data" / "health.json", None
        for _ in range(600):
            frames = json.loads(path.read_text("utf-8"))["frames"] if path.exists() else 0
            if seen is not None and frames > seen:
                return
            seen = frames if seen is None or frames < seen else seen
            time.sleep(0.1)
        raise AssertionError(self.log())

    def hashes(self):
        return {r.cfg for m in self.inbox.on("counts") for r in parse_counts(m.payload)}


def state(said):
    return said.get("file", {"state": "ok"})["state"]


def test_a_bad_edit_is_said_and_the_last_good_config_goes_on_over_a_restart(
    tmp_path, port, open_inbox
):
    lobby = Lobby(tmp_path / "one", port, open_inbox)
    broken = lobby.text.replace("in: right", "in: north")
    moved = lobby.text.replace("0.42", "0.52").replace(
        "insecure_lab: true", "metered: false, insecure_lab: true"
    )
    with lobby.running():
        first = lobby.reported(lambda said: state(said) == "ok")["cfg"]
        lobby.path.write_text(broken, "utf-8")
        said = lobby.reported(lambda said: state(said) == "rejected")
        assert said["cfg"] == first
        assert re.search(
            r"lobby\.yaml:6: lines\[0\]\.in: must be 'up', 'down'", said["file"]["errors"][0]
        )
        assert lobby.inbox.wait_for(
            lambda _: any(b"lobby.yaml:6" in m.payload for m in lobby.inbox.on("health")), 30
        )
        assert "lobby.yaml:6: lines[0].in" in (checked := verb("check", lobby.path)).stderr
        assert "    第 6 行 lines[0].in：只能是 'up'、'down'" in checked.stderr
        health = verb("health", "--json", "--config", lobby.path)
        assert health.returncode == 1
        assert any(
            "lobby.yaml:6: lines[0].in" in problem and "第 6 行 lines[0].in：只能是" in problem
            for problem in json.loads(health.stdout)["problems"]
        ), health
        lobby.counts_on()
        lobby.path.write_text(moved.replace(f"port: {port}", "port: 9"), "utf-8")
        lobby.device.send_signal(signal.SIGHUP)
        said = lobby.reported(lambda said: state(said) == "waiting")
        assert said["file"]["waits"] == ["mqtt.port"]
        assert said["cfg"] != first
        second = said["cfg"]
        lobby.path.write_text(moved, "utf-8")
        lobby.reported(lambda said: state(said) == "ok" and said["cfg"] == second)
    assert lobby.hashes() == {first, second}
    kept = lobby.folder / "data" / "config.last-good.yaml"
    assert kept.stat().st_mode & 0o777 == 0o600
    lobby.path.write_text(broken, "utf-8")
    with lobby.running():
        said = lobby.reported(lambda said: state(said) == "rejected" and said["cfg"] == second)
        lobby.counts_on()
    assert lobby.log().count("config.last_good") == 1
    kept.unlink()
    refused = verb("run", "--config", lobby.path)
    assert refused.returncode == 2
    assert "lobby.yaml:6: lines[0].in: must be" in refused.stderr


def test_two_cameras_are_two_services_that_do_not_disturb_each_other(tmp_path, port, open_inbox):
    left, right = (Lobby(tmp_path / name, port, open_inbox) for name in ("left", "right"))
    with left.running():
        left.counts_on()
        with right.running():
            right.counts_on()
            same_folder = right.folder / "same-folder.yaml"
            same_folder.write_text(
                left.text.replace("data_dir: data", f"data_dir: {left.folder}/data")
            )
            refused = verb("run", "--config", same_folder)
            assert refused.returncode != 0
            assert "give each its own records.data_dir" in refused.stderr
            same_id = right.folder / "same-id.yaml"
            same_id.write_text(left.text.replace("data_dir: data", "data_dir: third"), "utf-8")
            refused = verb("run", "--config", same_id)
            assert refused.returncode == 2
            assert f"is t/{left.dev} already; every camera needs" in refused.stderr
            left.counts_on()
        left.counts_on()
    for lobby in (left, right):
        devices = {r.dev for m in lobby.inbox.on("counts") for r in parse_counts(m.payload)}
        assert devices == {lobby.dev}
