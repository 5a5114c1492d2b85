"""What carries an update: a bad message changes nothing, and nobody waits for it."""

import hashlib
import json
import threading

import pytest

from edge.adapters.update_folder import UpdateFolder
from edge.config import load
from edge.testing import ManualClock, MemoryOutbox
from edge.update_courier import MOST_HEARD, UpdateCourier, courier_of
from edge.updating.asking import StagingLimits
from edge.updating.wanted import LARGEST_PIECE, Piece, Wanted, desired_message, piece_message

BUNDLE = b"manifest.json and so on"
WANTED = Wanted("0.2.0", hashlib.sha256(BUNDLE).hexdigest(), len(BUNDLE), 1024, spread_s=0)


class Line:
    """What the relay is to the courier."""

    def __init__(self, courier):
        self.sent, self.connected = [], True
        self._changed = threading.Condition()
        self.courier = courier
        courier.start(self.post, lambda: self.connected)

    def post(self, message):
        with self._changed:
            self.sent.append(message)
            self._changed.notify_all()

    def wait_for(self, leaf, needle=""):
        def found():
            return [
                json.loads(m.payload)
                for m in self.sent
                if m.topic.endswith(f"/update/{leaf}") and needle in m.payload.decode()
            ]

        with self._changed:
            assert self._changed.wait_for(found, 20), [m.payload for m in self.sent]
            return found()[-1]

    def hear(self, message):
        self.courier.heard[message.topic.split("/", 4)[4]](message.payload)


@pytest.fixture
def outbox():
    return MemoryOutbox("lobby-a")


@pytest.fixture
def line(tmp_path, outbox):
    courier = UpdateCourier(
        UpdateFolder(tmp_path), ManualClock(), outbox, tenant="t", dev="lobby-a",
        limits=StagingLimits(), in_use="0.1.0",
    )  # fmt: skip
    yield Line(courier)
    courier.stop()


def test_a_bundle_comes_and_is_handed_over(line, tmp_path):
    assert json.loads(line.courier.born().payload)["state"] == "idle"
    line.hear(desired_message("t", "lobby-a", WANTED))
    want = line.wait_for("want")
    assert (want["offset"], want["pieces"]) == (0, 1)
    line.hear(piece_message("t", "lobby-a", Piece(WANTED.bundle, 0, BUNDLE)))
    said = line.wait_for("reported", "verifying")
    assert (said["version"], said["wanted"], said["had"]) == ("0.1.0", "0.2.0", len(BUNDLE))
    assert (tmp_path / "incoming.lcu").read_bytes() == BUNDLE
    assert json.loads(line.courier.born().payload)["state"] == "verifying"


def test_what_makes_no_sense_is_left_and_the_next_message_is_heard(line):
    take = line.courier.heard
    for payload in (b"{", b"\xff", b"[]", b"{}", b"x" * (2 * LARGEST_PIECE + 1)):
        take["update/desired"](payload)
        take["update/piece"](payload)
    line.hear(desired_message("t", "lobby-a", WANTED))
    line.wait_for("want")
    for _ in range(10 * MOST_HEARD):
        take["update/piece"](b"{" * LARGEST_PIECE)  # nobody asked for it
    line.hear(piece_message("t", "lobby-a", Piece(WANTED.bundle, 0, BUNDLE)))
    line.wait_for("reported", "verifying")


def test_nothing_is_made_where_the_config_does_not_ask_for_it(tmp_path, outbox):
    path = tmp_path / "lobby.yaml"
    text = (
        "device: {tenant: t, id: lobby-a}\ncamera: {source: /dev/video0}\n"
        "lines: [{id: door, points: [[0.2, 0.6], [0.8, 0.6]], in: down}]\n"
        "mqtt: {host: h, insecure_lab: true}\n"
    )
    path.write_text(text, "utf-8")
    off = load(path)
    assert courier_of(off, ManualClock(), outbox) is None
    path.write_text(text + "updates: {over_mqtt: true, folder: here}\n", "utf-8")
    on = load(path)
    assert on.hash() == off.hash()  # it changes no count
    assert courier_of(on, ManualClock(), outbox) is not None
    assert on.updates.folder == tmp_path / "here"
    assert not (tmp_path / "here").exists()
