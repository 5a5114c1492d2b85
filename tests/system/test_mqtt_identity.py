"""Who may do what: the shipped broker config and access list, on a real mosquitto, over TLS."""

import random
import socket
import ssl
import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import lab_ca as authority
import pytest

from edge.adapters.broker_mqtt import MqttBroker
from edge.adapters.clock import SystemClock
from edge.adapters.lab_broker import LabBroker, available_kinds
from edge.adapters.mqtt_connection import Connection
from edge.adapters.mqtt_settings import MqttSettings, failure_sentence, tls_context
from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.config import load
from edge.delivery import Relay, RelayLimits
from edge.errors import BrokerError
from edge.messages import Health, ack_message, health_message, status_message
from edge.records import parse_counts
from edge.station import Station
from edge.vocabulary import CountBucket, Message, Outcome, Provenance, Receipt, TimeQuality

WAIT_S = 10.0
CONFIG = Path("config/mosquitto")
PROVENANCE = Provenance("c", "m")
NOW = datetime.now(UTC)
# /etc/mosquitto/mosquitto.conf as Debian ships it, with a folder instead of its paths.
DEBIAN = """\
pid_file {folder}/mosquitto.pid
persistence true
persistence_location {folder}/
log_dest file {folder}/mosquitto.log
include_dir {folder}/conf.d
"""

pytestmark = pytest.mark.skipif("mosquitto" not in available_kinds(), reason="needs mosquitto")


class ShippedBroker(LabBroker):
    """mosquitto with config/mosquitto as it is, but for the port and the paths."""

    def __init__(self, folder, ca, certificate=None):
        super().__init__("mosquitto")
        self._etc = folder
        (folder / "conf.d").mkdir()
        (folder / "lobbycount").mkdir()
        certificate = certificate or authority.Pair(ca / "broker.pem", ca / "broker.key")
        for source, name in (
            (ca / "ca.pem", "ca.pem"),
            (certificate.cert, "broker.pem"),
            (certificate.key, "broker.key"),
            (CONFIG / "acl", "acl"),
        ):
            (folder / "lobbycount" / name).write_bytes(source.read_bytes())

    def _mosquitto_config(self):
        text = (CONFIG / "lobbycount.conf").read_text("utf-8")
        assert text.count("\nlistener 8883\n") == 1
        text = text.replace("\nlistener 8883\n", f"\nlistener {self.port} {self.host}\n")
        text = text.replace("/etc/mosquitto/", f"{self._etc}/")
        (self._etc / "conf.d" / "lobbycount.conf").write_text(text, "utf-8")
        lines = super()._mosquitto_config().splitlines()
        user = next(line for line in lines if line.startswith("user "))
        return DEBIAN.format(folder=self._etc) + user + "\n"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory, lab_ca):
    with ShippedBroker(tmp_path_factory.mktemp("shipped"), lab_ca) as broker:
        yield broker


@pytest.fixture
def identity(shipped, lab_ca):
    """Settings of one who has a certificate of the lab."""

    def settings(name, **changes):
        return as_(lab_ca / name, lab_ca, shipped.port, **changes)

    return settings


def as_(stem, ca, port, **changes):
    plain = MqttSettings(
        "127.0.0.1",
        port,
        ca_file=ca / "ca.pem",
        cert_file=stem.with_suffix(".pem"),
        key_file=stem.with_suffix(".key"),
        connect_timeout_s=5,
        publish_timeout_s=5,
    )
    return replace(plain, **changes)


@pytest.fixture
def connect(identity):
    """Open connections that end with the test."""
    opened = []

    def open_(name, on_message=None, client_id="whatever"):
        opened.append(
            Connection(identity(name), client_id, clean_start=True, on_message=on_message)
        )
        return opened[-1]

    yield open_
    for connection in opened:
        connection.leave()


def mqtt_broker(settings, dev):
    return MqttBroker(
        settings,
        dev,
        will=lambda: status_message("t", dev, 0, "lost"),
        birth=lambda: [status_message("t", dev, 0, "online")],
    )


def buckets(count):
    return [
        CountBucket("door", n, n + 1, {Outcome.IN: 1}, 1.0, None, TimeQuality.NTP, PROVENANCE)
        for n in range(count)
    ]


def eventually(predicate, seconds=WAIT_S):
    pause = threading.Event()
    return any(predicate() or pause.wait(0.02) for _ in range(int(seconds / 0.02)))


def refusal(settings):
    with pytest.raises(BrokerError) as caught:
        mqtt_broker(settings, "lobby-a").connect()
    sentence = str(caught.value)
    assert sentence.startswith(f"{settings.host}:{settings.port}: ")
    assert "\n" not in sentence
    return sentence


# --- What a device is for ------------------------------------------------------------------


def tls_of(ca, name):
    return {
        "ca_certs": str(ca / "ca.pem"),
        "certfile": str(ca / f"{name}.pem"),
        "keyfile": str(ca / f"{name}.key"),
    }


def test_a_device_delivers_under_its_own_name(shipped, lab_ca, open_inbox, tmp_path):
    inbox = open_inbox(shipped.port, "pc/v1/#", tls_of(lab_ca, "backends/evaluation"))
    path = tmp_path / "lobby.yaml"
    path.write_text(
        f"""
device: {{tenant: t, id: lobby-a}}
camera: {{source: clip.mp4}}
lines: [{{id: door, points: [[0.2, 0.5], [0.8, 0.5]], in: down}}]
mqtt:
  host: 127.0.0.1
  port: {shipped.port}
  tls:
    ca: {lab_ca}/ca.pem
    cert: {lab_ca}/devices/lobby-a.pem
    key: {lab_ca}/devices/lobby-a.key
  insecure_lab: true
""",
        "utf-8",
    )
    with closing(SqliteOutbox(tmp_path / "outbox.db", "lobby-a")) as outbox:
        outbox.append(buckets(3))
        station = Station(
            load(path), SystemClock(), outbox, PROVENANCE, interval_s=900,
            health=lambda _: Health(0, 0),
        )  # fmt: skip
        station.start()
        try:
            assert eventually(lambda: outbox.depth() == 0)
            assert station.relay.state.last_error is None
        finally:
            station.stop()
    inbox.wait_on("status", b'"offline"')
    for leaf in ("counts", "status", "info", "health", "privacy"):
        assert inbox.on(leaf), leaf
    assert [r.seq for m in inbox.on("counts") for r in parse_counts(m.payload)] == [1, 2, 3]
    # `insecure_lab` allows plain text; with a tls section there is none, and that is said.
    privacy = inbox.on("privacy")[-1].payload
    assert b'"transport":"tls"' in privacy
    assert b'"insecure_lab":false' in privacy


def test_a_device_on_the_topic_of_another_is_refused_and_keeps_its_records(identity, tmp_path):
    with closing(SqliteOutbox(tmp_path / "outbox.db", "lobby-b")) as outbox:
        relay = Relay(
            outbox,
            mqtt_broker(identity("devices/lobby-a"), "lobby-b"),
            SystemClock(),
            tenant="t",
            dev="lobby-b",
            health=lambda _: health_message("t", "lobby-b", 0, Health(0, 0), interval_s=60),
            farewell=tuple,
            rng=random.Random(1),
            limits=RelayLimits(retry_min_s=0.05, retry_max_s=0.2),
        )
        outbox.append(buckets(2))
        stop = threading.Event()
        thread = threading.Thread(target=relay.run, args=(stop,))
        thread.start()
        try:
            assert eventually(lambda: "refuses the counts" in (relay.state.last_error or ""))
            assert relay.state.connected
            assert "t/lobby-b (Not authorized)" in (relay.state.last_error or "")
            assert "the records are kept" in (relay.state.last_error or "")
            assert outbox.depth() == 2
        finally:
            stop.set()
            relay.wake.set()
            thread.join(WAIT_S)
        assert outbox.depth() == 2


# --- The access list -----------------------------------------------------------------------

WRITTEN_BY_DEVICES = (
    "counts", "status", "info", "health", "privacy", "head", "config/reported", "rsp/backfill",
    "update/reported", "update/want",
)  # fmt: skip
WRITTEN_BY_BACKENDS = ("ack", "config/desired", "cmd/backfill")
WRITTEN_BY_UPDATES = ("update/desired", "update/piece")


def may_write(connection, dev, leaf):
    receipt = connection.publish(Message(f"pc/v1/t/{dev}/{leaf}", b"", 1, False))
    assert receipt in {Receipt.ACCEPTED, Receipt.REFUSED}
    return receipt is Receipt.ACCEPTED


def test_a_device_writes_its_own_topics_and_no_others(connect):
    device = connect("devices/lobby-a")
    for leaf in WRITTEN_BY_DEVICES:
        assert may_write(device, "lobby-a", leaf), leaf
        assert not may_write(device, "lobby-b", leaf), leaf
    for leaf in (
        *WRITTEN_BY_BACKENDS,
        *WRITTEN_BY_UPDATES,
        "anything",
        "counts/more",
        "config",
        "rsp/a/b",
    ):
        assert not may_write(device, "lobby-a", leaf), leaf
        assert not may_write(device, "lobby-b", leaf), leaf
    discovery = Message("homeassistant/device/lobby-a/config", b"", 1, True)
    assert device.publish(discovery) is Receipt.REFUSED


def test_the_backend_acks_and_configures_and_cannot_count(connect):
    backend = connect("backends/evaluation")
    assert all(may_write(backend, "lobby-a", leaf) for leaf in WRITTEN_BY_BACKENDS)
    for leaf in (*WRITTEN_BY_DEVICES, *WRITTEN_BY_UPDATES):
        assert not may_write(backend, "lobby-a", leaf), leaf


def test_who_offers_updates_does_nothing_else(connect):
    heard = Heard()
    device, updates = connect("devices/lobby-a", heard), connect("backends/update")
    device.subscribe("pc/v1/t/lobby-a/update/+")
    assert all(may_write(updates, "lobby-a", leaf) for leaf in WRITTEN_BY_UPDATES)
    for leaf in WRITTEN_BY_UPDATES:
        heard.wait_for(f"pc/v1/t/lobby-a/{leaf}")
    for leaf in (*WRITTEN_BY_DEVICES, *WRITTEN_BY_BACKENDS):
        assert not may_write(updates, "lobby-a", leaf), leaf


def test_a_monitor_only_looks(connect):
    monitor = connect("backends/monitor")
    leaves = (*WRITTEN_BY_DEVICES, *WRITTEN_BY_BACKENDS, *WRITTEN_BY_UPDATES)
    assert not any(may_write(monitor, "lobby-a", leaf) for leaf in leaves)


class Heard:
    """What a subscriber got, in order."""

    def __init__(self):
        self.topics = []
        self._changed = threading.Condition()

    def __call__(self, topic, _payload, _retained):
        with self._changed:
            self.topics.append(topic)
            self._changed.notify_all()

    def wait_for(self, topic):
        with self._changed:
            assert self._changed.wait_for(lambda: topic in self.topics, WAIT_S), self.topics


@pytest.mark.parametrize("retain", [False, True])
def test_a_device_hears_what_is_meant_for_it_and_nothing_else(connect, retain):
    backend = connect("backends/evaluation")
    heard = Heard()
    device = connect("devices/lobby-a", heard)
    if not retain:
        device.subscribe("pc/v1/#")
    other = connect("devices/lobby-b")
    assert may_write(other, "lobby-b", "counts")
    for dev in ("lobby-b", "lobby-a"):
        for leaf in WRITTEN_BY_BACKENDS:
            message = Message(f"pc/v1/t/{dev}/{leaf}", b"{}", 1, retain)
            assert backend.publish(message) is Receipt.ACCEPTED
    if retain:
        device.subscribe("pc/v1/#")
    heard.wait_for("pc/v1/t/lobby-a/cmd/backfill")
    for dev in ("lobby-b", "lobby-a"):
        for leaf in WRITTEN_BY_BACKENDS:
            backend.publish(Message(f"pc/v1/t/{dev}/{leaf}", b"", 1, True))
    heard.wait_for("pc/v1/t/lobby-a/ack")
    assert set(heard.topics) == {f"pc/v1/t/lobby-a/{leaf}" for leaf in WRITTEN_BY_BACKENDS}


def test_backend_and_monitor_hear_everything(connect):
    heard = {name: Heard() for name in ("evaluation", "monitor")}
    for name, ears in heard.items():
        connect(f"backends/{name}", ears).subscribe("pc/v1/#")
    assert may_write(connect("devices/lobby-a"), "lobby-a", "health")
    for ears in heard.values():
        ears.wait_for("pc/v1/t/lobby-a/health")


def test_nobody_is_pushed_off_by_another_with_its_client_id(connect):
    first = connect("devices/lobby-b", client_id="lobby-b")
    intruder = connect("devices/lobby-a", client_id="lobby-b")
    assert may_write(intruder, "lobby-a", "counts")
    assert may_write(first, "lobby-b", "counts")
    again = connect("devices/lobby-b", client_id="something-else")
    assert may_write(again, "lobby-b", "counts")
    assert eventually(lambda: not first.up)
    assert "used twice" in first.trouble


def test_what_a_backend_missed_is_kept_over_a_restart_of_the_broker(lab_ca, tmp_path):
    with ShippedBroker(tmp_path, lab_ca) as broker:
        heard = Heard()
        backend = as_(lab_ca / "backends/evaluation", lab_ca, broker.port, session_expiry_s=3600)
        # mosquitto forgets at its restart who ever connected with a clean start.
        first = Connection(backend, "backend", clean_start=False)
        first.subscribe("pc/v1/+/+/counts")
        first.leave()
        settings = as_(lab_ca / "devices/lobby-a", lab_ca, broker.port)
        device = Connection(settings, "d", clean_start=True)
        assert may_write(device, "lobby-a", "counts")
        device.leave()
        broker._end(kill=False)
        broker.start()
        second = Connection(backend, "backend", clean_start=False, on_message=heard)
        heard.wait_for("pc/v1/t/lobby-a/counts")
        second.leave()


# --- Certificates that will not do, and what the person reads ---------------------------------


@pytest.fixture(scope="module")
def other_ca(tmp_path_factory):
    folder = tmp_path_factory.mktemp("other-ca")
    authority.init(folder)
    authority.broker(folder, ["127.0.0.1"])
    authority.device(folder, "lobby-a")
    return folder


@pytest.fixture(scope="module")
def expired(lab_ca):
    long_ago = NOW - timedelta(days=30)
    return authority.device(lab_ca, "lobby-expired", 10, long_ago).cert.with_suffix("")


def test_an_expired_certificate_of_the_device_is_explained(shipped, lab_ca, expired):
    sentence = refusal(as_(expired, lab_ca, shipped.port))
    day = (NOW - timedelta(days=20)).strftime("%Y-%m-%d")
    assert "the broker refuses this device's certificate" in sentence
    assert f"lobby-expired.pem expired on {day}, today is {NOW:%Y-%m-%d}" in sentence
    assert "have a new one issued" in sentence


def test_a_certificate_of_another_authority_is_explained(shipped, lab_ca, other_ca):
    sentence = refusal(as_(other_ca / "devices/lobby-a", lab_ca, shipped.port))
    assert "refuses this device's certificate" in sentence
    assert "does not know the authority that signed it" in sentence


def test_no_certificate_is_explained(shipped, lab_ca):
    bare = as_(lab_ca / "x", lab_ca, shipped.port, cert_file=None, key_file=None)
    assert "asks for a client certificate; give mqtt.tls.cert and mqtt.tls.key" in refusal(bare)


def test_a_broker_s_certificate_is_not_good_for_a_device(shipped, lab_ca):
    assert "refuses this device's certificate" in refusal(
        as_(lab_ca / "broker", lab_ca, shipped.port)
    )


@pytest.mark.parametrize("who", ["expired", "stranger", "nobody"])
def test_the_same_is_said_with_tls_1_2_where_the_handshake_itself_fails(
    shipped, lab_ca, expired, other_ca, who
):
    stems = {"expired": expired, "stranger": other_ca / "devices/lobby-a", "nobody": lab_ca / "x"}
    settings = as_(stems[who], lab_ca, shipped.port)
    if who == "nobody":
        settings = replace(settings, cert_file=None, key_file=None)
    context = tls_context(settings)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection((settings.host, settings.port), WAIT_S) as plain,
        pytest.raises(ssl.SSLError) as caught,
    ):
        context.wrap_socket(plain, server_hostname=settings.host)
    said = failure_sentence(caught.value, settings)
    expected = {
        "expired": "it has expired",
        "stranger": "does not know the authority",
        "nobody": "asks for a client certificate",
    }
    assert expected[who] in said


def test_key_of_another_certificate_is_explained(shipped, lab_ca, identity):
    wrong = identity("devices/lobby-a", key_file=lab_ca / "devices/lobby-b.key")
    assert "lobby-b.key cannot be used" in refusal(wrong)
    assert "no.key" in refusal(identity("devices/lobby-a", key_file=Path("no.key")))


def test_a_broker_of_another_authority_is_explained(identity, other_ca):
    sentence = refusal(identity("devices/lobby-a", ca_file=other_ca / "ca.pem"))
    assert "not signed by an authority in" in sentence
    assert str(other_ca / "ca.pem") in sentence
    assert "this system's list" in refusal(identity("devices/lobby-a", ca_file=None))


def test_a_broker_of_another_name_is_explained(identity):
    sentence = refusal(identity("devices/lobby-a", host="localhost"))
    assert "certificate is not for 'localhost'; put the name" in sentence


@pytest.mark.parametrize(
    ("begin_days", "days", "said"),
    [(-30, 10, "has expired (today is"), (10, 10, "not valid yet (today is")],
)
def test_dates_of_the_brokers_certificate_are_explained(lab_ca, tmp_path, begin_days, days, said):
    (tmp_path / "old").mkdir()
    for name in ("ca.pem", "ca.key"):
        (tmp_path / "old" / name).write_bytes((lab_ca / name).read_bytes())
    certificate = authority.broker(
        tmp_path / "old", ["127.0.0.1"], days, NOW + timedelta(days=begin_days)
    )
    (tmp_path / "etc").mkdir()
    with ShippedBroker(tmp_path / "etc", lab_ca, certificate) as broker:
        sentence = refusal(as_(lab_ca / "devices/lobby-a", lab_ca, broker.port))
    assert "the broker's certificate" in sentence
    assert said in sentence
    assert "clock" in sentence


def test_plain_text_towards_the_tls_port_is_explained(identity):
    sentence = refusal(identity("devices/lobby-a", insecure_lab=True))
    assert "without an answer" in sentence
    assert "with TLS" in sentence


def test_an_ack_of_a_device_for_itself_does_not_make_it_let_go(connect, identity, tmp_path):
    """The access list is what stands between a stolen certificate and lost records."""
    backend = connect("backends/evaluation")
    ack = ack_message("t", "lobby-a", stream="0" * 16, upto=9)
    assert connect("devices/lobby-b").publish(ack) is Receipt.REFUSED
    assert connect("devices/lobby-a").publish(ack) is Receipt.REFUSED
    assert backend.publish(ack) is Receipt.ACCEPTED
    assert backend.publish(replace(ack, payload=b"")) is Receipt.ACCEPTED
