"""A broker that was killed has forgotten the receiver: what it took since then reached nobody."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from edge.adapters.broker_mqtt import MqttBroker
from edge.adapters.clock import SystemClock
from edge.adapters.lab_broker import LabBroker, available_kinds
from edge.adapters.mqtt_settings import MqttSettings
from edge.delivery import Relay, RelayLimits
from edge.messages import Health, health_message, status_message, topic
from edge.sending import SendLimits
from edge.testing import MemoryOutbox
from edge.vocabulary import CountBucket, Outcome, Provenance, TimeQuality
from evaluation.database import Database
from evaluation.mqtt_session import SessionSettings
from evaluation.receiver import Receiver, ReceiverLimits
from evaluation.store import Store

LIMIT_S = 15.0
NEVER_S = 3600.0
DEV = "lobby-1"

pytestmark = pytest.mark.skipif(
    "mosquitto" not in available_kinds(), reason="needs mosquitto, which can be killed and started"
)


def bucket(number: int) -> CountBucket:
    t0_ms = 1_793_491_200_000 + number * 900_000
    return CountBucket(
        "door", t0_ms, t0_ms + 900_000, {Outcome.IN: number}, 1.0, None, TimeQuality.NTP,
        Provenance("c", "m"),
    )  # fmt: skip


def wait_until(predicate: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(int(LIMIT_S / 0.02)):
        if predicate():
            return
        pause.wait(0.02)
    pytest.fail("not in time")


@contextmanager
def running(work: Callable[[threading.Event], None]) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def receiving(database: Path, port: int) -> Iterator[None]:
    def work(stop: threading.Event) -> None:
        with closing(Database(f"sqlite:///{database}")) as db:
            db.prepare()
            session = SessionSettings("receiver", ("pc/v1/+/+/counts",), 600, 100)
            limits = ReceiverLimits(poll_s=0.02, retry_min_s=0.02, retry_max_s=0.1)
            Receiver(Store(db), MqttSettings("127.0.0.1", port, insecure_lab=True), session,
                     limits=limits).run(stop)  # fmt: skip

    # Before it has subscribed nobody would get what is published.
    with capture_logs() as logs, running(work):
        wait_until(lambda: any(entry["event"] == "receiving" for entry in logs))
        yield


@contextmanager
def device(outbox: MemoryOutbox, port: int) -> Iterator[Relay]:
    """A device that sends again only when it is asked to."""
    relay: Relay
    broker = MqttBroker(
        MqttSettings("127.0.0.1", port, insecure_lab=True), DEV,
        will=lambda: status_message("t", DEV, 0, "lost"), birth=tuple,
        inboxes={topic("t", DEV, "ack"): lambda _topic, payload: relay.receive_ack(payload)},
    )  # fmt: skip
    relay = Relay(
        outbox, broker, SystemClock(), tenant="t", dev=DEV,
        health=lambda _: health_message("t", DEV, 0, Health(0, 0), interval_s=60),
        farewell=tuple, rng=random.Random(1),
        limits=RelayLimits(sending=SendLimits(resend_s=NEVER_S), retry_min_s=0.05,
                           retry_max_s=0.1, messages_per_s=100.0, idle_s=0.02),
    )  # fmt: skip
    with running(relay.run):
        yield relay


def test_what_reached_nobody_is_asked_for_at_once(tmp_path: Path) -> None:
    database, outbox = tmp_path / "records.db", MemoryOutbox(DEV)
    with LabBroker("mosquitto") as lab, device(outbox, lab.port) as relay:
        with receiving(database, lab.port):
            outbox.append([bucket(0)])
            wait_until(lambda: relay.state.commits and outbox.depth() == 0)
        lab.kill()
        wait_until(lambda: not relay.state.connected)
        lab.start()
        wait_until(lambda: relay.state.connected)
        before = relay.state.last_accepted_ms
        outbox.append([bucket(1)])
        wait_until(lambda: relay.state.last_accepted_ms != before)
        assert outbox.depth() == 1  # taken by the broker, and by nobody else
        with receiving(database, lab.port):
            wait_until(lambda: outbox.depth() == 0)


def test_every_stream_of_a_device_that_started_meanwhile_is_asked_for(tmp_path: Path) -> None:
    """It does not know of the receiver yet, so a PUBACK has to do for whatever it has."""
    database, outbox = tmp_path / "records.db", MemoryOutbox(DEV)
    with LabBroker("mosquitto") as lab:
        with receiving(database, lab.port), device(outbox, lab.port) as relay:
            outbox.append([bucket(0)])
            wait_until(lambda: relay.state.commits and outbox.depth() == 0)
            outbox.begin_stream()
            outbox.append([bucket(1)])
            wait_until(lambda: outbox.depth() == 0)
        first, second = outbox.streams(retired=True)
        outbox.commit(first, 0)  # as if it had not been sent; sent below, it reaches nobody
        with closing(Database(f"sqlite:///{database}")) as db, db.writing() as connection:
            connection.exec_driver_sql("DELETE FROM records")
            connection.exec_driver_sql("UPDATE streams SET upto = 0, have = '[]'")
        lab.kill()
        lab.start()
        outbox.append([bucket(2)])
        with device(outbox, lab.port) as relay:
            wait_until(lambda: outbox.depth() == 0)
        with device(outbox, lab.port), receiving(database, lab.port):
            wait_until(lambda: received(database) == [(first, 1), (second, 1), (second, 2)])


def received(database: Path) -> list[tuple[str, int]]:
    with closing(Database(f"sqlite:///{database}")) as db, db.reading() as connection:
        query = "SELECT stream, seq FROM records ORDER BY t0_ms"
        return [(stream, seq) for stream, seq in connection.exec_driver_sql(query)]
