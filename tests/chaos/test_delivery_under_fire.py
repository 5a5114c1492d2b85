"""Device, broker and receiver are killed in turn while the network fails: the sum is exact.

The full campaign runs with `scripts/test --chaos` only. It is seeded; give another seed with
CHAOS_SEED. The same campaign with records let go on the broker's PUBACK has to lose some.
"""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from edge.adapters.lab_broker import LabBroker, available_kinds
from scripts.loopback_proxy import LoopbackProxy
from tests.chaos.device import INTERVAL_MS, LINES, START_MS, counted

SEED = int(os.environ.get("CHAOS_SEED", "4"))
DEV = "lobby-1"
PACE_S = 0.02
SETTLE_S = 90.0
FAULTS = ("none", "cut", "black_hole", "swallow_pubacks")

pytestmark = pytest.mark.skipif(
    "mosquitto" not in available_kinds(), reason="needs mosquitto, which can be killed and started"
)


class Victim:
    """A process that can be killed and started again."""

    def __init__(self, *command: str) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def kill(self) -> None:
        assert self._process is not None
        assert self._process.poll() is None, f"{self._command} ended by itself"
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        self.kill()


class Broker:
    """The lab broker as a victim: what it holds in memory is gone."""

    def __init__(self, lab: LabBroker) -> None:
        self._lab = lab

    def kill(self) -> None:
        self._lab.kill()

    def start(self) -> None:
        self._lab.start()


def campaign(folder: Path, kills: int, mode: str) -> tuple[list[tuple], list[tuple], int]:
    """Run it; return the rows that the backend has, those that are right, and the intervals."""
    rng = random.Random(SEED)
    # About as many intervals as close while the campaign lasts.
    intervals = kills * 30
    database = folder / "backend.sqlite"
    with ExitStack() as stack:
        lab = stack.enter_context(LabBroker("mosquitto"))
        proxy = stack.enter_context(LoopbackProxy(lab.port))
        receiver = stack.enter_context(closing(Victim(
            sys.executable, "-m", "evaluation", "receive", "--insecure-lab",
            "--broker", f"mqtt://127.0.0.1:{lab.port}", "--database", f"sqlite:///{database}",
        )))  # fmt: skip
        wait_until(database.exists, 30)
        device = stack.enter_context(closing(Victim(
            sys.executable, str(Path(__file__).with_name("device.py")), str(folder), DEV,
            str(proxy.port), str(SEED), str(intervals), str(PACE_S), mode,
        )))  # fmt: skip
        victims = [device, Broker(lab), receiver]
        for kill in range(kills):
            rest(rng.uniform(0.2, 0.8))
            proxy.fault = rng.choice(FAULTS)
            rest(rng.uniform(0.1, 0.6))
            victim = victims[kill % len(victims)]
            victim.kill()
            rest(rng.uniform(0.0, 0.2))
            victim.start()
            proxy.fault = "none"
        settle(folder / "outbox.sqlite", intervals)
        stored = rows(database)
        if mode == "commit":
            assert rewound(database, lab.port) > 0
            settle(folder / "outbox.sqlite", intervals)
            assert rows(database) == stored  # duplicates are absorbed
    right = sorted(
        (line, START_MS + k * INTERVAL_MS, *counted(SEED, k, line))
        for k in range(intervals)
        for line in LINES
    )
    return stored, right, intervals


def rest(seconds: float) -> None:
    """Let the campaign go on; nothing is waited for."""
    threading.Event().wait(seconds)


def wait_until(predicate, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not predicate():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        rest(0.05)


def settle(outbox: Path, intervals: int) -> None:
    """Wait until every interval was closed and let go by the device."""

    def is_settled() -> bool:
        with closing(sqlite3.connect(f"file:{outbox}?mode=ro", uri=True, timeout=5)) as db:
            made, left = db.execute(
                "SELECT max(seq), sum(retired_ms IS NULL) FROM records"
            ).fetchone()
        return made == intervals * len(LINES) and left == 0

    wait_until(is_settled, SETTLE_S)


def rows(database: Path) -> list[tuple]:
    with closing(sqlite3.connect(database, timeout=5)) as db:
        return sorted(db.execute("SELECT line, t0_ms, count_in, count_out FROM records"))


def rewound(database: Path, port: int) -> int:
    """Ask the device for everything once more; return how many rows that is."""
    with closing(sqlite3.connect(database, timeout=5)) as db:
        (stream,) = db.execute("SELECT DISTINCT stream FROM records").fetchone()
        (count,) = db.execute("SELECT count(*) FROM records").fetchone()
    subprocess.run(
        [
            sys.executable, "-m", "evaluation", "rewind", DEV, stream, "1", "--insecure-lab",
            "--broker", f"mqtt://127.0.0.1:{port}", "--database", f"sqlite:///{database}",
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    return count


def check_exact(stored: list[tuple], right: list[tuple]) -> None:
    assert len(set(stored)) == len(stored), "a row twice"
    assert stored == right
    for column in (2, 3):
        assert sum(row[column] for row in stored) == sum(row[column] for row in right)


def test_a_few_kills_cost_nothing(tmp_path: Path) -> None:
    stored, right, _ = campaign(tmp_path, 6, "commit")
    check_exact(stored, right)


@pytest.mark.chaos
def test_a_hundred_kills_cost_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored, right, intervals = campaign(tmp_path, 105, "commit")
    check_exact(stored, right)
    with capsys.disabled():
        print(f"\n105 kills, {intervals} intervals: {len(stored)} rows, all exact")


@pytest.mark.chaos
def test_the_same_with_records_let_go_on_pubacks_loses_some(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored, right, _ = campaign(tmp_path, 105, "puback")
    lost = set(right) - set(stored)
    with capsys.disabled():
        print(f"\n105 kills, let go on PUBACK: {len(lost)} of {len(right)} rows lost")
    assert lost
    assert set(stored) <= set(right)
