"""`scripts/bench outage`: a month without network, and a month with one.

A month of 8 lines at 15 minutes is put into a real outbox; a real relay then drains it with
the limits it has in the field through a real broker to the reference receiver, and the bytes
on the wire are counted by a proxy. Then another month is sent interval by interval, as it
closes, to see what a metered connection carries. Bytes are those of MQTT; TLS adds 22 to 29
a record and TCP/IP 40 a packet, which the estimate at the end includes.
"""

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from edge.adapters.broker_mqtt import MqttBroker
from edge.adapters.clock import SystemClock
from edge.adapters.lab_broker import LabBroker
from edge.adapters.mqtt_settings import KEEPALIVE_S, MqttSettings
from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.delivery import Relay, RelayLimits
from edge.messages import Health, health_message, status_message, topic
from edge.station import HEALTH_S, METERED_HEALTH_S, METERED_KEEPALIVE_S
from edge.vocabulary import CountBucket, Outcome, Provenance, TimeQuality
from evaluation.database import Database
from evaluation.mqtt_session import SessionSettings
from evaluation.receiver import Receiver
from evaluation.store import Store
from scripts.loopback_proxy import LoopbackProxy

DEV, TENANT = "lobby-001", "street-office-1"
DAYS, INTERVAL_MIN, LINES = 30, 15, 8
INTERVALS = DAYS * 24 * 60 // INTERVAL_MIN
START_MS = 1_793_491_200_000
"""2026-11-01 UTC."""
IP_BYTES, TLS_BYTES = 40, 29
RECEIVE_MAXIMUM = 500


def interval(number: int, rng: random.Random) -> list[CountBucket]:
    t0_ms = START_MS + number * INTERVAL_MIN * 60_000
    return [
        CountBucket(
            f"line-{line}", t0_ms, t0_ms + INTERVAL_MIN * 60_000,
            {Outcome.IN: rng.randrange(30), Outcome.OUT: rng.randrange(30)}, 1.0, None,
            TimeQuality.NTP, Provenance("9cd36f043cf8", "27cec6c1efca"),
        )
        for line in range(LINES)
    ]  # fmt: skip


def health() -> Health:
    return Health(86_400, 0, fps=8.0, detect_ms=21.3, temperature_c=52.1, memory_mb=188.2,
                  disk_free_mb=21_553, last_accepted_ms=START_MS)  # fmt: skip


@contextmanager
def relay_to(port: int, outbox: SqliteOutbox, limits: RelayLimits) -> Iterator[Relay]:
    stop = threading.Event()
    broker = MqttBroker(
        MqttSettings("127.0.0.1", port, insecure_lab=True), DEV,
        will=lambda: status_message(TENANT, DEV, START_MS, "lost"),
        birth=lambda: [status_message(TENANT, DEV, START_MS, "online")],
        inboxes={topic(TENANT, DEV, "ack"): lambda _topic, payload: relay.receive_ack(payload)},
    )  # fmt: skip
    relay = Relay(
        outbox, broker, SystemClock(), tenant=TENANT, dev=DEV,
        health=lambda _: health_message(TENANT, DEV, START_MS, health(), interval_s=300),
        farewell=tuple, rng=random.Random(1), limits=limits,  # noqa: S311
    )  # fmt: skip
    thread = threading.Thread(target=relay.run, args=(stop,))
    thread.start()
    try:
        yield relay
    finally:
        stop.set()
        relay.wake.set()
        thread.join()


@contextmanager
def receiver_at(port: int, folder: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{folder / 'backend.sqlite'}")
    database.prepare()
    session = SessionSettings("bench", ("pc/v1/+/+/counts",), 3600, RECEIVE_MAXIMUM)
    stop = threading.Event()
    receiver = Receiver(
        Store(database), MqttSettings("127.0.0.1", port, insecure_lab=True), session
    )
    thread = threading.Thread(target=receiver.run, args=(stop,))
    thread.start()
    try:
        yield database
    finally:
        stop.set()
        thread.join()
        database.close()


def until(predicate: Callable[[], bool], limit_s: float = 150.0) -> float:
    """Wait for something; return how long it took."""
    began = time.monotonic()
    while not predicate():
        if time.monotonic() - began > limit_s:
            raise SystemExit("the bench does not end; is the receiver running?")
        time.sleep(0.005)
    return time.monotonic() - began


def file_mb(folder: Path) -> float:
    return sum(each.stat().st_size for each in folder.glob("outbox.sqlite*")) / 1e6


def month_without_network(folder: Path, rng: random.Random) -> dict[str, float]:
    outbox = SqliteOutbox(folder / "outbox.sqlite", DEV)
    began = time.monotonic()
    for number in range(INTERVALS):
        outbox.append(interval(number, rng))
    append_ms = 1000 * (time.monotonic() - began) / INTERVALS
    size_mb = file_mb(folder)
    with LabBroker() as lab, LoopbackProxy(lab.port) as proxy, receiver_at(lab.port, folder):
        # The receiver's word that it commits, so that the device waits for it.
        with relay_to(proxy.port, outbox, RelayLimits()) as relay:
            drain_s = until(lambda: outbox.depth() == 0 and relay.state.commits)
        moved = proxy.up_bytes + proxy.down_bytes
    outbox.close()
    return {
        "records": INTERVALS * LINES,
        "outbox_mb": round(size_mb, 2),
        "append_ms_per_interval": round(append_ms, 2),
        "drain_s": round(drain_s, 1),
        "drain_mb": round(moved / 1e6, 2),
    }


def month_with_network(
    folder: Path, rng: random.Random, intervals: int, *, metered: bool
) -> dict[str, float]:
    """Send some intervals one by one, and extrapolate to the month."""
    outbox = SqliteOutbox(folder / "outbox.sqlite", DEV)
    quick = RelayLimits(messages_per_s=10_000.0, pack=metered)
    with (
        LabBroker() as lab,
        LoopbackProxy(lab.port) as proxy,
        receiver_at(lab.port, folder),
        relay_to(proxy.port, outbox, quick) as relay,
    ):
        outbox.append(interval(0, rng))
        relay.wake.set()
        until(lambda: relay.state.commits and outbox.depth() == 0)
        before = proxy.up_bytes + proxy.down_bytes
        for number in range(1, intervals + 1):
            outbox.append(interval(number, rng))
            relay.wake.set()
            until(lambda: outbox.depth() == 0)
        counts_bytes = (proxy.up_bytes + proxy.down_bytes - before) / intervals
        before = proxy.up_bytes + proxy.down_bytes
        relay.refresh_health()
        until(lambda: proxy.up_bytes + proxy.down_bytes > before)
        health_bytes = proxy.up_bytes + proxy.down_bytes - before
    outbox.close()
    days_s = DAYS * 86_400
    healths = days_s / (METERED_HEALTH_S if metered else HEALTH_S)
    pings = days_s / (METERED_KEEPALIVE_S if metered else KEEPALIVE_S)
    mqtt_mb = (counts_bytes * INTERVALS + health_bytes * healths + 4 * pings) / 1e6
    # An interval: counts, PUBACK, ack, PUBACK. A health or a ping: itself and TCP's answer.
    packets = 8 * INTERVALS + 2 * healths + 4 * pings
    records = 4 * INTERVALS + healths + 2 * pings
    figures = {
        "bytes_per_interval": round(counts_bytes),
        "bytes_per_health": round(health_bytes),
        "counts_mb_per_month": round(counts_bytes * INTERVALS / 1e6, 2),
        "health_mb_per_month": round(health_bytes * healths / 1e6, 2),
        "mqtt_mb_per_month": round(mqtt_mb, 2),
        "with_tls_tcp_ip_mb_per_month": round(
            mqtt_mb + (packets * IP_BYTES + records * TLS_BYTES) / 1e6, 2
        ),
    }
    return {f"metered_{k}" if metered else k: v for k, v in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench outage", description=__doc__)
    parser.add_argument("--intervals", type=int, default=200, help="sent one by one")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rng = random.Random(7)  # noqa: S311
    results: dict[str, float] = {}
    for measure in (
        month_without_network,
        lambda f, r: month_with_network(f, r, options.intervals, metered=False),
        lambda f, r: month_with_network(f, r, options.intervals, metered=True),
    ):
        with tempfile.TemporaryDirectory(prefix="bench-outage-") as folder:
            results |= measure(Path(folder), rng)
    if options.json:
        print(json.dumps(results))
        return
    print(f"{DAYS} days, {LINES} lines, {INTERVAL_MIN} min")
    for name, value in results.items():
        print(f"{name:34} {value:g}")


if __name__ == "__main__":
    main()
