"""Devices, a real broker, the receiver and a real database, with processes that are killed."""

import json
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
import structlog
from sqlalchemy import create_engine, text

from edge.adapters.broker_mqtt import MqttBroker
from edge.adapters.clock import SystemClock
from edge.adapters.lab_broker import LabBroker, available_kinds
from edge.adapters.mqtt_connection import Connection
from edge.adapters.mqtt_settings import MqttSettings
from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.delivery import Relay, RelayLimits
from edge.errors import BadInputError
from edge.messages import Health, counts_message, health_message, status_message
from edge.sending import SendLimits
from edge.testing import MemoryOutbox
from edge.vocabulary import CountBucket, Message, Outcome, Provenance, TimeQuality
from evaluation.database import Database
from evaluation.errors import StoreError
from evaluation.mqtt_link import SessionSettings
from evaluation.mqtt_session import MqttSession
from evaluation.receiver import Receiver, ReceiverLimits
from evaluation.store import Store
from evaluation.verbs import cli

pytestmark = pytest.mark.skipif(
    "mosquitto" not in available_kinds(),
    reason="needs mosquitto; the other broker has no persistent sessions",
)

WAIT_S = 30.0
POLL_S = 0.05
JANUARY = 1_767_225_600_000
FAST = ReceiverLimits(retry_min_s=0.02, retry_max_s=0.2, poll_s=0.05)
FILTERS = ("pc/v1/+/+/counts", "pc/v1/+/+/head")


def mqtt(port, username=None):
    return MqttSettings("127.0.0.1", port, insecure_lab=True, username=username)


def wait_until(predicate, what=""):
    """Look again and again, for a limited time."""
    never = threading.Event()
    for _ in range(int(WAIT_S / POLL_S)):
        if predicate():
            return
        never.wait(POLL_S)
    raise AssertionError(f"never so: {what or predicate}")


def buckets(counts, first=0):
    by = Provenance("c", "m")
    return [
        CountBucket(
            "door", JANUARY + n * 900_000, JANUARY + (n + 1) * 900_000, {Outcome.IN: entered},
            1.0, None, TimeQuality.NTP, by,
        )
        for n, entered in enumerate(counts, first)
    ]  # fmt: skip


class Device:
    """Outbox on disk, MQTT adapter, running relay."""

    def __init__(self, dev, port, folder):
        self.dev, self.counted = dev, 0
        self.outbox = SqliteOutbox(folder / f"{dev}.db", dev)
        broker = MqttBroker(
            mqtt(port, dev),
            dev,
            will=lambda: status_message("t", dev, 0, "lost"),
            birth=tuple,
            inboxes={f"pc/v1/t/{dev}/ack": self._receive_ack},
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
                sending=SendLimits(records_per_message=3, resend_s=0.5), messages_per_s=200,
                retry_min_s=0.02,
                retry_max_s=0.1, idle_s=0.05, farewell_s=1.0,
            ),
        )  # fmt: skip
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.relay.run, args=(self._stop,))
        self._thread.start()

    def _receive_ack(self, _topic, payload):
        self.relay.receive_ack(payload)

    @property
    def stream(self):
        return self.outbox.stream

    def count(self, *counts):
        self.outbox.append(buckets(counts, self.counted))
        self.counted += len(counts)
        self.relay.wake.set()

    def is_committed(self):
        return self.relay.state.commits and self.outbox.depth() == 0

    def close(self):
        self._stop.set()
        self.relay.wake.set()
        self._thread.join()
        self.outbox.close()


class Running:
    """A receiver in this process."""

    def __init__(self, store, port, client_id="evaluation", filters=FILTERS):
        session = SessionSettings(client_id, filters, 600, 100)
        self._stop = threading.Event()
        receiver = Receiver(store, mqtt(port), session, limits=FAST)
        self._thread = threading.Thread(target=receiver.run, args=(self._stop,))
        self._thread.start()

    def close(self):
        self._stop.set()
        self._thread.join()


@pytest.fixture
def lab():
    with LabBroker("mosquitto") as broker:
        yield broker


@pytest.fixture
def database(database_url):
    with closing(Database(database_url)) as db:
        db.prepare()
        yield db


@pytest.fixture
def sqlite_url(tmp_path):
    return f"sqlite:///{tmp_path}/records.db"


def ask(url, query):
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    try:
        with engine.begin() as connection:
            result = connection.execute(text(query))
            return [tuple(row) for row in result] if result.returns_rows else []
    finally:
        engine.dispose()


def numbers(url):
    return [seq for (seq,) in ask(url, "SELECT seq FROM records ORDER BY dev, seq")]


def evaluation(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "evaluation", *map(str, arguments)],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


@contextmanager
def receiving(port, url, *options):
    """`evaluation receive` as a process of its own, once it has subscribed."""
    broker = f"mqtt://127.0.0.1:{port}"
    process = evaluation(
        "receive", "--broker", broker, "--insecure-lab", "--database", url, *options
    )
    log = []
    try:
        for line in process.stderr:
            log.append(line)
            if '"receiving"' in line:
                break
        else:
            raise AssertionError("".join(log))
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.log = process.communicate(timeout=WAIT_S)[1]


def publish(port, *messages):
    """Publish once and be done: nobody will send it again."""
    connection = Connection(mqtt(port), f"once-{secrets.token_hex(4)}", clean_start=True)
    for message in messages:
        connection.publish(message)
    connection.leave()


def one_message(dev="d1", counts=(1, 2, 3)):
    box = MemoryOutbox(dev)
    box.append(buckets(counts))
    return counts_message("t", dev, box.stream, box.pending(99))


def subscribe_once(port, client_id="evaluation"):
    """Make the broker keep a session for the receiver."""
    MqttSession(mqtt(port), SessionSettings(client_id, FILTERS, 600, 100)).leave()


def test_what_devices_counted_is_what_the_table_adds_up_to(lab, database, database_url, tmp_path):
    rng = random.Random(7)
    with ExitStack() as stack:
        stack.enter_context(closing(Running(Store(database), lab.port)))
        devices = [
            stack.enter_context(closing(Device(f"d{n}", lab.port, tmp_path))) for n in range(4)
        ]
        total = 0
        for device in devices * 3:
            counts = [rng.randrange(50) for _ in range(5)]
            total += sum(counts)
            device.count(*counts)
        for device in devices:
            wait_until(device.is_committed, device.dev)
    assert ask(database_url, "SELECT count(*), sum(count_in) FROM records") == [(60, total)]
    assert ask(database_url, "SELECT count(*) FROM rejected") == [(0,)]
    assert ask(database_url, "SELECT DISTINCT upto, have FROM streams") == [(15, "[]")]


class BrokenStore(Store):
    """A database that is away."""

    def __init__(self, database):
        super().__init__(database)
        self.tried = threading.Event()

    def commit(self, readings, received_ms):
        self.tried.set()
        raise StoreError("away")


def test_without_a_commit_there_is_neither_ack_nor_puback(lab, database, database_url, open_inbox):
    inbox = open_inbox(lab.port)
    subscribe_once(lab.port)
    broken = BrokenStore(database)
    with closing(Running(broken, lab.port)):
        publish(lab.port, one_message())
        assert broken.tried.wait(WAIT_S)
    assert not inbox.on("ack")
    with closing(Running(Store(database), lab.port)):
        # Sent once only, so it is the broker that delivers it again.
        inbox.wait_on("ack", b'"upto":3')
    assert numbers(database_url) == [1, 2, 3]
    assert len(inbox.on("counts")) == 1


def test_a_database_that_is_away_is_waited_for(lab, postgres, tmp_path):
    url = postgres.new_database()
    with ExitStack() as stack:
        stack.callback(postgres.start)
        database = stack.enter_context(closing(Database(url)))
        database.prepare()
        stack.enter_context(closing(Running(Store(database), lab.port)))
        device = stack.enter_context(closing(Device("d1", lab.port, tmp_path)))
        device.count(1, 2)
        wait_until(device.is_committed)
        postgres.kill()
        device.count(3, 4, 5)
        wait_until(lambda: device.relay.state.last_error, "the device misses its ack")
        assert device.outbox.depth() == 3
        postgres.start()
        wait_until(device.is_committed)
        assert numbers(url) == [1, 2, 3, 4, 5]


DIES = """
    import os, signal, sys, threading
    sys.path.insert(0, ".")
    from evaluation.database import Database
    from evaluation.mqtt_link import SessionSettings
    from evaluation.mqtt_session import MqttSession
    from evaluation.receiver import Receiver
    from evaluation.store import Store
    from edge.adapters.mqtt_settings import MqttSettings

    def dying(method, after):
        def wrapper(*arguments):
            result = method(*arguments) if after else None
            os.kill(os.getpid(), signal.SIGKILL)
            return result
        return wrapper

    where, url, port = sys.argv[1:]
    if where == "before-commit":
        Store.commit = dying(Store.commit, False)
    elif where == "after-commit":
        Store.commit = dying(Store.commit, True)
    elif where == "before-puback":
        MqttSession.acknowledge = dying(MqttSession.acknowledge, False)
    session = SessionSettings("evaluation", ("pc/v1/+/+/counts",), 600, 100)
    broker = MqttSettings("127.0.0.1", int(port), insecure_lab=True)
    Receiver(Store(Database(url)), broker, session).run(threading.Event())
"""


@pytest.mark.parametrize(
    ("where", "left"),
    [
        ("before-commit", ([], 0)),
        ("after-commit", ([1, 2, 3], 0)),
        ("before-puback", ([1, 2, 3], 1)),
    ],
)
def test_killed_at_any_step_the_receiver_loses_nothing(lab, sqlite_url, open_inbox, where, left):
    stored, acked = left
    inbox = open_inbox(lab.port)
    subscribe_once(lab.port)
    publish(lab.port, one_message())
    with closing(Database(sqlite_url)) as database:
        database.prepare()
        dead = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(DIES), where, sqlite_url, str(lab.port)],
            stderr=subprocess.DEVNULL,
            timeout=WAIT_S,
            check=False,
        )
        assert dead.returncode == -signal.SIGKILL
        assert numbers(sqlite_url) == stored
        wait_until(lambda: len(inbox.on("ack")) == acked)
        with closing(Running(Store(database), lab.port)):
            wait_until(lambda: len(inbox.on("ack")) > acked)
    assert json.loads(inbox.on("ack")[-1].payload)["upto"] == 3
    assert numbers(sqlite_url) == [1, 2, 3]
    assert ask(sqlite_url, "SELECT count(*) FROM rejected") == [(0,)]


def test_a_broker_that_keeps_sessions_over_a_restart_loses_nothing(
    tmp_path, sqlite_url, open_inbox
):
    kept = tmp_path / "broker"
    kept.mkdir()
    lines = ["persistence true", f"persistence_location {kept}/"]
    with (
        LabBroker("mosquitto", mosquitto_lines=lines) as lab,
        closing(Database(sqlite_url)) as database,
    ):
        database.prepare()
        subscribe_once(lab.port)
        publish(lab.port, one_message())
        lab.stop()
        lab.start()
        inbox = open_inbox(lab.port, "pc/v1/+/+/ack")
        with closing(Running(Store(database), lab.port)):
            inbox.wait_on("ack", b'"upto":3')
            # And while it runs:
            lab.stop()
            lab.start()
            publish(lab.port, one_message(counts=(1, 2, 3, 4)))
            wait_until(lambda: numbers(sqlite_url) == [1, 2, 3, 4])


def test_a_broker_that_has_forgotten_everything_learns_the_acks_again(
    sqlite_url, tmp_path, open_inbox
):
    with LabBroker("mosquitto") as lab, closing(Database(sqlite_url)) as database:
        database.prepare()
        with closing(Running(Store(database), lab.port)):
            with closing(Device("d1", lab.port, tmp_path)) as device:
                device.count(1, 2)
                wait_until(device.is_committed)
            for _ in range(2):  # the first time it might still be busy with those of its start
                lab.kill()
                lab.start()
                open_inbox(lab.port, "pc/v1/+/+/ack").wait_on("ack", b'"upto":2')


@contextmanager
def device_and_receiver(lab, url, tmp_path):
    with closing(Device("d1", lab.port, tmp_path)) as device:
        with receiving(lab.port, url):
            device.count(1, 2, 3)
            wait_until(device.is_committed)
        yield device


def test_a_database_restored_from_an_older_copy_heals_by_itself(lab, sqlite_url, tmp_path):
    file, copy = tmp_path / "records.db", tmp_path / "copy.db"
    with device_and_receiver(lab, sqlite_url, tmp_path) as device:
        shutil.copy(file, copy)
        with receiving(lab.port, sqlite_url):
            device.count(4, 5, 6, 7)
            wait_until(device.is_committed)
        assert numbers(sqlite_url) == [1, 2, 3, 4, 5, 6, 7]
        shutil.copy(copy, file)
        assert numbers(sqlite_url) == [1, 2, 3]
        with receiving(lab.port, sqlite_url):
            wait_until(lambda: numbers(sqlite_url) == [1, 2, 3, 4, 5, 6, 7])
            wait_until(device.is_committed)
        assert ask(sqlite_url, "SELECT sum(count_in) FROM records") == [(28,)]


def test_a_database_that_is_lost_heals_with_the_next_record(lab, sqlite_url, tmp_path):
    with device_and_receiver(lab, sqlite_url, tmp_path) as device:
        (tmp_path / "records.db").unlink()
        with receiving(lab.port, sqlite_url):
            device.count(4)
            wait_until(lambda: numbers(sqlite_url) == [1, 2, 3, 4])
            wait_until(device.is_committed)


def test_rewind_brings_back_rows_that_were_lost(lab, sqlite_url, tmp_path):
    with device_and_receiver(lab, sqlite_url, tmp_path) as device, receiving(lab.port, sqlite_url):
        device.count(*range(60))
        wait_until(device.is_committed)
        ask(sqlite_url, "DELETE FROM records WHERE seq > 1")
        broker = f"mqtt://127.0.0.1:{lab.port}"
        options = ["--broker", broker, "--insecure-lab", "--database", sqlite_url]
        asked = evaluation("rewind", "d1", device.stream, 2, *options)
        out, err = asked.communicate(timeout=WAIT_S)
        assert asked.returncode == 0, err
        assert "again from 2 on" in out
        wait_until(lambda: numbers(sqlite_url) == list(range(1, 64)))
        wait_until(device.is_committed)


def test_a_rewind_with_the_receivers_own_identity_leaves_its_session(sqlite_url, tmp_path):
    """As where the broker takes the client id from the certificate."""
    lines = ["use_username_as_clientid true"]
    with LabBroker("mosquitto", mosquitto_lines=lines) as lab:
        who = ("--username", "evaluation")
        with (
            closing(Device("d1", lab.port, tmp_path)) as device,
            receiving(lab.port, sqlite_url, *who) as receiver,
        ):
            device.count(1)
            wait_until(device.is_committed)
            broker = ["--broker", f"mqtt://127.0.0.1:{lab.port}", "--insecure-lab"]
            evaluation(
                "rewind", "d1", device.stream, 1, *broker, "--database", sqlite_url, *who
            ).communicate(timeout=WAIT_S)
            device.count(2)
            wait_until(lambda: numbers(sqlite_url) == [1, 2])
            wait_until(device.is_committed)
        assert '"resumed": true' in receiver.log
        assert '"resumed": false' not in receiver.log


def test_two_receivers_share_the_work(lab, postgres, tmp_path):
    url = postgres.new_database()
    clients = [f"evaluation-{n}" for n in (1, 2)]
    with ExitStack() as stack:
        receivers = [
            stack.enter_context(receiving(lab.port, url, "--share", "group", "--client-id", client))
            for client in clients
        ]
        devices = [
            stack.enter_context(closing(Device(f"d{n}", lab.port, tmp_path))) for n in range(3)
        ]
        for _ in range(10):
            for device in devices:
                device.count(1, 2, 3)
        for device in devices:
            wait_until(device.is_committed, device.dev)
    assert all('"event": "received"' in receiver.log for receiver in receivers)
    assert ask(url, "SELECT count(*), sum(count_in) FROM records") == [(90, 180)]
    assert ask(url, "SELECT DISTINCT upto, have FROM streams") == [(30, "[]")]


def test_nonsense_from_one_sender_does_not_stop_the_others(lab, sqlite_url, open_inbox):
    inbox = open_inbox(lab.port, "pc/v1/+/+/ack")
    subscribe_once(lab.port)
    with closing(Database(sqlite_url)) as database:
        database.prepare()
        with closing(Running(Store(database), lab.port)):
            for topic in ("pc/v1/t/d9/counts", "pc/v1/t/d9/head", "pc/v1/T/ü/counts"):
                publish(lab.port, Message(topic, b"\x00nonsense", 1, False))
                publish(lab.port, Message(topic, b"", 1, False))
            publish(lab.port, one_message())
            inbox.wait_on("ack", b'"upto":3')
    assert ask(sqlite_url, "SELECT count(*) FROM rejected") == [(6,)]
    assert {message.topic for message in inbox.messages} == {"pc/v1/t/d1/ack"}


def test_sigterm_ends_it_in_order(lab, sqlite_url):
    with receiving(lab.port, sqlite_url) as process:
        process.send_signal(signal.SIGTERM)
        process.wait(WAIT_S)
        assert process.returncode == 0
    publish(lab.port, one_message())
    with receiving(lab.port, sqlite_url):
        wait_until(lambda: numbers(sqlite_url) == [1, 2, 3])


def test_every_device_of_a_crowd_is_acked(lab, sqlite_url, open_inbox):
    """A hundred and sixty messages of eighty devices that waited for the receiver."""
    inbox = open_inbox(lab.port, "pc/v1/+/+/ack")
    subscribe_once(lab.port)
    boxes = [MemoryOutbox(f"d{n}") for n in range(80)]
    for n, box in enumerate(boxes):
        box.append(buckets((1, 2)))
        records = box.pending(2)
        publish(
            lab.port, *(counts_message("t", f"d{n}", box.stream, [record]) for record in records)
        )
    with closing(Database(sqlite_url)) as database:
        database.prepare()
        with closing(Running(Store(database), lab.port)):
            topics = {f"pc/v1/t/d{n}/ack" for n in range(80)}
            assert inbox.wait_for(
                lambda messages: {m.topic for m in messages if b'"upto":2' in m.payload} == topics,
                WAIT_S,
            )
    assert len(numbers(sqlite_url)) == 160


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["receive", "--broker", "mqtt://h", "--database", "sqlite:///x"], "--insecure-lab"),
        (["receive", "--broker", "mqtts://a:b@h", "--database", "sqlite:///x"], "--password-file"),
        (["receive", "--broker", "mqtts://h", "--database", "mysql://u:secret@h/x"], "SQLite"),
        (["receive", "--broker", "mqtts://h", "--database", "nonsense"], "postgresql://"),
        (
            ["receive", "--broker", "mqtts://h", "--database", "sqlite:///x", "--share", "g"],
            "--client-id",
        ),
        (
            ["receive", "--broker", "mqtts://h", "--database", "sqlite:///x", "--tenant", "A/b"],
            "a-z",
        ),
        (["export", "2026-13", "--database", "sqlite:///x"], "2026-01"),
        (["export", "2026-01", "--database", "sqlite:////no/such.db"], "no such file"),
        (["sums", "2026-01", "--database", "sqlite:///x", "--time-zone", "Mars"], "Asia/Shanghai"),
    ],
)
def test_a_mistake_is_told_with_what_works(arguments, said):
    try:
        with pytest.raises(BadInputError) as raised:
            cli(arguments, standalone_mode=False)
    finally:
        structlog.reset_defaults()
    assert said in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_database_of_something_else_ends_the_service(sqlite_url):
    ask(sqlite_url, "CREATE TABLE records (id INTEGER)")
    for url, said, code in (
        (sqlite_url, "of something else", 2),
        ("sqlite:////no/such/folder/x.db", "unable to open", 1),
    ):
        process = evaluation("receive", "--broker", "mqtts://127.0.0.1:1", "--database", url)
        _, err = process.communicate(timeout=WAIT_S)
        assert process.returncode == code
        assert said in err
        assert "Traceback" not in err


def test_export_and_sums_as_a_person_asks_for_them(sqlite_url, tmp_path):
    from evaluation.ingest import read

    sent = one_message()
    with closing(Database(sqlite_url)) as database:
        database.prepare()
        Store(database).commit([read(sent.topic, sent.payload)], JANUARY)
    out = tmp_path / "january.ndjson"
    done = evaluation("export", "2026-01", "--database", sqlite_url, "--out", out)
    done.communicate(timeout=WAIT_S)
    assert done.returncode == 0
    lines = out.read_text("utf-8").splitlines()
    assert ",".join(lines).encode() in sent.payload
    piped, _ = evaluation("export", "2026-01", "--database", sqlite_url).communicate(timeout=WAIT_S)
    assert piped.splitlines() == lines
    environment = os.environ | {"EVALUATION_DATABASE": sqlite_url}
    table, _ = evaluation("sums", "2026-01", env=environment).communicate(timeout=WAIT_S)
    assert "door" in table
    assert "100.0 %" in table
    told, _ = evaluation("sums", "2026-01", "--json", env=environment).communicate(timeout=WAIT_S)
    assert json.loads(told)["lines"][0]["entered"] == 6


def test_without_the_extra_it_says_what_to_install(tmp_path):
    (tmp_path / "sqlalchemy.py").write_text(
        "raise ModuleNotFoundError('gone', name='sqlalchemy')\n", "utf-8"
    )
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{Path.cwd()}"}
    process = evaluation("--help", env=environment)
    _, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 2
    assert "pip install 'lobbycount[evaluation]'" in err
