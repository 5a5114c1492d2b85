"""systemd's watchdog: a real socket, real parts that hang, and the real service."""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.adapters.outbox_file import connect
from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.adapters.watchdog_systemd import STATUS_EVERY_S, Watchdog
from edge.delivery import Relay
from edge.errors import OutboxError
from edge.heartbeats import LIMITS_S, Heartbeats
from edge.messages import Health, health_message
from edge.testing import ManualClock, RecordingBroker

CLIP = Path("tests/data/vtest.mp4").absolute()
UNIT = Path("config/systemd/lobbycount.service")
WAIT_S = 30.0
CONFIG = """
device: {{tenant: t, id: watched, clock: rtc}}
camera: {{source: {source}, fps: 10}}
lines: [{{id: door, points: [[0.52, 0.32], [0.52, 0.70]], in: right}}]
records: {{data_dir: {folder}/data}}
mqtt: {{host: 127.0.0.1, port: 1, insecure_lab: true}}
"""


class Systemd:
    """The socket of a service manager."""

    def __init__(self, address):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.settimeout(WAIT_S)

    def waiting(self):
        """Return what has been said by now, without waiting."""
        said = []
        self._socket.setblocking(False)
        try:
            while True:
                said.append(self._socket.recv(4096).decode().split("\n"))
        except BlockingIOError:
            return said
        finally:
            self._socket.settimeout(WAIT_S)

    def hear(self):
        return self._socket.recv(4096).decode().split("\n")

    def hear_until(self, wanted):
        """Return everything up to the first message with a line that begins like this."""
        said, until = [self.hear()], time.monotonic() + WAIT_S
        while not any(line.startswith(wanted) for line in said[-1]):
            assert time.monotonic() < until, f"no {wanted}, but {said[-1]}"
            said.append(self.hear())
        return said

    def close(self):
        self._socket.close()


@pytest.fixture
def notify_socket(tmp_path):
    return str(tmp_path / "notify")


@pytest.fixture
def systemd(notify_socket):
    manager = Systemd(notify_socket)
    yield manager
    manager.close()


@pytest.fixture
def clock():
    return ManualClock()


# --- The protocol ----------------------------------------------------------------------------


@pytest.mark.parametrize("abstract", [False, True])
def test_ready_alive_stopping_on_either_kind_of_socket(tmp_path, clock, abstract):
    name = f"@lobbycount-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    manager = Systemd("\0" + name[1:] if abstract else name)
    environment = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "3600000000"}
    with Watchdog(Heartbeats(clock.monotonic), lambda: "counting\nwell", environment):
        assert manager.hear() == ["READY=1"]
        assert manager.hear() == ["WATCHDOG=1", "STATUS=counting well"]
    assert manager.hear() == ["STOPPING=1"]
    assert manager.waiting() == []
    assert "watchdog" not in {thread.name for thread in threading.enumerate()}
    manager.close()


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:1"}])
def test_without_a_socket_nothing_is_done(clock, environment):
    with Watchdog(Heartbeats(clock.monotonic), lambda: "", environment):
        assert "watchdog" not in {thread.name for thread in threading.enumerate()}


def test_a_socket_that_is_gone_stops_nothing(notify_socket, clock, capsys):
    with Watchdog(Heartbeats(clock.monotonic), lambda: "", {"NOTIFY_SOCKET": notify_socket}):
        pass
    assert "systemd was not told" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("environment", "interval_s"),
    [
        ({"WATCHDOG_USEC": "120000000"}, 60.0),
        ({"WATCHDOG_USEC": "120000000", "WATCHDOG_PID": str(os.getpid())}, 60.0),
        ({"WATCHDOG_USEC": "120000000", "WATCHDOG_PID": "1"}, STATUS_EVERY_S),
        ({"WATCHDOG_USEC": "0"}, STATUS_EVERY_S),
        ({"WATCHDOG_USEC": "soon"}, STATUS_EVERY_S),
        ({}, STATUS_EVERY_S),
    ],
)
def test_it_is_told_twice_within_what_systemd_wants(clock, environment, interval_s):
    watchdog = Watchdog(Heartbeats(clock.monotonic), lambda: "", environment)
    assert watchdog._interval_s == interval_s


# --- Each heartbeat, with the real part ---------------------------------------------------------


@pytest.fixture
def watched(systemd, notify_socket, clock):
    """A watchdog without its thread: `look` is what the thread does again and again."""
    beats = Heartbeats(clock.monotonic)
    watchdog = Watchdog(beats, lambda: "counting", {"NOTIFY_SOCKET": notify_socket})

    def told():
        watchdog.look()
        return systemd.waiting()

    return beats, told


ALIVE = [["WATCHDOG=1", "STATUS=counting"]]


def test_without_pictures_going_through_there_is_no_sign_of_life(watched, clock, capsys):
    beats, told = watched
    beats.beat("frames")
    clock.advance(LIMITS_S["frames"])
    assert told() == ALIVE
    clock.advance(1)
    assert told() == told() == [["STATUS=frames hangs since 121 s"]]
    assert capsys.readouterr().out.count("service.hangs") == 1, "named once, not at every look"
    beats.beat("frames")
    assert told() == ALIVE


class SilentBroker(RecordingBroker):
    """Does not return from `connect` until it is let go."""

    def __init__(self):
        super().__init__()
        self.entered, self.let_go = threading.Event(), threading.Event()

    def connect(self):
        self.entered.set()
        assert self.let_go.wait(WAIT_S)
        super().connect()


@contextmanager
def relay_running(folder, clock, broker, heartbeat):
    outbox = SqliteOutbox(folder / "outbox.sqlite", "dev", clock.utc)
    relay = Relay(
        outbox,
        broker,
        clock,
        tenant="t",
        dev="dev",
        health=lambda _: health_message("t", "dev", 0, Health(0, 0), interval_s=300),
        farewell=lambda: [],
        rng=random.Random(1),
        heartbeat=heartbeat,
    )
    stop = threading.Event()
    thread = threading.Thread(target=relay.run, args=(stop,))
    thread.start()
    try:
        yield relay
    finally:
        stop.set()
        relay.wake.set()
        thread.join(WAIT_S)
        outbox.close()


def test_a_relay_that_hangs_is_no_sign_of_life(watched, clock, tmp_path):
    beats, told = watched
    beats.beat("relay")
    broker = SilentBroker()
    with relay_running(tmp_path, clock, broker, lambda: beats.beat("relay")):
        assert broker.entered.wait(WAIT_S)
        clock.advance(LIMITS_S["relay"] + 1)
        assert told() == [["STATUS=relay hangs since 301 s"]]
        broker.let_go.set()


def test_a_broker_that_cannot_be_reached_is_one(watched, clock, tmp_path):
    beats, told = watched
    gone_round = threading.Semaphore(0)

    def heartbeat():
        beats.beat("relay")
        gone_round.release()

    broker = RecordingBroker(failing_connects=1000)
    with relay_running(tmp_path, clock, broker, heartbeat) as relay:
        for _ in range(5):
            clock.advance(LIMITS_S["relay"] + 1)
            while gone_round.acquire(blocking=False):
                pass
            for _ in range(2):  # the first may have beaten before the clock moved
                relay.wake.set()
                assert gone_round.acquire(timeout=WAIT_S)
            assert told() == ALIVE
    assert broker.connects > 1


class StuckDatabase:
    """A connection whose commits do not return until they are let go, as on a sick card."""

    def __init__(self, path):
        self._db = connect(path)
        self.stuck, self.entered, self.let_go = False, threading.Event(), threading.Event()

    def execute(self, sql, *parameters):
        if self.stuck and sql == "COMMIT":
            self.entered.set()
            assert self.let_go.wait(WAIT_S)
        return self._db.execute(sql, *parameters)

    def __getattr__(self, name):
        return getattr(self._db, name)


def test_a_database_that_does_not_return_is_no_sign_of_life(watched, clock, tmp_path):
    beats, told = watched
    opened = []

    def connected(path):
        opened.append(StuckDatabase(path))
        return opened[-1]

    outbox = SqliteOutbox(tmp_path / "outbox.sqlite", "dev", clock.utc, connect=connected)
    outbox.watch(lambda: beats.call("database"))
    clock.advance(1000)
    assert told() == ALIVE, "nobody needs it"
    opened[-1].stuck = True
    thread = threading.Thread(target=outbox.begin_stream)
    thread.start()
    assert opened[-1].entered.wait(WAIT_S)
    clock.advance(LIMITS_S["database"] + 1)
    assert told() == [["STATUS=database hangs since 121 s"]]
    opened[-1].let_go.set()
    thread.join(WAIT_S)
    assert told() == ALIVE
    outbox.close()


def test_a_full_disk_is_no_reason_to_be_killed(watched, clock, tmp_path):
    beats, told = watched
    outbox = SqliteOutbox(tmp_path / "outbox.sqlite", "dev", clock.utc, quota_mb=0.001)
    outbox.watch(lambda: beats.call("database"))
    with pytest.raises(OutboxError, match="full"):
        outbox.wait([])
    clock.advance(LIMITS_S["database"] + 1)
    assert told() == ALIVE
    outbox.close()


# --- The service ---------------------------------------------------------------------------------

HANGING = {
    "frames": "Pipeline._detect = hang",
    "relay": "MqttBroker.connect = hang",
    "database": "SqliteOutbox.depth = lambda outbox: outbox._file.do(hang)",
}
SCRIPT = """
import sys, threading
from edge import cli, heartbeats
from edge.adapters.broker_mqtt import MqttBroker
from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.pipeline import Pipeline
heartbeats.LIMITS_S["{part}"] = 0.5
def hang(*_):
    threading.Event().wait()
{what}
sys.argv = ["lobbycount", "run", "-c", sys.argv[1]]
cli.main()
"""


@contextmanager
def service(folder, notify_socket, *arguments, source=CLIP):
    config = folder / "lobby.yaml"
    config.write_text(CONFIG.format(folder=folder, source=source), "utf-8")
    environment = {**os.environ, "NOTIFY_SOCKET": notify_socket, "WATCHDOG_USEC": "600000"}
    command = [sys.executable, *arguments, str(config)]
    log = folder / "log"
    with log.open("w") as stderr, subprocess.Popen(command, env=environment, stderr=stderr) as run:
        try:
            yield run
        finally:
            run.kill()


def test_the_service_on_a_clip_without_a_broker_is_ready_alive_and_stops_in_order(
    tmp_path, systemd, notify_socket
):
    with service(tmp_path, notify_socket, "-m", "edge", "run", "-c") as run:
        assert systemd.hear() == ["READY=1"]
        said = systemd.hear_until("STATUS=nothing is being delivered")
        for _ in range(3):
            assert systemd.hear()[0] == "WATCHDOG=1"
        run.send_signal(signal.SIGTERM)
        stopping = systemd.hear_until("STOPPING=1")
        assert run.wait(WAIT_S) == 0
    assert all(message[0] == "WATCHDOG=1" for message in [*said, *stopping[:-1]])
    assert systemd.waiting() == []


@pytest.mark.parametrize("part", HANGING)
def test_a_part_of_the_service_that_hangs_ends_the_signs_of_life(
    tmp_path, systemd, notify_socket, part
):
    script = SCRIPT.format(part=part, what=HANGING[part])
    with service(tmp_path, notify_socket, "-c", script):
        assert systemd.hear() == ["READY=1"]
        systemd.hear_until(f"STATUS={part} hangs")
        for _ in range(2):
            (status,) = systemd.hear()
            assert status.startswith(f"STATUS={part} hangs")
    assert f'"part": "{part}"' in (tmp_path / "log").read_text("utf-8")


@pytest.mark.parametrize("part", HANGING)
def test_where_nobody_listens_a_part_that_hangs_ends_the_process(tmp_path, part):
    """As in a container: what ends is started again, and the log says where it hung."""
    script = SCRIPT.format(part=part, what=HANGING[part])
    with service(tmp_path, "", "-X", "faulthandler", "-c", script) as run:
        assert run.wait(WAIT_S) == -signal.SIGABRT
    log = (tmp_path / "log").read_text("utf-8")
    assert f'"part": "{part}"' in log
    assert "Fatal Python error: Aborted" in log


LISTENING = """
import sys
from edge import cli
from edge.heartbeats import Heartbeats
beat = Heartbeats.beat
def heard(beats, part):
    beat(beats, part)
    print("beat of", part, file=sys.stderr, flush=True)
Heartbeats.beat = heard
sys.argv = ["lobbycount", "run", "-c", sys.argv[1]]
cli.main()
"""


def test_every_part_of_the_service_beats_again_and_again(tmp_path, systemd, notify_socket):
    # One beat of the loops is from before they begin; the database is asked for a report.
    wanted = {"frames": 3, "relay": 3, "database": 1}
    assert wanted.keys() == LIMITS_S.keys()
    counted, until = dict.fromkeys(wanted, 0), time.monotonic() + WAIT_S
    with service(tmp_path, notify_socket, "-c", LISTENING):
        while any(counted[part] < wanted[part] for part in wanted) and time.monotonic() < until:
            systemd.hear()
            log = (tmp_path / "log").read_text("utf-8")
            counted = {part: log.count(f"beat of {part}") for part in wanted}
    assert all(counted[part] >= wanted[part] for part in wanted), counted


# --- The unit file -------------------------------------------------------------------------------


def test_the_unit_file_is_one_that_systemd_understands(tmp_path):
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("needs systemd-analyze, e.g. apt install systemd")
    text = UNIT.read_text("utf-8")
    assert "ExecStart=/opt/lobbycount/bin/lobbycount run" in text
    unit = tmp_path / UNIT.name
    unit.write_text(text.replace("/opt/lobbycount/bin/lobbycount", "/bin/true"), "utf-8")
    checked = subprocess.run(
        [program, "verify", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )
    about_it = [line for line in checked.stderr.splitlines() if UNIT.name in line]
    assert (checked.returncode, about_it) == (0, [])


def test_the_unit_file_asks_for_a_watchdog_and_never_gives_up():
    lines = UNIT.read_text("utf-8").splitlines()
    for wanted in ("Type=notify", "WatchdogSec=120", "Restart=always", "StartLimitIntervalSec=0"):
        assert wanted in lines
    for wanted in ("LimitCORE=0", "StateDirectory=lobbycount", "User=lobbycount"):
        assert wanted in lines
