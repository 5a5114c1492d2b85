"""The option of the config, from the file to the broker."""

import threading
from contextlib import closing

import pytest

from edge.adapters.clock import SystemClock
from edge.adapters.mqtt_connection import Connection
from edge.adapters.mqtt_settings import MqttSettings
from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.config import load
from edge.messages import Health
from edge.station import Station
from edge.vocabulary import Message, Provenance

CONFIG = """
device: {{tenant: t, id: {dev}, name: 大厅}}
camera: {{source: clip.mp4}}
lines: [{{id: door, points: [[0.2, 0.5], [0.8, 0.5]], in: down}}]
mqtt:
  host: 127.0.0.1
  port: {port}
  insecure_lab: true
{option}
"""


@pytest.fixture
def born(lab_broker, open_inbox, tmp_path):
    """Let a device with an option be born; return what is retained afterwards."""

    def run(dev, option):
        path = tmp_path / "lobby.yaml"
        path.write_text(CONFIG.format(dev=dev, port=lab_broker.port, option=option), "utf-8")
        with closing(SqliteOutbox(tmp_path / f"{dev}.db", dev)) as outbox:
            station = Station(
                load(path), SystemClock(), outbox, Provenance("c", "m"), interval_s=900,
                health=lambda _: Health(0, 0),
            )  # fmt: skip
            station.start()
            try:
                pause = threading.Event()
                # It is connected once the birth has been acknowledged.
                assert any(station.relay.state.connected or pause.wait(0.02) for _ in range(500))
            finally:
                station.stop()
        later = open_inbox(lab_broker.port, "#")
        settings = MqttSettings(lab_broker.host, lab_broker.port, insecure_lab=True)
        witness = Connection(settings, "witness", clean_start=True)
        witness.publish(Message(f"witness/{dev}/after-the-retained", b"", 1, False))
        witness.leave()
        later.wait_on("after-the-retained", b"")
        return [m for m in later.messages if m.topic == f"homeassistant/device/{dev}/config"]

    return run


def test_the_device_appears_and_disappears(born, lab_broker):
    dev = f"seen-{lab_broker.kind}"
    [message] = born(dev, "  home_assistant: true")
    assert message.retained
    assert '"name":"大厅"'.encode() in message.payload
    assert b'"door-in"' in message.payload
    assert born(dev, "")  # without a word about it, nothing is touched
    assert born(dev, "  home_assistant: false") == []


def test_without_the_option_home_assistant_is_not_told(born, lab_broker):
    assert born(f"unseen-{lab_broker.kind}", "") == []
