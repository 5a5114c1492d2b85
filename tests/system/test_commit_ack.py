"""A device, a real broker, and a backend that acks: only what is committed is let go."""

import json
import random
import secrets
import threading
from contextlib import closing
from pathlib import Path

import pytest

from edge.adapters.broker_mqtt import MqttBroker
from edge.adapters.clock import SystemClock
from edge.adapters.lab_broker import LabBroker, available_kinds
from edge.adapters.mqtt_connection import Connection
from edge.adapters.mqtt_settings import MqttSettings
from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.config import load, with_broker
from edge.delivery import Relay, RelayLimits
from edge.messages import Health, ack_message, health_message, status_message
from edge.records import parse_counts
from edge.sending import SendLimits
from edge.station import Station
from edge.vocabulary import CountBucket, Message, Outcome, Provenance, TimeQuality

WAIT_S = 15.0


def settings(port, **changes):
    return MqttSettings("127.0.0.1", port, insecure_lab=True, **changes)


def buckets(first, count):
    by = Provenance("c", "m")
    return [
        CountBucket("door", n, n + 1, {Outcome.IN: 1}, 1.0, None, TimeQuality.NTP, by)
        for n in range(first, first + count)
    ]


class Device:
    """Outbox on disk, MQTT adapter with inbox, running relay."""

    def __init__(self, dev, port, folder, topic=None):
        self.outbox = SqliteOutbox(folder / "outbox.db", dev)
        broker = MqttBroker(
            settings(port),
            dev,
            will=lambda: status_message("t", dev, 0, "lost"),
            birth=tuple,
            inboxes={topic or f"pc/v1/t/{dev}/ack": self._receive_ack},
        )
        self.relay = Relay(
            self.outbox,
            broker,
            SystemClock(),
            tenant="t",
            dev=dev,
            health=lambda _: health_message("t", dev, 0, Health(0, 0), interval_s=60),
            farewell=tuple,
            rng=random.Random(1),
            limits=RelayLimits(
                sending=SendLimits(resend_s=0.3), retry_min_s=0.05, retry_max_s=0.2, idle_s=0.05
            ),
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.relay.run, args=(self._stop,))
        self._thread.start()

    def _receive_ack(self, _topic, payload):
        self.relay.receive_ack(payload)

    def append(self, first, count):
        self.outbox.append(buckets(first, count))
        self.relay.wake.set()

    def close(self):
        self._stop.set()
        self.relay.wake.set()
        self._thread.join()
        self.outbox.close()


class Backend:
    """Commits every record it is given and acks, except while it is `mute`."""

    def __init__(self, dev, port, *, mute=False):
        self.dev = dev
        self.changed = threading.Condition()
        self.answers = []
        self.has, self.seen, self.stream, self.mute = set(), [], "", mute
        self._connection = Connection(
            settings(port), f"backend-of-{dev}", clean_start=True, on_message=self._receive
        )
        self._connection.subscribe(f"pc/v1/t/{dev}/counts")

    def _receive(self, topic, payload, _retained):
        with self.changed:
            if "/rsp/" in topic:
                self.answers.append(json.loads(payload))
                self.changed.notify_all()
                return
            for record in parse_counts(payload):
                self.stream = record.stream
                self.seen.append(record.seq)
                if not self.mute:
                    self.has.add(record.seq)
            self.changed.notify_all()

    def ack(self):
        upto = next(n for n in range(999) if n + 1 not in self.has)
        message = ack_message("t", self.dev, stream=self.stream or "0" * 16, upto=upto)
        self._connection.publish(message)

    def read_answers(self):
        self._connection.subscribe(f"pc/v1/t/{self.dev}/rsp/#")

    def ask(self, command):
        topic = f"pc/v1/t/{self.dev}/cmd/backfill"
        self._connection.publish(Message(topic, json.dumps(command).encode(), 1, False))

    def wait_for(self, predicate):
        with self.changed:
            assert self.changed.wait_for(predicate, WAIT_S)

    def close(self):
        self._connection.leave()


def wait_until(device, predicate):
    """Wait by the relay's own wake-ups, bounded; it rests for a twentieth of a second."""
    ready = threading.Event()
    for _ in range(int(WAIT_S / 0.05)):
        if predicate():
            return
        ready.wait(0.05)
    raise AssertionError(f"never so: depth {device.outbox.depth()}, {device.relay.state}")


@pytest.fixture
def dev():
    """A device that no retained ack is about."""
    return f"lobby-{secrets.token_hex(4)}"


def test_records_stay_until_they_are_committed(lab_broker, dev, tmp_path):
    with (
        closing(Backend(dev, lab_broker.port)) as backend,
        closing(Device(dev, lab_broker.port, tmp_path)) as device,
    ):
        backend.ack()
        wait_until(device, lambda: device.relay.state.commits)
        device.append(0, 5)
        backend.wait_for(lambda: len(backend.has) == 5)
        assert device.outbox.depth() == 5  # the broker has PUBACKed all of them
        backend.ack()
        wait_until(device, lambda: device.outbox.depth() == 0)
        assert device.relay.state.last_error is None


def test_what_a_backend_never_committed_is_sent_until_it_is(lab_broker, dev, tmp_path):
    with (
        closing(Backend(dev, lab_broker.port, mute=True)) as backend,
        closing(Device(dev, lab_broker.port, tmp_path)) as device,
    ):
        backend.ack()
        wait_until(device, lambda: device.relay.state.commits)
        device.append(0, 3)
        backend.wait_for(lambda: backend.seen.count(3) >= 2)
        backend.mute = False
        backend.wait_for(lambda: len(backend.has) == 3)
        backend.ack()
        wait_until(device, lambda: device.outbox.depth() == 0)


def test_a_backend_that_comes_late_gets_what_was_let_go_on_pubacks(lab_broker, dev, tmp_path):
    with closing(Device(dev, lab_broker.port, tmp_path)) as device:
        device.append(0, 4)
        wait_until(device, lambda: device.outbox.depth() == 0)
        with closing(Backend(dev, lab_broker.port)) as backend:
            backend.stream = device.outbox.stream
            backend.ack()
            backend.wait_for(lambda: backend.has == {1, 2, 3, 4})
            backend.ack()
            wait_until(device, lambda: device.outbox.depth() == 0)


def test_the_retained_ack_is_known_after_a_restart(lab_broker, dev, tmp_path):
    with closing(Backend(dev, lab_broker.port)) as backend:
        with closing(Device(dev, lab_broker.port, tmp_path)) as device:
            backend.ack()
            wait_until(device, lambda: device.relay.state.commits)
            device.append(0, 2)
            backend.wait_for(lambda: len(backend.has) == 2)
        backend.ack()
    with closing(Device(dev, lab_broker.port, tmp_path)) as device:
        wait_until(device, lambda: device.outbox.depth() == 0)
        assert device.relay.state.commits


@pytest.mark.skipif("mosquitto" not in available_kinds(), reason="needs mosquitto")
def test_a_broker_that_withholds_the_acks_still_takes_the_counts(dev, tmp_path):
    acl = tmp_path / "acl"
    acl.write_text(f"topic write pc/v1/t/{dev}/#\ntopic deny pc/v1/t/{dev}/ack\n", "utf-8")
    lines = [f"acl_file {acl}"]
    with (
        LabBroker("mosquitto", mosquitto_lines=lines) as lab,
        closing(Device(dev, lab.port, tmp_path)) as device,
    ):
        device.append(0, 2)
        wait_until(device, lambda: device.outbox.depth() == 0)
        assert not device.relay.state.commits


def test_a_subscription_that_fails_costs_the_acks_only(lab_broker, dev, tmp_path):
    with closing(Device(dev, lab_broker.port, tmp_path, topic="not/#/a/filter")) as device:
        device.append(0, 2)
        wait_until(device, lambda: device.outbox.depth() == 0)


def test_the_service_hears_the_acks(lab_broker, dev, tmp_path):
    config = load(Path("config/demo.yaml"))
    device = config.device.model_copy(update={"id": dev, "tenant": "t"})
    config = with_broker(
        config.model_copy(update={"device": device}), f"mqtt://127.0.0.1:{lab_broker.port}"
    )
    with (
        closing(SqliteOutbox(tmp_path / "outbox.db", dev)) as outbox,
        closing(Backend(dev, lab_broker.port)) as backend,
    ):
        backend.ack()
        health = lambda _: Health(0, 0)  # noqa: E731
        by = Provenance("c", "m")
        station = Station(config, SystemClock(), outbox, by, interval_s=900, health=health)
        station.start()
        try:
            outbox.append(buckets(0, 2))
            station.relay.wake.set()
            backend.wait_for(lambda: len(backend.has) == 2)
            assert outbox.depth() == 2
            assert station.relay.state.commits
            backend.ack()
            backend.read_answers()
            command = {"v": "1.0", "id": "x", "from": "1970-01-01T00:00:00Z"}
            backend.ask(command | {"to": "1970-01-01T00:00:01Z"})
            backend.wait_for(lambda: backend.seen.count(2) == 2)
            backend.ask(command)
            backend.wait_for(lambda: len(backend.answers) == 2)
            assert [a["state"] for a in backend.answers] == ["accepted", "rejected"]
            ready = threading.Event()
            assert any(outbox.depth() == 0 or ready.wait(0.05) for _ in range(300))
        finally:
            station.stop()
