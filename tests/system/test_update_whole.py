"""A new version from the office to the slot: offer, broker, service, drop folder, root side.

Everything is real but systemd and the program in the bundle: `evaluation update offer`, the
service that asks for the pieces, and the root side that judges what it finds.
"""

import hashlib
import io
import platform
import secrets
import subprocess
import sys
import threading
import zipfile

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edge import __version__
from edge.adapters.device_key import DeviceKey
from edge.adapters.lab_broker import LabBroker, available_kinds
from edge.adapters.update_place import Place
from edge.update_verb import run_updates
from edge.updating.bundle import sign, write_bundle
from edge.updating.manifest import Manifest, Wheel, manifest_bytes

pytestmark = pytest.mark.skipif("mosquitto" not in available_kinds(), reason="needs mosquitto")

WAIT_S = 120.0
NEW, NEWER = "9.0.0", "9.1.0"
SERVICE = """
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
records: {{data_dir: {folder}}}
mqtt: {{host: 127.0.0.1, port: {port}, insecure_lab: true}}
updates: {{over_mqtt: true, folder: {folder}/update, kb_per_s: 10000}}
"""
PROGRAM = "def main():\n    print('lobbycount', '{version}')\n"


def wheel(version):
    info, out = f"lobbycount-{version}.dist-info", io.BytesIO()
    files = {
        "program.py": PROGRAM.format(version=version),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: lobbycount\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nlobbycount = program:main\n",
    }
    record = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in (files | {f"{info}/RECORD": record}).items():
            archive.writestr(name, text)
    return out.getvalue()


def bundle(key, version):
    content = wheel(version)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(content).hexdigest()
    wheels = [Wheel(f"lobbycount-{version}-py3-none-any.whl", len(content), digest, True)]
    machine, built = platform.machine(), "2026-11-27T20:00:00Z"
    said = manifest_bytes(Manifest(version, "0.1.0", built, machine, python, "0" * 16, 3, wheels))
    out = io.BytesIO()
    write_bundle(out, said, sign(said, DeviceKey(key)), [(wheels[0], [content])])
    return out.getvalue()


class Office:
    """The device, and who offers it new versions."""

    def __init__(self, folder, port):
        self.dev, self.folder, self.port = f"whole-{secrets.token_hex(4)}", folder, port
        self.place = Place(folder / "device")
        program = self.place.home / "a/bin/lobbycount"
        for each in (program.parent, self.place.keys, self.place.drop, self.place.settings):
            each.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\necho lobbycount {__version__}\n", "ascii")
        program.chmod(0o755)
        self.place.point("current", "a")
        self.config = folder / "lobby.yaml"
        text = CONFIG.format(dev=self.dev, port=port, folder=self.place.drop.parent)
        self.config.write_text(text, "utf-8")
        self.service = None

    def start(self, version):
        self.stop()
        command = [sys.executable, "-c", SERVICE, str(self.config), version]
        with (self.folder / "log").open("ab") as log:
            self.service = subprocess.Popen(command, stdout=log, stderr=log)

    def stop(self):
        if self.service is not None:
            self.service.terminate()
            self.service.wait(60)
            self.service = None

    def offer(self, content, version):
        file, listed = self.folder / f"{version}.lcu", self.folder / "devices.txt"
        file.write_bytes(content)
        listed.write_text(f"t/{self.dev}\n", "utf-8")
        command = [
            sys.executable, "-m", "evaluation", "update", "offer", str(file),
            "--devices", str(listed), "--state", str(self.folder / f"{version}.json"),
            "--spread", "0", "--stages", "1", "--wait", "0",
            "--broker", f"mqtt://127.0.0.1:{self.port}", "--insecure-lab",
        ]  # fmt: skip
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def take(self):
        """Wait for the bundle in the drop folder, and let root's side do what it does."""
        never = threading.Event()
        for _ in range(int(WAIT_S / 0.05)):
            if (self.place.drop / "incoming.lcu").exists():
                break
            never.wait(0.05)
        run_updates(self.place, 10)


@pytest.fixture
def office(tmp_path):
    with LabBroker("mosquitto") as broker:
        made = Office(tmp_path, broker.port)
        yield made
        made.stop()


def test_an_office_brings_a_signed_version_into_use_and_a_tampered_one_is_refused(office):
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (office.place.keys / "ours.pem").write_bytes(public)
    office.start(__version__)
    offer = office.offer(bundle(key, NEW), NEW)
    office.take()
    assert office.place.version_of(office.place.slot_of("current")) == NEW
    office.start(NEW)  # as systemd does after the switch
    output, _ = offer.communicate(timeout=WAIT_S)
    assert offer.returncode == 0, output
    assert f"{NEW}：已完成" in output

    content = bytearray(bundle(key, NEWER))
    at = bytes(content).index(b"program.py")
    content[at] ^= 1
    offer = office.offer(bytes(content), NEWER)
    office.take()
    output, _ = offer.communicate(timeout=WAIT_S)
    assert offer.returncode == 1, output
    assert "refused" in output
    assert office.place.version_of(office.place.slot_of("current")) == NEW
