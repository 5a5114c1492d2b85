"""`evaluation watch` as a process: a real broker, a real database, and kill -9."""

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from edge.adapters.lab_broker import LabBroker, available_kinds
from edge.adapters.mqtt_connection import Connection
from edge.adapters.mqtt_settings import MqttSettings
from edge.errors import BadInputError
from edge.messages import Health, counts_message, health_message, status_message
from edge.testing import MemoryOutbox
from edge.vocabulary import CountBucket, Message, Outcome, Provenance, TimeQuality
from evaluation import registry
from evaluation.database import Database
from evaluation.ingest import read
from evaluation.mqtt_link import SessionSettings
from evaluation.mqtt_session import MqttSession
from evaluation.registry_rows import device_rows, site_rows
from evaluation.rollup import RollUp
from evaluation.store import Store
from evaluation.verbs import cli
from evaluation.watch import filters

pytestmark = pytest.mark.skipif(
    "mosquitto" not in available_kinds(),
    reason="needs mosquitto; the other broker has no persistent sessions",
)

WAIT_S = 60.0
POLL_S = 0.05
JANUARY = 1_767_225_600_000
QUARTER = 900_000
SITES = "site,name,area,residents,hours\nsite-001,幸福里,和平街道,8200,daily 00:00-24:00\n"
DEVICES = "dev,site,place\nd1,site-001,north\n"
COMMAND = """
import fcntl, json, sys
with open(sys.argv[1], "a") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    file.write(json.dumps(json.load(sys.stdin)) + "\\n")
"""


def wait_until(predicate, what=""):
    """Look again and again, for a limited time; return what was found."""
    never = threading.Event()
    for _ in range(int(WAIT_S / POLL_S)):
        if found := predicate():
            return found
        never.wait(POLL_S)
    raise AssertionError(f"never so: {what or predicate}")


def ask(url, query):
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]
    finally:
        engine.dispose()


def publish(port, *messages):
    settings = MqttSettings("127.0.0.1", port, insecure_lab=True)
    connection = Connection(settings, f"once-{secrets.token_hex(4)}", clean_start=True)
    for message in messages:
        connection.publish(message)
    connection.leave()


def register(kind, payload, site="site-001"):
    return Message(f"reg/v1/t/{site}/{kind}", json.dumps(payload).encode(), 1, False, None)


def ratings(*numbers, site="site-001", level=5):
    rows = [{"rating": f"r-{n}", "at": "2026-02-03 10:20", "level": level} for n in numbers]
    return register("ratings", {"v": "1.0", "rows": rows}, site)


def status(state, dev="d1", at_ms=JANUARY):
    return status_message("t", dev, at_ms, state)


def count(url, dev, stream, *, roll_up):
    """Store what a device counted once, long ago."""
    box = MemoryOutbox(dev, stream)
    ends = [JANUARY + n * QUARTER for n in range(1, 4)]
    by = Provenance("c", "m")
    box.append(
        [
            CountBucket(
                "door", t1 - QUARTER, t1, {Outcome.IN: 1, Outcome.OUT: 0}, 1.0, None,
                TimeQuality.NTP, by,
            )
            for t1 in ends
        ]
    )  # fmt: skip
    message = counts_message("t", dev, stream, box.pending(9))
    with closing(Database(url)) as db:
        Store(db).commit([read(message.topic, message.payload)], ends[-1])
        if roll_up:
            RollUp(db).run()


@pytest.fixture
def lab():
    with LabBroker("mosquitto") as broker:
        yield broker


def prepared(url):
    """One site that is always open, and a device of it that was heard of long ago."""
    with closing(Database(url)) as db:
        db.prepare()
        registry.take_over(db, "t", site_rows(SITES.encode(), "sites.csv", "t"))
        registry.take_over(db, "t", device_rows(DEVICES.encode(), "devices.csv", "t"))
    count(url, "d1", "0" * 16, roll_up=True)
    return url


@pytest.fixture
def url(tmp_path):
    return prepared(f"sqlite:///{tmp_path}/records.db")


class Watching:
    """`evaluation watch` as a process of its own, and its log as it comes."""

    def __init__(self, port, url, *options):
        self.log = []
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "evaluation", "watch", "--insecure-lab"),
                *("--database", url, "--broker", f"mqtt://127.0.0.1:{port}"),
                *("--scheme", "config/schemes/neutral-2026.yaml", *options),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stderr:
            self.log.append(line)

    def said(self, what, times=1):
        """Wait until the log says something, so many times."""
        wait_until(lambda: sum(what in line for line in self.log) >= times, what)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        """Stop it as systemd does; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT_S)

    def close(self):
        if self.process.poll() is None:
            self.kill()
        self._reader.join()
        self.process.stderr.close()


def watching(port, url, *options):
    """Start it, and wait until it has subscribed."""
    watch = Watching(port, url, *options)
    try:
        watch.said("watching the fleet")
    except BaseException:
        watch.close()
        raise
    return closing(watch)


def told_by(verb, url):
    """What a verb of the same program says."""
    done = CliRunner().invoke(cli, [verb, "--database", url, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def open_alerts(url):
    return ask(url, "SELECT dev, code, noted_ms FROM alerts WHERE raised_ms > 0")


def test_it_keeps_states_registers_days_months_and_alerts(lab, url, tmp_path):
    """And what it has begun before a kill -9 it goes on with after."""
    handed_on = tmp_path / "handed-on"
    script = tmp_path / "tell.py"
    script.write_text(COMMAND, "utf-8")
    on_alert = ("--on-alert", f"{sys.executable} {script} {handed_on}")
    publish(lab.port, status("online"))  # and kept by the broker, from before it was here
    with watching(lab.port, url, *on_alert) as watch:
        publish(
            lab.port, health_message("t", "d1", JANUARY, Health(0, 7), interval_s=300),
            ratings(1, 2), ratings(2, level=9), ratings(3, site="nowhere"), status("lost", "d9"),
        )  # fmt: skip
        count(url, "d2", "1" * 16, roll_up=False)
        wait_until(lambda: len(ask(url, "SELECT * FROM device_states")) == 3, "states")
        kept = ask(url, "SELECT dev, leaf, is_live FROM device_states ORDER BY dev, leaf")
        assert [tuple(row) for row in kept] == [
            ("d1", "health", 1), ("d1", "status", 0), ("d9", "status", 1),
        ]  # fmt: skip
        wait_until(lambda: len(ask(url, "SELECT * FROM rejected")) == 2, "refused registers")
        assert ask(url, "SELECT rating, level FROM ratings ORDER BY rating") == [
            ("r-1", 5), ("r-2", 5),
        ]  # fmt: skip
        [(bad,), (nowhere,)] = ask(url, "SELECT reason FROM rejected ORDER BY topic DESC")
        assert "'9' is no level" in bad
        assert "no site nowhere" in nowhere
        wait_until(lambda: len(ask(url, "SELECT * FROM device_days")) == 2, "days")
        wait_until(lambda: ask(url, "SELECT 1 FROM revisions WHERE made_by = 'freeze'"), "a month")
        before = wait_until(lambda: open_alerts(url), "the alert of a device that says nothing")
        wait_until(lambda: ask(url, "SELECT 1 FROM alerts WHERE told = 'raised'"), "handed on")
        watch.kill()
    # While nobody is there, the broker holds back what was published.
    publish(lab.port, ratings(4))
    with watching(lab.port, url, *on_alert) as watch:
        wait_until(lambda: ask(url, "SELECT 1 FROM ratings WHERE rating = 'r-4'"), "held back")
        assert watch.end() == 0
        watch.said('"watching"')  # its heartbeat, the last one at the end
    assert open_alerts(url) == before == [("d1", "silent", before[0][2])]
    [line] = handed_on.read_text("utf-8").splitlines()
    [alert] = json.loads(line)["alerts"]
    assert (alert["dev"], alert["code"], alert["name"]) == ("d1", "silent", "幸福里")
    [told] = told_by("alerts", url)
    assert (told["id"], told["state"]) == (alert["id"], "open")
    assert {each["dev"]: each["presence"] for each in told_by("fleet", url)} == {
        "d1": "silent", "d2": "silent", "d9": "lost",
    }  # fmt: skip
    assert "幸福里" in CliRunner().invoke(cli, ["alerts", "--database", url]).output
    assert "d9" in CliRunner().invoke(cli, ["fleet", "--database", url]).output


def test_neither_a_broker_nor_a_database_that_is_away_ends_it(lab, postgres):
    """And what it has not committed when it is killed, the broker has still."""
    url = prepared(postgres.new_database())
    with watching(lab.port, url) as watch:
        away(postgres, watch, lambda: publish(lab.port, ratings(1), ratings(2)), watch.kill)
    with watching(lab.port, url) as watch:
        wait_until(lambda: len(ask(url, "SELECT * FROM ratings")) == 2, "ratings")
        away(postgres, watch, lambda: publish(lab.port, status("lost")))
        wait_until(lambda: ask(url, "SELECT body FROM device_states"), "a state")
        lab.kill()
        lab.start()
        # It has forgotten everything, also whom it has to send what.
        watch.said("watching the fleet", 2)
        publish(lab.port, status("online"))
        wait_until(
            lambda: "online" in ask(url, "SELECT body FROM device_states")[0][0], "the next state"
        )
        assert watch.end() == 0


def away(postgres, watch, meanwhile, then=lambda: None):
    """Let a database be away until it is missed."""
    postgres.kill()
    try:
        meanwhile()
        watch.said("the database is away")
        then()
    finally:
        postgres.start()


HANGS = "import time, os; open({!r}, 'w').write(str(os.getpid())); time.sleep(600)"


def test_a_command_that_hangs_delays_nothing_and_ends_with_it(lab, url, tmp_path):
    pid = tmp_path / "pid"
    script = tmp_path / "hangs.py"
    script.write_text(HANGS.format(str(pid)), "utf-8")
    with watching(lab.port, url, "--on-alert", f"{sys.executable} {script}") as watch:
        wait_until(lambda: pid.exists() and pid.read_text(), "the command runs")
        publish(lab.port, status("lost"))
        wait_until(lambda: ask(url, "SELECT 1 FROM device_states"), "a state all the same")
        assert watch.end() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
    assert ask(url, "SELECT told FROM alerts WHERE raised_ms > 0") == [(None,)]


def test_the_access_list_lets_it_hear_devices_and_the_systems_that_are_named(tmp_path):
    acl = tmp_path / "acl"
    kiosk = "user backend.kiosk\ntopic write reg/v1/street-1/+/ratings\n"
    acl.write_text(Path("config/mosquitto/acl").read_text("utf-8") + kiosk, "utf-8")
    with LabBroker("mosquitto", mosquitto_lines=[f"acl_file {acl}"]) as lab:
        at = MqttSettings("127.0.0.1", lab.port, insecure_lab=True, username="backend.watch")
        settings = SessionSettings("watch", filters(None), 60, 20, retained_always=True)
        with closing(Hearing(MqttSession(at, settings))) as hearing:
            topics = {
                "reg/v1/street-1/site-001/ratings": "backend.kiosk",
                "pc/v1/street-1/d1/status": "d1",
            }
            refused = {
                "reg/v1/street-1/site-001/cases": "backend.kiosk",
                "reg/v1/street-2/site-001/ratings": "backend.kiosk",
                "reg/v1/street-1/site-002/ratings": "d1",
                "pc/v1/street-1/d2/status": "d1",
            }
            for topic, who in (*refused.items(), *topics.items()):
                say_as(lab.port, who, topic)
            wait_until(lambda: hearing.heard() >= set(topics), "what may be heard")
            assert hearing.heard() == set(topics)


class Hearing:
    """The topics that a session has taken."""

    def __init__(self, session):
        self._session, self._heard = session, set()

    def heard(self):
        self._heard |= {each.topic for each in self._session.take(20, POLL_S, 0.0)}
        return self._heard

    def close(self):
        self._session.leave()


def say_as(port, who, topic):
    at = MqttSettings("127.0.0.1", port, insecure_lab=True, username=who)
    connection = Connection(at, f"{who}-{secrets.token_hex(4)}", clean_start=True)
    connection.publish(Message(topic, b"{}", 1, False))
    connection.leave()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--on-alert", "/nowhere/send-sms"), "there is no such program"),
        (("--on-alert", "send 'x"), "No closing quotation"),
        (("--on-alert", ""), "there is no such program"),
        (("--tenant", "No!"), "--tenant"),
    ],
)
def test_what_cannot_work_is_said_at_once(url, options, said):
    broker = ("--broker", "mqtt://127.0.0.1:1", "--insecure-lab", "--database", url)
    scheme = ("--scheme", "config/schemes/neutral-2026.yaml")
    done = CliRunner().invoke(cli, ["watch", *broker, *scheme, *options])
    assert isinstance(done.exception, BadInputError)
    assert said in str(done.exception)
