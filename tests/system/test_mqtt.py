"""Delivery over real brokers, seen by a subscriber that shares no code with the product."""

import gc
import json
import random
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from edge.adapters.broker_mqtt import MqttBroker
from edge.adapters.clock import SystemClock
from edge.adapters.lab_broker import Kind, LabBroker, available_kinds
from edge.adapters.listener_mqtt import listen
from edge.adapters.mqtt_connection import Connection
from edge.adapters.mqtt_packets import publish_properties, publish_size
from edge.adapters.mqtt_settings import MqttSettings
from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.delivery import Relay, RelayLimits, RelayState
from edge.errors import BrokerError
from edge.messages import Health, health_message, info_message, status_message
from edge.records import CountRecord, parse_counts, verify_chain
from edge.vocabulary import (
    CountBucket,
    Line,
    Message,
    Outcome,
    Provenance,
    Receipt,
    TimeQuality,
)

WAIT_S = 10.0
NOW_MS = 1_767_225_600_000
PROVENANCE = Provenance("c", "m")
OpenInbox = Callable[..., Any]
StartStub = Callable[..., int]

needs_mosquitto = pytest.mark.skipif("mosquitto" not in available_kinds(), reason="needs mosquitto")


def settings(port: int, **changes: Any) -> MqttSettings:
    plain = MqttSettings(
        "127.0.0.1", port, insecure_lab=True, connect_timeout_s=5, publish_timeout_s=5
    )
    return replace(plain, **changes)


def mqtt_broker(dev: str, port: int, **changes: Any) -> MqttBroker:
    return MqttBroker(
        settings(port, **changes),
        dev,
        will=lambda: status_message("t", dev, NOW_MS, "lost"),
        birth=lambda: [
            info_message(
                "t",
                dev,
                NOW_MS,
                software="0.1.0",
                stream="0011223344556677",
                provenance=PROVENANCE,
                lines=[Line("door", ((0, 0), (1, 1)), 1, "正门")],
                interval_s=900,
            ),
            status_message("t", dev, NOW_MS, "online"),
        ],
    )


def buckets(first: int, count: int) -> list[CountBucket]:
    return [
        CountBucket(
            "door",
            NOW_MS + index * 1000,
            NOW_MS + (index + 1) * 1000,
            {Outcome.IN: 1},
            1.0,
            None,
            TimeQuality.NTP,
            PROVENANCE,
        )
        for index in range(first, first + count)
    ]


class Device:
    """An outbox on disk and a running relay, as the service has them."""

    def __init__(self, dev: str, port: int, folder: Path, **limits: Any) -> None:
        self.dev = dev
        self.outbox = SqliteOutbox(folder / f"{dev}.db", dev)
        quick: dict[str, Any] = {
            "records_per_message": 10,
            "messages_per_s": 200.0,
            "retry_min_s": 0.05,
            "retry_max_s": 0.2,
        }
        self.relay = Relay(
            self.outbox,
            mqtt_broker(dev, port),
            SystemClock(),
            tenant="t",
            dev=dev,
            health=self._health,
            farewell=lambda: [status_message("t", dev, NOW_MS, "offline")],
            rng=random.Random(1),
            limits=RelayLimits(**{**quick, **limits}),
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.relay.run, args=(self._stop,))
        self._thread.start()
        self._appended = 0

    def _health(self, _state: RelayState) -> Message:
        health = Health(uptime_s=1, queue=self.outbox.depth())
        return health_message("t", self.dev, NOW_MS, health, interval_s=60)

    def append(self, count: int) -> None:
        self.outbox.append(buckets(self._appended, count))
        self._appended += count
        self.relay.wake.set()

    def stop(self) -> None:
        self._stop.set()
        self.relay.wake.set()
        self._thread.join(30)
        assert not self._thread.is_alive()
        self.outbox.close()


@pytest.fixture
def start_device(tmp_path: Path) -> Iterator[Callable[..., Device]]:
    started: list[Device] = []

    def start(dev: str, port: int, **limits: Any) -> Device:
        started.append(Device(dev, port, tmp_path, **limits))
        return started[-1]

    yield start
    for device in started:
        device.stop()


def records_in(messages: Any) -> list[CountRecord]:
    return [
        record
        for message in messages
        if message.topic.endswith("/counts")
        for record in parse_counts(message.payload)
    ]


def eventually(predicate: Callable[[], Any], timeout_s: float = WAIT_S) -> Any:
    pause = threading.Event()
    for _ in range(int(timeout_s / 0.02)):
        if predicate():
            break
        pause.wait(0.02)
    return predicate()


def test_everything_arrives_in_order_without_a_gap(
    lab_broker: LabBroker, open_inbox: OpenInbox, start_device: Callable[..., Device]
) -> None:
    inbox = open_inbox(lab_broker.port, "pc/v1/t/in-order/#")
    device = start_device("in-order", lab_broker.port)
    for _ in range(30):
        device.append(10)
    assert inbox.wait_for(lambda messages: len(records_in(messages)) >= 300)
    records = records_in(inbox.messages)
    assert [record.seq for record in records] == list(range(1, 301))
    assert records[-1].tot_in == 300
    verify_chain(records)
    assert eventually(lambda: device.outbox.depth() == 0)
    counts = inbox.on("counts")[0]
    assert (counts.qos, counts.user[0]) == (1, ("schema", "counts/1.1"))


def test_birth_is_retained_and_orderly_stop_is_seen(
    lab_broker: LabBroker, open_inbox: OpenInbox, start_device: Callable[..., Device]
) -> None:
    device = start_device("birth", lab_broker.port)
    assert eventually(lambda: device.relay.state.connected)
    late = open_inbox(lab_broker.port, "pc/v1/t/birth/#")
    info = late.wait_on("info", "正门".encode())
    assert info.retained
    assert late.wait_on("status", b'"online"').retained
    health = late.wait_on("health", b'"queue":0')
    assert health.expiry_s is not None
    assert 0 < health.expiry_s <= 180
    device.append(25)
    device.stop()
    late.wait_on("status", b'"offline"')
    assert [record.seq for record in records_in(late.messages)] == list(range(1, 26))
    lost = late.wait_for(lambda messages: [m for m in messages if b'"lost"' in m.payload], 0.5)
    assert not lost
    afterwards = open_inbox(lab_broker.port, "pc/v1/t/birth/status")
    assert afterwards.wait_on("status", b'"offline"').retained


def test_broker_that_comes_late_gets_everything(
    broker_kind: Kind, open_inbox: OpenInbox, start_device: Callable[..., Device]
) -> None:
    broker = LabBroker(broker_kind)
    broker.start()
    broker.stop()
    device = start_device("early", broker.port)
    device.append(15)
    assert eventually(lambda: "refused" in (device.relay.state.last_error or ""))
    assert device.outbox.depth() == 15
    with broker:
        inbox = open_inbox(broker.port)
        # The subscriber may come after the first batches; what counts is the outbox.
        assert eventually(lambda: device.outbox.depth() == 0)
        device.append(5)
        assert inbox.wait_for(lambda messages: 20 in [r.seq for r in records_in(messages)])


def test_broker_killed_midway_loses_nothing_that_was_not_acknowledged(
    broker_kind: Kind, open_inbox: OpenInbox, start_device: Callable[..., Device]
) -> None:
    with LabBroker(broker_kind) as broker:
        inbox = open_inbox(broker.port)
        device = start_device("survivor", broker.port, records_per_message=1, messages_per_s=100)
        device.append(60)
        assert inbox.wait_for(lambda messages: len(records_in(messages)) >= 5)
        broker.kill()
        left = device.outbox.depth()
        assert left > 0
        assert eventually(lambda: not device.relay.state.connected)
        device.append(5)
        broker.start()
        second = open_inbox(broker.port)
        assert eventually(lambda: device.outbox.depth() == 0)
        device.append(1)
        assert second.wait_for(lambda messages: 66 in [r.seq for r in records_in(messages)])
        records = {record.seq: record for record in records_in(inbox.messages + second.messages)}
        # A PUBACK is not delivery: what the dying broker took and had not passed on is gone.
        assert set(range(1, 67)) - set(records) <= set(range(5, 66 - left))


@needs_mosquitto
def test_refused_publish_is_refused_and_the_rows_are_kept(
    tmp_path: Path, open_inbox: OpenInbox, start_device: Callable[..., Device]
) -> None:
    acl = tmp_path / "acl"
    acl.write_text(
        "topic write pc/v1/t/+/status\ntopic write pc/v1/t/+/info\n"
        "topic write pc/v1/t/+/health\ntopic read pc/v1/#\n"
    )
    with LabBroker("mosquitto", mosquitto_lines=[f"acl_file {acl}"]) as lab:
        inbox = open_inbox(lab.port)
        device = start_device("refused", lab.port)
        device.append(3)
        assert eventually(lambda: "refuses the counts" in (device.relay.state.last_error or ""))
        assert device.relay.state.connected
        assert device.outbox.depth() == 3
        inbox.wait_on("status", b'"online"')
        assert inbox.on("counts") == []


# A device that says when it is connected and then waits to be killed.
CONNECTED_DEVICE = """
import sys
from edge.adapters.broker_mqtt import MqttBroker
from edge.adapters.mqtt_settings import MqttSettings
from edge.messages import status_message

broker = MqttBroker(
    MqttSettings("127.0.0.1", int(sys.argv[1]), insecure_lab=True, will_delay_s=1),
    "mortal",
    will=lambda: status_message("t", "mortal", 0, "lost"),
    birth=lambda: [status_message("t", "mortal", 0, "online")],
)
broker.connect()
print("connected", flush=True)
sys.stdin.read()
"""


def test_will_is_sent_and_retained_when_the_device_dies(
    lab_broker: LabBroker, open_inbox: OpenInbox
) -> None:
    inbox = open_inbox(lab_broker.port, "pc/v1/t/mortal/#")
    with subprocess.Popen(
        [sys.executable, "-c", CONNECTED_DEVICE, str(lab_broker.port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as device:
        assert device.stdout is not None
        assert b"connected\n" in iter(device.stdout.readline, b"")
        inbox.wait_on("status", b'"online"')
        device.kill()
        inbox.wait_on("status", b'"lost"')
    late = open_inbox(lab_broker.port, "pc/v1/t/mortal/#")
    assert late.wait_on("status", b'"lost"').retained


def test_a_blip_of_the_network_is_not_told(lab_broker: LabBroker, open_inbox: OpenInbox) -> None:
    """Who comes back before the delay is over is not lost; who stays away longer is."""
    inbox = open_inbox(lab_broker.port)
    back, gone = (mqtt_broker(dev, lab_broker.port, will_delay_s=1) for dev in ("back", "gone"))
    back.connect()
    gone.connect()
    inbox.wait_on("back/status", b'"online"')
    back._abandon()  # without a DISCONNECT, as when the network goes
    back.connect()
    gone._abandon()
    inbox.wait_on("gone/status", b'"lost"')
    # The will of `back` would have been due before that.
    assert [m for m in inbox.on("back/status") if b'"lost"' in m.payload] == []
    back.disconnect()


def test_publish_without_a_connection_is_lost_and_after_an_end_too(broker_kind: Kind) -> None:
    with LabBroker(broker_kind) as lab:
        broker = mqtt_broker("alone", lab.port)
        message = status_message("t", "alone", NOW_MS, "online")
        assert broker.publish(message) is Receipt.LOST
        broker.connect()
        assert broker.publish(message) is Receipt.ACCEPTED
        lab.kill()
        assert eventually(lambda: not broker.connected)
        assert broker.publish(message) is Receipt.LOST
        with pytest.raises(BrokerError):
            broker.connect()
        lab.start()
        broker.connect()
        assert broker.connected
        assert broker.publish(message) is Receipt.ACCEPTED
        broker.disconnect([message])
        broker.disconnect()
        assert not broker.connected


def test_broker_that_takes_but_does_not_answer_is_lost_and_left(stub_port: StartStub) -> None:
    port = stub_port([bytes([0x20, 3, 0, 0, 0])])
    broker = mqtt_broker("patient", port, publish_timeout_s=0.3)
    broker._birth = tuple
    broker.connect()
    assert broker.publish(status_message("t", "patient", NOW_MS, "online")) is Receipt.LOST
    assert not broker.connected


@pytest.fixture
def stub_port() -> Iterator[StartStub]:
    """A server that answers packet for packet with given bytes, then says nothing more."""
    ends: list[Callable[[], None]] = []

    def start(answers: list[bytes], heard: list[bytes] | None = None) -> int:
        heard = [] if heard is None else heard
        server = socket.create_server(("127.0.0.1", 0))
        server.settimeout(WAIT_S)

        def serve() -> None:
            peer, _ = server.accept()
            with peer:
                peer.settimeout(WAIT_S)
                for answer in answers:
                    heard.append(peer.recv(4096))
                    peer.sendall(answer)
                while peer.recv(4096):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        ends.extend([thread.join, server.close])
        return int(server.getsockname()[1])

    yield start
    for end in ends:
        end()


def refusal(broker: MqttBroker) -> str:
    with pytest.raises(BrokerError) as caught:
        broker.connect()
    assert not broker.connected
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def test_errors_name_host_port_and_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        sentence = refusal(mqtt_broker("d", port, connect_timeout_s=0.3))
        assert sentence.startswith(f"127.0.0.1:{port}: ")
        assert "does not answer" in sentence
    assert "connection refused" in refusal(mqtt_broker("d", port))
    unknown = refusal(mqtt_broker("d", 1883, host="no-such-host.invalid"))
    assert unknown.startswith("no-such-host.invalid:1883: ")
    assert "cannot be resolved" in unknown


@needs_mosquitto
def test_wrong_password_is_explained_and_never_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    passwords = tmp_path / "passwords"
    passwords.touch()
    lines = ["allow_anonymous false", f"password_file {passwords}"]
    with LabBroker("mosquitto", mosquitto_lines=lines) as lab:
        broker = mqtt_broker("d", lab.port, username="d", password="hunter2-secret")
        sentence = refusal(broker)
    assert "Not authorized" in sentence
    shown = sentence + repr(broker._settings) + caplog.text + "".join(capsys.readouterr())
    assert "hunter2-secret" not in shown


@needs_mosquitto
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("retain_available false", "must allow retained messages"),
        ("max_qos 0", "must allow quality of service 1"),
        ("allow_anonymous false", "check user name, password and client certificate"),
    ],
)
def test_why_the_broker_refuses_the_connection_is_explained(line: str, said: str) -> None:
    with LabBroker("mosquitto", mosquitto_lines=[line]) as lab:
        sentence = refusal(mqtt_broker("d", lab.port))
    assert "the broker refused the connection (" in sentence
    assert said in sentence


def string(text: str) -> bytes:
    return len(text).to_bytes(2, "big") + text.encode()


REASON_STRING = b"\x1f" + string("not\nnow")
CONNACK = bytes([0x20, 3, 0, 0, 0])


def test_the_brokers_own_words_are_passed_on(stub_port: StartStub) -> None:
    """PUBACK 0x97 quota exceeded, then DISCONNECT 0x8E session taken over."""
    length = len(REASON_STRING)
    puback = bytes([0x40, 4 + length, 0, 1, 0x97, length]) + REASON_STRING
    end = bytes([0xE0, 2 + length, 0x8E, length]) + REASON_STRING
    broker = mqtt_broker("told", stub_port([CONNACK, puback, end]))
    broker._birth = tuple
    broker.connect()
    message = status_message("t", "told", NOW_MS, "online")
    assert broker.publish(message) is Receipt.REFUSED
    assert broker.trouble == "Quota exceeded: not now"
    assert broker.publish(message) is Receipt.LOST
    assert not broker.connected
    assert broker.trouble.startswith("the broker ended it (Session taken over: not now); is this")
    broker.disconnect()
    assert broker.trouble == "there is no connection"


def test_a_refused_connection_says_what_the_broker_says(stub_port: StartStub) -> None:
    length = len(REASON_STRING)
    connack = bytes([0x20, 3 + length, 0, 0x89, length]) + REASON_STRING
    sentence = refusal(mqtt_broker("d", stub_port([connack])))
    assert "(Server busy: not now); it is tried again later" in sentence


@needs_mosquitto
def test_the_largest_packet_a_broker_takes_is_known(
    open_inbox: OpenInbox, start_device: Callable[..., Device]
) -> None:
    with LabBroker("mosquitto", mosquitto_lines=["max_packet_size 3000"]) as lab:
        inbox = open_inbox(lab.port)
        with structlog.testing.capture_logs() as logs:
            device = start_device("small", lab.port)
            device.append(60)
            assert eventually(lambda: device.outbox.depth() == 0)
        assert inbox.wait_for(lambda messages: len(records_in(messages)) == 60)
        assert "connection lost" not in [entry["event"] for entry in logs]
        assert {entry["event"] for entry in logs} >= {"publish too large"}


@pytest.mark.parametrize("payload", [10, 60, 70, 130, 16_300, 16_400])
def test_packets_are_as_large_as_they_are_said_to_be(payload: int) -> None:
    message = Message("pc/v1/t/门/x", b"x" * payload, 1, False, 60, (("a", "é"), ("b", "2")))
    size = publish_size(message, publish_properties(message))
    heard = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(CONNACK)
                while chunk := peer.recv(65_536):
                    heard.extend(chunk)
                    if len(heard) >= size:
                        peer.sendall(bytes([0x40, 2, 0, 1]))

        thread = threading.Thread(target=serve)
        thread.start()
        port = server.getsockname()[1]
        connection = Connection(settings(port, publish_timeout_s=2), "exact", clean_start=True)
        assert connection.publish(message) is Receipt.ACCEPTED
        connection.abort()
        thread.join()
    assert len(heard) == size


def test_tls_towards_a_plain_port_is_explained(lab_broker: LabBroker) -> None:
    assert "TLS" in refusal(
        mqtt_broker("d", lab_broker.port, insecure_lab=False, connect_timeout_s=2)
    )


def test_without_the_lab_flag_not_one_byte_is_plain(stub_port: StartStub) -> None:
    heard: list[bytes] = []
    port = stub_port([b"", b""], heard)
    refusal(mqtt_broker("d", port, insecure_lab=False, password="hunter2", connect_timeout_s=0.5))
    tls_handshake = 0x16  # the record type that begins a ClientHello, RFC 8446 section 5.1
    assert heard[0][0] == tls_handshake
    assert b"MQTT" not in b"".join(heard)


def test_exception_in_a_callback_does_not_kill_the_network_thread(lab_broker: LabBroker) -> None:
    received = threading.Event()

    def explode(topic: str, payload: bytes, retained: bool) -> None:
        if payload == b"second":
            received.set()
        raise RuntimeError("callback")

    connection = Connection(
        settings(lab_broker.port), "fragile", clean_start=True, on_message=explode
    )
    connection.subscribe("fragile/#")
    for payload in (b"first", b"second"):
        connection.publish(Message("fragile/a", payload, 1, False))
    assert received.wait(WAIT_S)
    assert connection.up
    connection.leave()


def test_ended_connection_frees_its_sockets_at_once(lab_broker: LabBroker) -> None:
    connection = Connection(settings(lab_broker.port), "brief", clean_start=True)
    connection.leave()
    client = weakref.ref(connection._client)
    gc.disable()
    try:
        del connection
        assert client() is None
    finally:
        gc.enable()


class Listening:
    """`listen` in a thread."""

    def __init__(self, port: int, topic_filter: str) -> None:
        self.got: list[tuple[str, bytes, bool]] = []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(port, topic_filter))
        self.thread.start()

    def _run(self, port: int, topic_filter: str) -> None:
        self.got.extend([("started", b"", False)])
        for received in listen(settings(port), topic_filter, self.stop):
            self.got.append(received)

    def end(self) -> None:
        self.stop.set()
        self.thread.join(WAIT_S)
        assert not self.thread.is_alive()


def test_listener_sees_retained_and_live_messages_and_comes_back(broker_kind: Kind) -> None:
    with LabBroker(broker_kind) as lab:
        broker = mqtt_broker("heard", lab.port)
        broker.connect()
        listening = Listening(lab.port, "pc/v1/+/heard/status")
        try:
            assert eventually(lambda: any(m[2] and b"online" in m[1] for m in listening.got))
            broker.publish(status_message("t", "heard", NOW_MS, "offline"))
            assert eventually(lambda: any(not m[2] and b"offline" in m[1] for m in listening.got))
            with structlog.testing.capture_logs() as logs:
                lab.kill()
                assert eventually(lambda: "cannot listen" in [entry["event"] for entry in logs])
            lab.start()
            assert not broker.connected
            broker.connect()
            before = len(listening.got)
            assert eventually(lambda: any(b"online" in m[1] for m in listening.got[before:]))
        finally:
            listening.end()
            broker.disconnect()


def test_listener_says_when_it_cannot_begin() -> None:
    lab = LabBroker()
    lab.start()
    lab.stop()
    with pytest.raises(BrokerError, match="connection refused"):
        next(listen(settings(lab.port), "#", threading.Event()))


def test_listener_with_a_wrong_filter_says_so(lab_broker: LabBroker) -> None:
    with pytest.raises(BrokerError, match=rf"{lab_broker.port}: subscribing to 'a/#/b' failed"):
        next(listen(settings(lab_broker.port), "a/#/b", threading.Event()))


def test_listener_that_may_not_subscribe_says_so(stub_port: StartStub) -> None:
    """The stub answers SUBACK for packet 1 with 0x87, not authorised."""
    heard: list[bytes] = []
    port = stub_port([bytes([0x20, 3, 0, 0, 0]), bytes([0x90, 4, 0, 1, 0, 0x87])], heard)
    with pytest.raises(BrokerError, match=r"'a/#' failed \(Not authorized\)"):
        next(listen(settings(port), "a/#", threading.Event()))
    session_expiry_300_s = bytes([0x11, 0, 0, 1, 44])
    assert session_expiry_300_s in heard[0]


def test_lab_broker_that_cannot_start_says_so(lab_broker: LabBroker) -> None:
    with pytest.raises(BrokerError, match="cannot listen there"):
        LabBroker(lab_broker.kind, port=lab_broker.port).start()


@needs_mosquitto
def test_lab_broker_that_ends_at_once_says_so() -> None:
    lab = LabBroker("mosquitto", mosquitto_lines=["no such setting"])
    with pytest.raises(BrokerError, match="ended at once with code"):
        lab.start()


def test_payloads_are_json_with_the_keys_of_the_contract(
    lab_broker: LabBroker, open_inbox: OpenInbox
) -> None:
    broker = mqtt_broker("plain", lab_broker.port)
    inbox = open_inbox(lab_broker.port, "pc/v1/t/plain/#")
    broker.connect()
    payload = json.loads(inbox.wait_on("status", b"online").payload)
    assert set(payload) == {"v", "dev", "at", "state", "delivery"}
    broker.disconnect()
