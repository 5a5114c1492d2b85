"""The ingest campaign: whatever takes records in is killed while a fleet sends, and comes back.

A broker that keeps nothing on disk, PostgreSQL with fsync, two receivers that share the fleet,
`evaluation watch`, and one more process that rolls days up without a rest.
"""

import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sqlalchemy import func, select

from edge.adapters.lab_broker import LabBroker
from evaluation import registry
from evaluation.database import Database
from evaluation.errors import StoreError
from evaluation.lab_database import LabDatabase
from evaluation.registry_rows import device_rows, site_rows, special_day_rows
from evaluation.tables import STREAMS
from tests.chaos.ingest_truth import TENANT, Load, closed_days_csv, devices_csv, sites_csv

SCHEME = "config/schemes/neutral-2026.yaml"
SETTLE_S = 180.0
LOOK_S = 0.02
MOST_KILLS = 50
"""Of one victim."""
SLOW_AND_LAZY = ("commit_delay=20000", "commit_siblings=0", "wal_writer_delay=10000")
"""A disk that takes 20 ms for a commit; what is not committed stays in memory for 10 s."""
RECOVERY = "automatic recovery in progress"


class Victim(Protocol):
    """What can be killed at any moment, and started again."""

    def kill(self) -> None: ...

    def start(self) -> None: ...


class Process:
    """A process of ours; it never ends by itself."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self._command, self._log = [sys.executable, *arguments], log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            ended = process.poll()
            process.kill()
            process.wait()
            assert ended is None, f"ended by itself: {self._log.read_text()[-2000:]}"

    close = kill


@dataclass(frozen=True, slots=True)
class Server:
    """The database as a victim: all of its processes, at one moment."""

    lab: LabDatabase
    outages: list["Outage"] = field(default_factory=list)

    def kill(self) -> None:
        self.lab.crash()
        self.outages.append(Outage(time.monotonic()))

    def start(self) -> None:
        self.lab.start()
        self.outages[-1].ready_at = time.monotonic()


@dataclass(slots=True)
class Outage:
    """When the database was killed, and when it took connections again; monotonic seconds."""

    began_at: float
    ready_at: float = 0.0


class Commits:
    """Sees from outside when receivers commit."""

    def __init__(self, url: str) -> None:
        self._url, self._stop = url, threading.Event()
        self.seen_at: list[float] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def after(self, moment: float) -> float | None:
        """Return how long after a moment something was committed; None: never."""
        return next((at - moment for at in self.seen_at if at > moment), None)

    def _run(self) -> None:
        last = None
        with closing(Database(self._url)) as database:
            while not self._stop.wait(LOOK_S):
                try:
                    with database.reading() as connection:
                        now = connection.execute(select(func.sum(STREAMS.c.upto))).scalar_one()
                except StoreError:
                    continue
                if now != last:
                    last = now
                    self.seen_at.append(time.monotonic())


@dataclass(frozen=True, slots=True)
class Fire:
    """What was done, and where the outcome is. facts: a file of what the devices have sealed."""

    url: str
    facts: Path
    kills: Counter[str]
    recoveries: int
    outages: tuple[tuple[float, float], ...]
    """Of each crash but the last: seconds until the database is ready, until the next commit."""
    took_s: float


@contextmanager
def campaign(
    folder: Path, load: Load, burst_s: float, rest_s: tuple[float, float]
) -> Iterator[Fire]:
    """Run it until everything is let go; the database is up while the block lasts.

    burst_s: a device closes an hour in so long. rest_s: the least and most between two kills.
    """
    began_at = time.monotonic()
    with ExitStack() as stack:
        lab = stack.enter_context(LabDatabase(durable=True, settings=SLOW_AND_LAZY))
        broker = stack.enter_context(LabBroker("mosquitto"))
        url = lab.new_database()
        _register(url, load)
        victims = _victims(folder, f"mqtt://127.0.0.1:{broker.port}", url)
        for process in victims.values():
            process.start()
            stack.callback(process.close)
        commits = stack.enter_context(closing(Commits(url)))
        fleet = Process(
            folder / "fleet.log", "-m", "tests.chaos.ingest_fleet", str(folder),
            str(broker.port), str(load.seed), str(load.devices), str(load.days), str(burst_s),
        )  # fmt: skip
        fleet.start()
        stack.callback(fleet.close)
        wait_until(lambda: commits.seen_at, SETTLE_S)
        server, made, facts = Server(lab), folder / "made", folder / "facts.json"
        all_victims = {**victims, "database": server, "broker": broker}
        kills = fire(all_victims, random.Random(load.seed), rest_s, made.exists)
        wait_until(facts.exists, SETTLE_S)
        # Once more at the moment when all of it is acked, and nobody is left to send it again.
        server.kill()
        for process in (fleet, *victims.values()):
            process.close()
        server.start()
        kills["database"] += 1
        said = lab.log.read_text("utf-8", "replace").count(RECOVERY)
        waits = tuple(
            (each.ready_at - each.began_at, goes_on_s)
            for each in server.outages
            if (goes_on_s := commits.after(each.began_at)) is not None
        )
        yield Fire(url, facts, kills, said, waits, time.monotonic() - began_at)


def fire(
    victims: Mapping[str, Victim],
    rng: random.Random,
    rest_s: tuple[float, float],
    is_over: Callable[[], bool],
) -> Counter[str]:
    """Kill one after the other, each as often, in any order; each at least once."""
    kills: Counter[str] = Counter()
    order: list[str] = []
    while kills.total() < len(victims) or not is_over():
        if kills.total() == MOST_KILLS * len(victims):
            break  # a machine so slow that nothing gets done between two kills
        rest(rng.uniform(*rest_s))
        order = order or rng.sample(sorted(victims), len(victims))
        name = order.pop()
        victims[name].kill()
        rest(rng.uniform(0.0, 0.4))
        victims[name].start()
        kills[name] += 1
    return kills


def rest(seconds: float) -> None:
    """Let everything go on; nothing is waited for."""
    threading.Event().wait(seconds)


def wait_until(is_so: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        rest(LOOK_S)


def _register(url: str, load: Load) -> None:
    with closing(Database(url)) as database:
        database.prepare()
        for rows in (
            site_rows(sites_csv(load), "sites.csv", TENANT),
            device_rows(devices_csv(load), "devices.csv", TENANT),
            special_day_rows(closed_days_csv(load), "days.csv", TENANT),
        ):
            registry.take_over(database, TENANT, rows)


def _victims(folder: Path, broker: str, url: str) -> dict[str, Process]:
    at = ("--insecure-lab", "--broker", broker, "--database", url)
    found = {}
    for name in ("receiver-1", "receiver-2"):
        own = ("--share", "crew", "--client-id", name)
        command = ("-m", "evaluation", "receive", *at, *own)
        found[name] = Process(folder / f"{name}.log", *command)
    watch = ("-m", "evaluation", "watch", *at, "--scheme", SCHEME)
    found["watch"] = Process(folder / "watch.log", *watch)
    rolling = ("-m", "tests.chaos.ingest_rolling", url)
    found["roll-up"] = Process(folder / "roll-up.log", *rolling)
    return found
