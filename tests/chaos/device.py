"""The device of the chaos campaign: real outbox, MQTT adapter and relay; intervals close fast.

python device.py FOLDER DEV PORT SEED INTERVALS PACE_S commit|puback
What is counted in an interval follows from the seed, so that anybody can tell what is right.
"""

import random
import sys
import threading
import time
from pathlib import Path

from edge.adapters.broker_mqtt import MqttBroker
from edge.adapters.clock import SystemClock
from edge.adapters.mqtt_settings import MqttSettings
from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.delivery import Relay, RelayLimits
from edge.messages import Health, health_message, status_message, topic
from edge.sending import SendLimits
from edge.vocabulary import CountBucket, Outcome, Provenance, TimeQuality

LINES = ("door", "side")
INTERVAL_MS = 900_000
START_MS = 1_793_491_200_000  # 2026-11-01


def counted(seed: int, interval: int, line: str) -> tuple[int, int]:
    """Return how many come in and go out."""
    rng = random.Random(f"{seed}:{interval}:{line}")
    return rng.randrange(40), rng.randrange(40)


def buckets(seed: int, interval: int) -> list[CountBucket]:
    t0_ms = START_MS + interval * INTERVAL_MS
    return [
        CountBucket(
            line, t0_ms, t0_ms + INTERVAL_MS,
            dict(zip((Outcome.IN, Outcome.OUT), counted(seed, interval, line), strict=True)),
            1.0, None, TimeQuality.NTP, Provenance("c", "m"),
        )
        for line in LINES
    ]  # fmt: skip


def run(folder: Path, dev: str, port: int, *, seed: int, intervals: int, pace_s: float, mode: str):
    outbox = SqliteOutbox(folder / "outbox.sqlite", dev)
    assert outbox.trouble is None, outbox.trouble
    relay: Relay
    broker = MqttBroker(
        MqttSettings(
            "127.0.0.1", port, insecure_lab=True, connect_timeout_s=1.0, publish_timeout_s=1.0
        ),
        dev,
        will=lambda: status_message("t", dev, 0, "lost"),
        birth=tuple,
        inboxes={topic("t", dev, "ack"): lambda _topic, payload: relay.receive_ack(payload)}
        if mode == "commit"
        else {},
    )
    relay = Relay(
        outbox, broker, SystemClock(), tenant="t", dev=dev,
        health=lambda _: health_message("t", dev, 0, Health(0, 0), interval_s=60),
        farewell=tuple, rng=random.Random(seed),
        limits=RelayLimits(
            sending=SendLimits(records_per_message=20, resend_s=2.0, most_in_flight=200),
            messages_per_s=100.0, retry_min_s=0.05, retry_max_s=0.3, idle_s=0.05,
        ),
    )  # fmt: skip
    threading.Thread(target=relay.run, args=(threading.Event(),), daemon=True).start()
    done = max(0, outbox.dated_until_ms - START_MS) // INTERVAL_MS
    for interval in range(done, intervals):
        outbox.append(buckets(seed, interval))
        relay.wake.set()
        time.sleep(pace_s)
    threading.Event().wait()


if __name__ == "__main__":
    folder, dev, port, seed, intervals, pace, mode = sys.argv[1:]
    run(
        Path(folder), dev, int(port),
        seed=int(seed), intervals=int(intervals), pace_s=float(pace), mode=mode,
    )  # fmt: skip
