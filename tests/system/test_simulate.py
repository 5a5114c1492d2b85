"""The simulated fleet against a real broker and the reference receiver: every sum is exact."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from edge.adapters.lab_broker import available_kinds
from edge.config import broker_section
from evaluation.database import Database
from scripts.simulation.clocks import Pace
from scripts.simulation.device import Device, World
from scripts.simulation.driver import Driver
from scripts.simulation.link import Handed
from scripts.simulation.options import parse
from scripts.simulation.plan import plan_of
from scripts.simulation.report import digest_of
from scripts.simulation.sockets import Sockets

DEVICES, DAYS = 5, 1
LIMIT_S = 120
FAST = ("--speed", "40000", "--resend-s", "2", "--down-s", "0.5")

pytestmark = pytest.mark.skipif("mosquitto" not in available_kinds(), reason="needs mosquitto")


def command(*more: str) -> list[str]:
    devices, days = ("--devices", str(DEVICES)), ("--days", str(DAYS))
    return [sys.executable, "scripts/simulate.py", *devices, *days, "--json", *FAST, *more]


def simulated(*more: str, code: int = 0) -> dict[str, Any]:
    done = subprocess.run(
        command(*more), capture_output=True, text=True, check=False, timeout=LIMIT_S
    )
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def check_exact(report: dict[str, Any]) -> None:
    assert report["is_exact"], report["wrong"]
    assert report["in_database"] == report["made"] > 0
    assert (report["missing"], report["duplicates"], report["conflicts"]) == (0, 0, 0)


def digest_of_the_seed() -> str:
    """What the records of these devices come to when nothing is sent at all."""
    options = parse(command()[2:])
    sockets = Sockets(pytest.fail)
    world = World(
        options, broker_section("mqtt://127.0.0.1:1"), sockets, Driver(pytest.fail, 0),
        Pace(None), Handed(),
    )  # fmt: skip
    devices = [Device(world, plan_of(options, index)) for index in range(DEVICES)]
    for device in devices:
        while not device.is_finished:
            device.produce()
    sockets.close()
    return digest_of(device.facts() for device in devices)


def test_a_reconnect_storm_loses_nothing_and_changes_no_byte() -> None:
    report = simulated("--faults", "reconnect-storm", "--database", "sqlite")
    check_exact(report)
    assert report["digest"] == digest_of_the_seed()
    assert report["connections"] == 2 * DEVICES
    assert report["timings"]["storm_connected_s"] > 0
    assert report["costs"].keys() == {"devices", "mosquitto", "receiver"}
    assert 0 < report["latency_p50_ms"] <= report["latency_p99_ms"]


def test_devices_that_are_late_or_away_and_a_receiver_that_is_killed_lose_nothing() -> None:
    report = simulated("--faults", "backfill,outage,late", "--database", "sqlite", "--disk")
    check_exact(report)
    assert report["connections"] == DEVICES


def test_what_comes_twice_and_clocks_that_are_set_change_no_sum(tmp_path: Path) -> None:
    database = tmp_path / "records.db"
    report = simulated("--faults", "duplicates,clock", "--database", f"sqlite:///{database}")
    check_exact(report)
    assert report["cuts"] > 0
    assert report["received_again"] > 0
    with closing(sqlite3.connect(database)) as db:
        streams, qualities = (
            {value for (value,) in db.execute(f"SELECT DISTINCT {name} FROM records")}
            for name in ("stream", "tq")
        )
    assert len(streams) > DEVICES  # a clock that is set far back begins a new one
    assert "redated" in qualities


def test_a_record_that_is_dropped_and_one_that_is_changed_are_found(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    with closing(Database(f"sqlite:///{path}")) as database:
        database.prepare()
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            "CREATE TRIGGER lose AFTER INSERT ON records WHEN NEW.dev = 'sim-00002' AND"
            " NEW.seq = 7 BEGIN DELETE FROM records WHERE dev = NEW.dev AND seq = NEW.seq; END;"
            "CREATE TRIGGER bend AFTER INSERT ON records WHEN NEW.dev = 'sim-00003' AND"
            " NEW.seq = 9 BEGIN UPDATE records SET count_in = count_in + 1"
            " WHERE dev = NEW.dev AND seq = NEW.seq; END;"
        )
    report = simulated("--database", f"sqlite:///{path}", code=1)
    assert not report["is_exact"]
    assert report["missing"] == 1
    found = "\n".join(report["wrong"])
    assert "sim-00002, stream" in found
    assert "sim-00003, door" in found
    assert {line[:9] for line in report["wrong"]} == {"sim-00002", "sim-00003"}


def test_ctrl_c_ends_the_making_and_what_was_made_is_delivered() -> None:
    with subprocess.Popen(
        command("--days", "0", "--database", "sqlite"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            wait_for_records_of_all(process)
            os.killpg(process.pid, signal.SIGINT)  # to all of them, as a terminal does
            out, errors = process.communicate(timeout=LIMIT_S)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, out + errors
    check_exact(json.loads(out))


def wait_for_records_of_all(process: subprocess.Popen[str]) -> None:
    """Wait until the database of the run has records of every device."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        if devices_stored(process.pid) == DEVICES:
            return
        time.sleep(0.05)
    pytest.fail("no records")


def devices_stored(pid: int) -> int:
    """Look into the temporary database that a receiver of this run was told."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
        arguments = Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0")
        urls = [each for each in arguments if each.startswith("sqlite:///")]
        if urls:
            path = urls[0].removeprefix("sqlite:///")
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as db:
                return db.execute("SELECT count(DISTINCT dev) FROM records").fetchone()[0]
    return 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--broker", "mqtt://example.org"), "a broker on this machine only"),
        (("--faults", "earthquake"), "earthquake: is not one of reconnect-storm"),
        (("--faults", "outage"), "--database starts"),
        (("--speed", "0.5"), "must be max or from 1"),
        (("--start", "1999-01-01T00:00Z"), "before 2026"),
    ],
)
def test_a_wrong_option_is_told_with_an_example(
    arguments: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(command(*arguments)[2:])
    assert ended.value.code == 2
    errors = capsys.readouterr().err
    assert sentence in errors
    assert len(errors.splitlines()) == 1
