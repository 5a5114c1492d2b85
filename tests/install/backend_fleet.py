"""A small fleet for test_backend, run in there: outbox, relay and TLS of a device; invented counts.

    python backend_fleet.py BROKER CERTIFICATES RECORDS DEVICE…

Counts so many records, and on while there is /srv/counting. Ends when everything is committed;
prints what was counted, by device.
"""

import json
import logging
import random
import sys
import tempfile
import threading
from pathlib import Path

from edge.adapters.broker_mqtt import MqttBroker
from edge.adapters.clock import SystemClock
from edge.adapters.mqtt_settings import MqttSettings
from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.delivery import Relay, RelayLimits
from edge.messages import Health, health_message, status_message
from edge.sending import SendLimits
from edge.terminal import log_to_stderr
from edge.vocabulary import CountBucket, Outcome, Provenance, TimeQuality

TENANT = "street-1"
GO_ON = Path("/srv/counting")
MOST = 2900
"""Quarters of an hour in January, almost."""
JANUARY = 1_767_225_600_000
QUARTER = 900_000
EVERY_S = 0.1
LIMITS = RelayLimits(
    sending=SendLimits(records_per_message=3, resend_s=2.0), messages_per_s=50,
    retry_min_s=0.1, retry_max_s=1.0, idle_s=0.05, farewell_s=1.0,
)  # fmt: skip


class Device:
    """One device, with a relay that runs."""

    def __init__(self, dev: str, broker: str, certificates: Path, folder: Path) -> None:
        self.dev, self.people, self._rng = dev, 0, random.Random(dev)
        self.outbox = SqliteOutbox(folder / f"{dev}.db", dev)
        settings = MqttSettings(
            broker,
            ca_file=certificates / "ca.pem",
            cert_file=certificates / "devices" / f"{dev}.pem",
            key_file=certificates / "devices" / f"{dev}.key",
        )
        clock = SystemClock()

        def status(state: str):
            return status_message(TENANT, dev, round(1000 * clock.utc()), state)

        link = MqttBroker(
            settings, dev, will=lambda: status("lost"), birth=lambda: [status("online")],
            inboxes={f"pc/v1/{TENANT}/{dev}/ack": lambda _, said: self.relay.receive_ack(said)},
        )  # fmt: skip
        self.relay = Relay(
            self.outbox, link, clock, tenant=TENANT, dev=dev,
            health=lambda _: health_message(TENANT, dev, 0, Health(0, 0), interval_s=60),
            farewell=tuple, rng=random.Random(dev), limits=LIMITS,
        )  # fmt: skip
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.relay.run, args=(self._stop,))
        self._thread.start()

    def count(self, number: int) -> None:
        people, t0_ms = self._rng.randrange(40), JANUARY + number * QUARTER
        by, quality = Provenance("cfg", "model"), TimeQuality.NTP
        counts = {Outcome.IN: people, Outcome.OUT: people}
        bucket = CountBucket("door", t0_ms, t0_ms + QUARTER, counts, 1.0, None, quality, by)
        self.outbox.append([bucket])
        self.people += people
        self.relay.wake.set()

    def is_committed(self) -> bool:
        return bool(self.relay.state.commits and self.outbox.depth() == 0)

    def close(self) -> None:
        self._stop.set()
        self.relay.wake.set()
        self._thread.join()
        self.outbox.close()


def main() -> None:
    log_to_stderr(logging.WARNING)
    broker, certificates, records, *names = sys.argv[1:]
    never = threading.Event()
    with tempfile.TemporaryDirectory() as folder:
        fleet = [Device(name, broker, Path(certificates), Path(folder)) for name in names]
        for number in range(MOST):
            if number >= int(records) and not GO_ON.exists():
                break
            for device in fleet:
                device.count(number)
            never.wait(EVERY_S)
        while not all(device.is_committed() for device in fleet):
            never.wait(EVERY_S)
        for device in fleet:
            device.close()
    sys.stdout.write(json.dumps({device.dev: device.people for device in fleet}) + "\n")


if __name__ == "__main__":
    main()
