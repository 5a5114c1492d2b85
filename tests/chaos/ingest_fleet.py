"""The fleet of the ingest campaign: the product's relays and outboxes, many in one process.

python -m tests.chaos.ingest_fleet FOLDER PORT SEED DEVICES DAYS BURST_S
It makes `made` in the folder when every interval is closed, and `facts.json` when a backend has
acked every record. A device closes an hour at a time, each at its own moment within BURST_S.
"""

import json
import random
import sys
import threading
import time
from pathlib import Path
from zlib import crc32

from edge.adapters.clock import SystemClock
from edge.adapters.mqtt_settings import MqttSettings
from edge.delivery import RelayLimits
from edge.messages import Health, health_message, status_message, topic
from edge.sending import SendLimits
from edge.testing import MemoryOutbox
from scripts.simulation.driver import Driver
from scripts.simulation.link import Handed, Link, SharedBroker
from scripts.simulation.sender import SteppedRelay
from scripts.simulation.sockets import Sockets
from tests.chaos.ingest_truth import START_MS, TENANT, Load, buckets, name_of

BURST = 4
MOST_WAITING = 300
"""Records of a device that are not acked; then no more are made for a while."""
RESEND_S = 2.0
LOOK_S = 0.02
# Many small messages: the hours of a device are spread over transactions of both receivers.
_LIMITS = RelayLimits(
    sending=SendLimits(records_per_message=3, most_in_flight=200),
    messages_per_s=100.0, retry_min_s=0.05, retry_max_s=0.5,
)  # fmt: skip


class Device:
    """One of the fleet: what it lets go of a backend has acked."""

    def __init__(self, index: int, port: int, sockets: Sockets, driver: Driver) -> None:
        dev = name_of(index)
        self.index, self.outbox = index, MemoryOutbox(dev, f"{index:016x}")
        rng = random.Random(index)
        self.seat = driver.seat(self)
        link = Link(sockets, Handed(), rng, on_ended=self.seat.set)
        settings = MqttSettings(
            "127.0.0.1", port, insecure_lab=True, connect_timeout_s=1.0, publish_timeout_s=1.0
        )
        broker = SharedBroker(
            link, settings, dev,
            lambda: status_message(TENANT, dev, 0, "lost"),
            lambda: [status_message(TENANT, dev, 0, "online")],
            {topic(TENANT, dev, "ack"): lambda _topic, text: self.relay.receive_ack(text)},
        )  # fmt: skip
        self.relay = SteppedRelay(
            self.outbox, broker, SystemClock(), tenant=TENANT, dev=dev,
            health=lambda _: health_message(TENANT, dev, 0, Health(0, 0), interval_s=60),
            farewell=tuple, rng=rng, limits=_LIMITS, seat=self.seat, resend_s=RESEND_S,
        )  # fmt: skip

    @property
    def is_urgent(self) -> bool:
        return self.relay.state.connected

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left, and not on the broker's word."""
        return self.outbox.depth() == 0 and self.relay.state.commits

    def turn(self) -> float | None:
        return self.relay.step()

    def facts(self) -> tuple[str, int, int]:
        """Return its stream, how many records it has sealed, and a sum over their texts."""
        stream = self.outbox.stream
        sealed = self.outbox.between(START_MS, START_MS + 10**10, 10**9, stream=stream)
        return stream, len(sealed), sum(crc32(each.body.encode()) for each in sealed)


def run(folder: Path, port: int, load: Load, burst_s: float) -> None:
    """Make, send, and stay until killed."""
    sockets = Sockets(_complain)
    driver = Driver(_complain, load.devices + 2)
    devices = [Device(index, port, sockets, driver) for index in range(load.devices)]
    for device in devices:
        device.seat.set()
    threading.Thread(target=_produce, args=(folder, devices, load, burst_s), daemon=True).start()
    facts = folder / "facts.json"
    while True:
        sockets.turn(LOOK_S)
        driver.tick()
        if (folder / "made").exists() and not facts.exists() and all(d.is_settled for d in devices):
            part = facts.with_suffix(".part")
            part.write_text(json.dumps({name_of(d.index): d.facts() for d in devices}))
            part.replace(facts)


def _produce(folder: Path, devices: list[Device], load: Load, burst_s: float) -> None:
    began_at = time.monotonic()
    for first in range(0, load.intervals, BURST):
        for device in devices:
            due_at = began_at + burst_s * (first / BURST + device.index / len(devices))
            while time.monotonic() < due_at or device.outbox.depth() > MOST_WAITING:
                threading.Event().wait(LOOK_S)
            for interval in range(first, first + BURST):
                device.outbox.append(buckets(load, device.index, interval))
            device.relay.saved()
    (folder / "made").touch()


def _complain(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    folder, port, seed, devices, days, burst = sys.argv[1:]
    run(Path(folder), int(port), Load(int(seed), int(devices), int(days)), float(burst))
