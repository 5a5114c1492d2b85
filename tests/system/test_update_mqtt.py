"""A new version over a real broker: real services, the real `evaluation update`, real files.

The root side is played here as it works: it takes incoming.lcu, writes report.json, and starts
the service with the version in use.
"""

import hashlib
import json
import random
import secrets
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from loopback_proxy import LoopbackProxy

from edge.adapters.lab_broker import LabBroker, available_kinds
from edge.adapters.mqtt_connection import Connection
from edge.adapters.mqtt_settings import MqttSettings
from edge.updating.answers import Reported, reported_message
from edge.updating.bundle import sign, write_bundle
from edge.updating.manifest import Manifest, Wheel, manifest_bytes
from evaluation.rollout import Device
from evaluation.update_server import known_devices

pytestmark = pytest.mark.skipif("mosquitto" not in available_kinds(), reason="needs mosquitto")

WAIT_S = 120.0
OLD, NEW = "0.1.0", "0.2.0"
# The service as `lobbycount run` starts it, of another version where that is said.
DEVICE = """
import sys
from pathlib import Path
import edge
edge.__version__ = sys.argv[2]
from edge.app import run_device
from edge.config import load
run_device(load(Path(sys.argv[1])))
"""
CONFIG = """
device: {{tenant: t, id: {dev}, clock: rtc}}
camera: {{source: /dev/video63}}
lines: [{{id: door, points: [[0.2, 0.6], [0.8, 0.6]], in: down}}]
records: {{data_dir: data}}
mqtt: {{host: 127.0.0.1, port: {port}, insecure_lab: true}}
updates: {{over_mqtt: true, folder: data/update, kb_per_s: {kb_per_s}}}
"""


class Signer:
    def __init__(self):
        self._key = Ed25519PrivateKey.generate()
        self.public_key = self._key.public_key().public_bytes_raw().hex()

    def sign(self, data):
        return self._key.sign(data)


def bundle_of(path, wheel_bytes):
    """Write a bundle with one wheel as dense as wheels are; return its bytes."""
    content = random.Random(7).randbytes(wheel_bytes)
    wheel = Wheel(
        f"lobbycount-{NEW}-py3-none-any.whl", wheel_bytes, hashlib.sha256(content).hexdigest(), True
    )
    manifest = manifest_bytes(
        Manifest(NEW, OLD, "2026-11-01T00:00:00Z", "x86_64", "3.11", "0" * 16, 1, [wheel])
    )
    with path.open("wb") as file:
        write_bundle(file, manifest, sign(manifest, Signer()), [(wheel, [content])])
    return path.read_bytes()


def wait_until(predicate, what, seconds=WAIT_S):
    never = threading.Event()
    for _ in range(int(seconds / 0.05)):
        if found := predicate():
            return found
        never.wait(0.05)
    raise AssertionError(f"never so: {what}")


class Lobby:
    """A device: its folder, its process, and the root side beside it."""

    def __init__(self, folder, port, kb_per_s=10_000):
        self.dev = f"up-{secrets.token_hex(4)}"
        self.folder, self.drop = folder / self.dev, folder / self.dev / "data" / "update"
        self.drop.mkdir(parents=True)
        text = CONFIG.format(dev=self.dev, port=port, kb_per_s=kb_per_s)
        (self.folder / "lobby.yaml").write_text(text, "utf-8")
        self.process = None

    def start(self, version=OLD):
        command = [sys.executable, "-c", DEVICE, str(self.folder / "lobby.yaml"), version]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def stop(self, by=signal.SIGTERM):
        if self.process is not None:
            self.process.send_signal(by)
            self.process.wait(30)
            self.process = None

    @property
    def part(self):
        try:
            return (self.drop / "incoming.part").stat().st_size
        except FileNotFoundError:
            return 0

    def handed_over(self):
        path = self.drop / "incoming.lcu"
        return wait_until(lambda: path.exists() and path.read_bytes(), f"{self.dev} has it all")

    def say(self, state, bundle, *, version=OLD, reason=None, zh="", en=""):
        """Write report.json as the root side does."""
        report = {
            "v": "1.0", "version": version, "bundle": hashlib.sha256(bundle).hexdigest(),
            "wanted": NEW, "state": state, "reason": reason, "zh": zh, "en": en,
            "at": "2026-11-01T00:00:00Z",
        }  # fmt: skip
        draft = self.drop / "report.json.new-by-root"
        draft.write_text(json.dumps(report), "utf-8")
        draft.replace(self.drop / "report.json")

    def apply(self, bundle):
        """Take the bundle, switch, and run the new version."""
        assert self.handed_over() == bundle
        (self.drop / "incoming.lcu").unlink()
        self.stop()
        self.say("applied", bundle, version=NEW, zh="升级完成", en="the update is done")
        self.start(NEW)


def evaluation(*arguments):
    command = [sys.executable, "-m", "evaluation", "update", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def told(process, code):
    output, _ = process.communicate(timeout=WAIT_S)
    assert process.returncode == code, output
    return output


@pytest.fixture
def lab():
    with LabBroker("mosquitto") as broker:
        yield broker


@pytest.fixture
def stack():
    with ExitStack() as opened:
        yield opened


def offered(stack, lab, folder, lobbies, bundle, *options):
    """Begin to offer a bundle to devices, in this order."""
    listed = folder / "devices.txt"
    listed.write_text("".join(f"t/{lobby.dev}  # 设备\n" for lobby in lobbies), "utf-8")
    process = evaluation(
        "offer", bundle, "--devices", listed, "--state", folder / "rollout.json", "--spread", "0",
        "--broker", f"mqtt://127.0.0.1:{lab.port}", "--insecure-lab", *options,
    )  # fmt: skip
    stack.callback(process.kill)
    return process


def reports(inbox, lobby):
    found = [m for m in inbox.on("update/reported") if f"/{lobby.dev}/" in m.topic]
    return [json.loads(message.payload) for message in found]


def test_a_bundle_comes_whole_though_broker_backend_and_device_are_ended_in_the_middle(
    lab, tmp_path, open_inbox, stack, capsys
):
    path = tmp_path / "thin.lcu"
    bundle = bundle_of(path, 3_500_000)
    inbox = open_inbox(lab.port, "pc/v1/t/+/update/#")
    proxy = stack.enter_context(LoopbackProxy(lab.port))
    first, second = Lobby(tmp_path, proxy.port), Lobby(tmp_path, lab.port)
    for lobby in (first, second):
        lobby.start()
        stack.callback(lobby.stop, signal.SIGKILL)
    offer = offered(stack, lab, tmp_path, [first, second], path, "--stages", "2", "--wait", "0")
    wait_until(lambda: min(first.part, second.part) > 500_000, "both are on their way")
    lab.kill()
    lab.start()
    wait_until(lambda: min(first.part, second.part) > 1_200_000, "both went on")
    second.stop(signal.SIGKILL)
    offer.terminate()
    told(offer, 0)
    second.start()
    offer = offered(stack, lab, tmp_path, [first, second], path)  # goes on with what is kept
    assert first.handed_over() == bundle
    assert second.handed_over() == bundle
    down, up = proxy.down_bytes, proxy.up_bytes
    for lobby in (first, second):
        lobby.apply(bundle)
    output = told(offer, 0)
    assert f"{NEW}: done, stage 1 of 1; 2 of 2 devices run it" in output
    assert f"{NEW}：已完成" in output

    with capsys.disabled():
        print(f"\n{len(bundle)} bytes came with {down} down ({down / len(bundle):.3f}), {up} up")  # noqa: T201
    assert down < 1.15 * len(bundle)  # one window is lost with the broker
    assert up < 0.05 * len(bundle)
    sent = [m for m in inbox.on("update/piece") if f"/{first.dev}/" in m.topic]
    assert len(sent) < 1.15 * len(bundle) / 16_384
    assert {message.expiry_s for message in sent} <= set(range(61))
    states = [said["state"] for said in reports(inbox, first)]
    for state in ("downloading", "verifying", "applied"):
        assert state in states
    last = reports(inbox, first)[-1]
    assert (last["version"], last["state"], last["wanted"]) == (NEW, "applied", NEW)


def test_a_rollout_stops_at_the_first_device_that_goes_back(lab, tmp_path, open_inbox, stack):
    path, state = tmp_path / "thin.lcu", tmp_path / "rollout.json"
    bundle = bundle_of(path, 20_000)
    inbox = open_inbox(lab.port, "pc/v1/t/+/update/desired")

    def wished(lobby):
        return [m.payload for m in inbox.on("update/desired") if f"/{lobby.dev}/" in m.topic]

    good, bad, later = (Lobby(tmp_path, lab.port) for _ in range(3))
    for lobby in (good, bad):
        lobby.start()
        stack.callback(lobby.stop, signal.SIGKILL)
    stages = ("--stages", "1,2,100%", "--wait", "1s")
    offer = offered(stack, lab, tmp_path, [good, bad, later], path, *stages)
    good.apply(bundle)
    assert bad.handed_over() == bundle  # the second stage has begun
    bad.say("reverted", bundle, reason="not_confirmed", zh="新版本没有正常工作", en="did not work")
    output = told(offer, 1)
    assert f"在 t/{bad.dev} 上失败（reverted：新版本没有正常工作）" in output
    assert f"failed on t/{bad.dev} (reverted: did not work)" in output
    assert wished(later) == []
    wait_until(lambda: wished(bad)[-1] == b"", "nothing is wanted of it any more")
    assert b"" not in wished(good)

    said = json.loads(told(evaluation("status", "--state", state, "--json"), 0))
    assert (said["state"], said["stage"], said["failed"]) == ("stopped", 2, f"t/{bad.dev}")
    states = {name.removeprefix("t/"): row["state"] for name, row in said["devices"].items()}
    assert states == {good.dev: "applied", bad.dev: "reverted", later.dev: "later"}
    assert "failed on" in told(offered(stack, lab, tmp_path, [good, bad, later], path), 2)
    broker = ("--broker", f"mqtt://127.0.0.1:{lab.port}", "--insecure-lab")
    assert "已撤回" in told(evaluation("withdraw", "--state", state, *broker), 0)
    wait_until(lambda: wished(good)[-1] == b"", "it is taken back from all")


def test_the_devices_of_a_tenant_are_those_that_have_said_that_they_take_updates(lab):
    settings = MqttSettings("127.0.0.1", lab.port, insecure_lab=True)
    sender = Connection(settings, "sender", clean_start=True)
    for tenant, dev in (("t", "b"), ("t", "a"), ("other", "c")):
        sender.publish(reported_message(tenant, dev, 0, Reported(OLD)))
    sender.publish(replace(reported_message("t", "gone", 0, Reported(OLD)), payload=b""))
    sender.leave()
    assert known_devices(settings, "t") == [Device("t", "a"), Device("t", "b")]
    assert known_devices(settings, "nobody") == []
