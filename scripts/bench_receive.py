"""How many records a second go from a broker through `evaluation receive` into PostgreSQL.

    scripts/bench receive [--json] [--receivers 1 2] [--devices 1000] [--rounds 20]

A real mosquitto holds everything that a city has sent while no receiver ran: messages of
`--devices` devices with 8 records each (8 lines, one interval), `--rounds` times. Then receivers
start, several of them with a shared subscription, and drain it: check, commit with the disk
writing, ack to the device, acknowledge to the broker. The publisher is done by then and costs
nothing. The rate is that between a tenth and nine tenths of the records, so that starting is not
in it; beside it stands what each kind of process needs for a record, which says what the next
machine would do. PostgreSQL is a temporary cluster with its default settings.

`--slowed 0.3` lets each receiver run three tenths of the time only (stopped and continued twenty
times a second): then the cores of this machine are not what limits, and two receivers show
whether they stand in each other's way.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import paho.mqtt.client as mqtt
from ingestion.fleet import TENANT, Fleet, Sent
from paho.mqtt.enums import CallbackAPIVersion
from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select

from edge.adapters.lab_broker import LabBroker
from edge.adapters.mqtt_settings import MqttSettings
from evaluation.broker_options import RECEIVE_MAXIMUM
from evaluation.database import Database
from evaluation.lab_database import LabDatabase
from evaluation.mqtt_link import SessionSettings
from evaluation.mqtt_session import MqttSession
from evaluation.tables import RECORDS, STREAMS

LINES = 8
SHARE = "bench"
MOSQUITTO = (
    "max_queued_messages 0", "max_queued_bytes 0", "max_inflight_messages 200",
    "set_tcp_nodelay true",
)  # fmt: skip
PUBLISHED_AT_A_TIME = 500
POLL_S = 0.1
TIMEOUT_S = 600.0
PERIOD_S = 0.05
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Row:
    """One drain. The times are processor time for a record, microseconds."""

    receivers: int
    slowed: float
    records: int
    seconds: float
    records_per_s: float
    receivers_us: float
    postgres_us: float
    mosquitto_us: float
    busy_share: float
    """Of the machine's processors, by everything that runs on it."""


def main() -> None:
    options = _options()
    fleet = Fleet(options.devices, LINES)
    sent = [message for _ in range(options.rounds) for message in fleet.round(LINES)]
    rows = []
    with LabDatabase(durable=True) as lab:
        for count in options.receivers:
            rows.append(_drained(lab, sent, count, options.slowed))
            print(json.dumps(asdict(rows[-1])), file=sys.stderr)
    if options.json:
        print(json.dumps({"cores": os.cpu_count(), "rows": [asdict(row) for row in rows]}))
    else:
        _show(rows)


def _drained(lab: LabDatabase, sent: Sequence[Sent], receivers: int, slowed: float) -> Row:
    url = lab.new_database()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker = stack.enter_context(LabBroker("mosquitto", mosquitto_lines=MOSQUITTO))
        database = stack.enter_context(closing(Database(url)))
        database.prepare()
        names = [f"receiver-{n}" for n in range(receivers)]
        _leave_sessions(broker, names, shared=receivers > 1)
        _publish(broker, sent)
        before = _used(broker.pid, _postgres(lab))
        idle = _machine()
        shared = receivers > 1
        processes = [_receiver(stack, broker, url, folder / name, shared) for name in names]
        if slowed < 1:
            stack.enter_context(_slowed(processes, slowed))
        seconds, share = _watched(database, len(sent) * LINES, processes)
        busy = _machine()
        after = _used(broker.pid, _postgres(lab))
        own = sum(_cpu_s([each.pid]) for each in processes)
        records = _stored(database)
    return Row(
        receivers, slowed, records, round(seconds, 2), round(share * records / seconds),
        round(1e6 * own / records, 1), round(1e6 * (after[1] - before[1]) / records, 1),
        round(1e6 * (after[0] - before[0]) / records, 1),
        round(1 - (busy[1] - idle[1]) / (busy[0] - idle[0]), 3),
    )  # fmt: skip


def _filters(*, shared: bool) -> tuple[str, ...]:
    group = f"$share/{SHARE}/" if shared else ""
    return tuple(f"{group}pc/v1/{TENANT}/+/{leaf}" for leaf in ("counts", "head"))


def _leave_sessions(broker: LabBroker, names: Iterable[str], *, shared: bool) -> None:
    """Make the broker know the receivers, so that it keeps messages for them."""
    settings = MqttSettings(broker.host, broker.port, insecure_lab=True)
    for name in names:
        own = SessionSettings(name, _filters(shared=shared), 3600, RECEIVE_MAXIMUM)
        MqttSession(settings, own).leave()


def _publish(broker: LabBroker, sent: Sequence[Sent]) -> None:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "publisher", protocol=mqtt.MQTTv5)
    client.max_inflight_messages_set(PUBLISHED_AT_A_TIME)
    client.max_queued_messages_set(0)
    answered = threading.Semaphore(PUBLISHED_AT_A_TIME)
    client.on_publish = lambda *_: answered.release()
    client.connect(broker.host, broker.port)
    client.loop_start()
    for topic, payload in sent:
        answered.acquire()
        client.publish(topic, payload, qos=1)
    for _ in range(PUBLISHED_AT_A_TIME):
        answered.acquire()
    client.disconnect()
    client.loop_stop()


def _receiver(
    stack: ExitStack, broker: LabBroker, url: str, log: Path, shared: bool
) -> subprocess.Popen[bytes]:
    command = [
        sys.executable, "-m", "evaluation", "receive", "--insecure-lab",
        "--broker", f"mqtt://{broker.host}:{broker.port}", "--database", url,
        "--tenant", TENANT, "--client-id", log.name,
        *(["--share", SHARE] if shared else []),
    ]  # fmt: skip
    out = stack.enter_context(log.open("wb"))
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    stack.callback(_end, process)
    return process


@contextmanager
def _slowed(processes: Sequence[subprocess.Popen[bytes]], share: float) -> Iterator[None]:
    """Let each run a share of the time, one after the other as far as that goes."""
    ended = threading.Event()

    def hold_back(process: subprocess.Popen[bytes], delay_s: float) -> None:
        ended.wait(delay_s)
        while not ended.is_set():
            process.send_signal(signal.SIGSTOP)
            ended.wait(PERIOD_S * (1 - share))
            process.send_signal(signal.SIGCONT)
            ended.wait(PERIOD_S * share)

    threads = [
        threading.Thread(target=hold_back, args=(process, n * PERIOD_S / len(processes)))
        for n, process in enumerate(processes)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(30)


def _watched(
    database: Database, records: int, processes: Sequence[subprocess.Popen[bytes]]
) -> tuple[float, float]:
    """Wait until all is stored; return the seconds of the middle part, and its share of all."""
    seen: list[tuple[float, int]] = []
    deadline = time.monotonic() + TIMEOUT_S
    while not seen or seen[-1][1] < records:
        if time.monotonic() > deadline or any(each.poll() is not None for each in processes):
            raise SystemExit(f"error: {seen[-1:]} of {records} records were stored")
        with database.reading() as connection:
            committed = connection.execute(select(func.sum(STREAMS.c.upto))).scalar() or 0
        seen.append((time.monotonic(), int(committed)))
        time.sleep(POLL_S)
    begun = next(each for each in seen if each[1] >= records / 10)
    ended = next(each for each in seen if each[1] >= records * 9 / 10)
    return ended[0] - begun[0], (ended[1] - begun[1]) / records


def _stored(database: Database) -> int:
    """Return how many records are stored. Ends the program when watermarks say otherwise."""
    with database.reading() as connection:
        records = connection.execute(select(func.count()).select_from(RECORDS)).scalar_one()
        had = connection.execute(select(func.sum(STREAMS.c.upto))).scalar_one()
    if had != records:
        raise SystemExit(f"error: {records} records, and watermarks say {had}")
    return int(records)


def _postgres(lab: LabDatabase) -> list[int]:
    """Return the server and its children."""
    server = lab.pid
    if server is None:
        return []
    found = [server]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == server:
            found.append(int(stat.parent.name))
    return found


def _used(broker: int | None, postgres: Sequence[int]) -> tuple[float, float]:
    return _cpu_s([broker] if broker else []), _cpu_s(postgres)


def _cpu_s(pids: Iterable[int]) -> float:
    """Processor time of processes, and of those of their children that have ended."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))  # proc(5): utime, stime, cutime, cstime
    return total / _TICKS_PER_S


def _machine() -> tuple[int, int]:
    """Return the ticks of all processors so far, and the idle ones among them."""
    fields = [int(each) for each in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(fields), fields[3] + fields[4]


def _show(rows: Sequence[Row]) -> None:
    names = ("receivers", "records", "records/s", "receiver", "PostgreSQL", "mosquitto", "busy")
    table = Table(*names, title="processor time in µs for a record")
    for row in rows:
        times = (row.receivers_us, row.postgres_us, row.mosquitto_us)
        table.add_row(
            str(row.receivers), str(row.records), str(row.records_per_s), *map(str, times),
            f"{100 * row.busy_share:.0f} %",
        )  # fmt: skip
    Console().print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--receivers", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--slowed", type=float, default=1.0, help="share of the time they run")
    parser.add_argument("--rounds", type=int, default=20, help="messages of each device")
    return parser.parse_args()


if __name__ == "__main__":
    main()
