"""The backend as services: what its units allow, and what it tells systemd.

What they do for real is in tests/install/test_backend.py, by hand.
"""

import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from shutil import which

import pytest
import typer

from edge.errors import BadInputError
from evaluation.chores import Pulse
from evaluation.database import Database
from evaluation.service import ready
from evaluation.verbs import cli
from tests.system.test_install import complaints, exposure, needs_systemd, settings

FOLDER = Path("config/backend")
UNITS = sorted(FOLDER.glob("*.service"))
SERVICES = [unit for unit in UNITS if "backup" not in unit.name]
WAIT_S = 30.0


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_exposes_little(unit):
    done = exposure(unit)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_systemd
def test_the_units_are_ones_that_systemd_takes(tmp_path):
    for path in FOLDER.glob("lobbycount-*"):
        text = re.sub("=/opt/.*?/evaluation", "=/bin/true", path.read_text("utf-8"))
        (tmp_path / path.name).write_text(text, "utf-8")
    names = [path.name.replace("@.", "@1.") for path in UNITS]
    assert complaints(tmp_path, *names, "lobbycount-backup.timer") == (0, [])


@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)
def test_a_service_is_watched_never_gives_up_and_has_no_secret_on_its_command_line(unit):
    found = settings(unit)
    wanted = {"Type=notify", "Restart=always", "StartLimitIntervalSec=0", "LimitCORE=0"}
    wanted |= {"User=lobbycount-evaluation"}
    assert wanted <= set(found)
    assert any(line.startswith("WatchdogSec=") for line in found)
    [start] = [line for line in found if line.startswith("ExecStart=")]
    assert "--database" not in start


def test_the_services_differ_in_what_they_do_only():
    first, *others = ([line for line in settings(unit) if "=" in line] for unit in SERVICES)
    names = {"Description", "ExecStart", "Environment", "EnvironmentFile"}
    for other in others:
        assert {line.partition("=")[0] for line in set(first) ^ set(other)} <= names


def test_every_setting_is_one_that_a_service_reads():
    verbs = typer.main.get_command(cli).commands
    known = {each.envvar for name in ("receive", "watch", "serve", "report")
             for each in verbs[name].params}  # fmt: skip
    text = "".join(path.read_text("utf-8") for path in (FOLDER / "evaluation.env", *SERVICES))
    named = set(re.findall(r"\bEVALUATION_[A-Z_]+", text))
    assert named
    assert named <= known


@pytest.mark.skipif(which("shellcheck") is None, reason="needs Debian's shellcheck")
def test_the_command_passes_shellcheck():
    done = subprocess.run(
        ["shellcheck", str(FOLDER / "evaluation")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


# --- What systemd is told ------------------------------------------------------------------------


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Everything that systemd is told, line by line, as it comes."""
    address = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    monkeypatch.setenv("WATCHDOG_USEC", "400000")
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        manager.bind(address)
        manager.settimeout(WAIT_S)
        yield lambda: manager.recv(4096).decode().split("\n")


def hear(told, wanted):
    """Wait until systemd is told this, for a limited time."""
    until, said = time.monotonic() + WAIT_S, []
    while not any(line.startswith(wanted) for line in said):
        assert time.monotonic() < until, f"no {wanted}, but {said}"
        said = told()
    return said


def test_a_database_that_is_there_is_prepared_before_it_is_ready(told, tmp_path):
    pulse = Pulse()
    with (
        closing(Database(f"sqlite:///{tmp_path}/records.db")) as db,
        ready(db, pulse, threading.Event()) as is_prepared,
    ):
        assert is_prepared
        db.check()
        assert told() == ["READY=1"]
        pulse.beat("messages")
        assert "WATCHDOG=1" in hear(told, "STATUS=went round: messages 0 s ago")
    hear(told, "STOPPING=1")


def test_a_database_that_is_away_is_no_reason_to_say_that_the_start_failed(told):
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    seen = []
    with closing(Database(f"postgresql://a@127.0.0.1:{port}/b")) as db:

        def wait():
            with ready(db, Pulse(), stop) as is_prepared:
                seen.append(is_prepared)

        waiting = threading.Thread(target=wait)
        waiting.start()
        assert told() == ["READY=1"]
        assert told() == ["WATCHDOG=1", "STATUS=waiting for the database"]
        stop.set()
        waiting.join(WAIT_S)
    assert seen == [False]


def test_a_part_that_hangs_is_named_and_nothing_says_alive(told, tmp_path):
    pulse = Pulse(hangs_after_s=0.0)
    pulse.beat("messages")
    with (
        closing(Database(f"sqlite:///{tmp_path}/records.db")) as db,
        ready(db, pulse, threading.Event()),
    ):
        assert told() == ["READY=1"]
        assert told() == ["STATUS=messages hangs since 0 s"]


def test_a_file_that_is_no_database_is_never_ready(told, tmp_path):
    path = tmp_path / "records.db"
    with closing(Database(f"sqlite:///{path}")) as db, db.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE records (one INTEGER)")
    with (
        closing(Database(f"sqlite:///{path}")) as db,
        pytest.raises(BadInputError, match="something else"),
        ready(db, Pulse(), threading.Event()),
    ):
        pass


def test_the_pages_say_that_they_are_alive(told, tmp_path):
    options = ["--database", f"sqlite:///{tmp_path}/records.db", "--port", "0", "--insecure-lab"]
    server = subprocess.Popen(
        [sys.executable, "-m", "evaluation", "serve", *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert told() == ["READY=1"]
        hear(told, "STATUS=went round: pages")
    finally:
        server.terminate()
        assert server.wait(WAIT_S) == 0
    hear(told, "STOPPING=1")
