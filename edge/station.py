"""A device's sending side: who it is on the wire, and the relay's thread."""

import random
import threading
from collections.abc import Callable, Sequence

from edge import __version__, messages
from edge.adapters.broker_mqtt import MqttBroker
from edge.adapters.mqtt_settings import MqttSettings
from edge.commands import answer, parse_backfill
from edge.config import Config, MqttSection, password
from edge.delivery import Relay, RelayLimits, RelayState
from edge.errors import MessageError
from edge.messages import Health
from edge.ports import Clock, Outbox
from edge.vocabulary import Message, Provenance


def mqtt_settings(mqtt: MqttSection) -> MqttSettings:
    """Return what the MQTT adapters need. Raises ConfigError for an unreadable password."""
    tls = mqtt.tls
    return MqttSettings(
        host=mqtt.host,
        port=mqtt.port,
        username=mqtt.username,
        password=password(mqtt),
        ca_file=tls.ca if tls else None,
        cert_file=tls.cert if tls else None,
        key_file=tls.key if tls else None,
        insecure_lab=tls is None,
    )


class Station:
    """Publishes what the outbox holds, with birth, will, health and farewell."""

    broker_type: Callable[..., MqttBroker] = MqttBroker
    relay_type: Callable[..., Relay] = Relay
    """Other ones serve where thousands of devices share a process."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        outbox: Outbox,
        provenance: Provenance,
        *,
        interval_s: float,
        health: Callable[[RelayState], Health],
        spread_s: float = 0.0,
    ) -> None:
        """Prepare; nothing is sent before `start`. Raises ConfigError.

        spread_s: the time over which all devices send what they close at the same moment.
        """
        self._config, self._clock, self._outbox = config, clock, outbox
        self._provenance, self._interval_s, self._health = provenance, round(interval_s), health
        self._tenant, self._dev = config.device.tenant, config.device.id
        self._settings = mqtt_settings(config.mqtt)
        self._stop = threading.Event()
        broker = self.broker_type(
            self._settings,
            self._dev,
            lambda: self._status("lost"),
            self._birth,
            {
                messages.topic(self._tenant, self._dev, "ack"): self._receive_ack,
                messages.topic(self._tenant, self._dev, "cmd/backfill"): self._receive_backfill,
            },
        )
        self.relay = self.relay_type(
            outbox,
            broker,
            clock,
            tenant=self._tenant,
            dev=self._dev,
            health=self._health_message,
            farewell=lambda: [self._status("offline")],
            announce=self._birth,
            rng=random.Random(),  # noqa: S311  jitter, not a secret
            limits=RelayLimits(spread_s=spread_s),
        )
        self._thread = threading.Thread(target=self.relay.run, args=(self._stop,), name="relay")

    def start(self) -> None:
        """Begin to connect and deliver, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Deliver what can be, say goodbye, end the thread; a silent broker is given 20 s."""
        self._stop.set()
        self.relay.wake.set()
        self._thread.join()

    def _now_ms(self) -> int:
        return round(self._clock.utc() * 1000)

    def _status(self, state: messages.State) -> Message:
        return messages.status_message(
            self._tenant, self._dev, self._now_ms(), state, self._delivery()
        )

    def _receive_ack(self, _topic: str, payload: bytes) -> None:
        self.relay.receive_ack(payload)

    def _receive_backfill(self, _topic: str, payload: bytes) -> None:
        error = None
        try:
            wish = parse_backfill(payload)
            self.relay.repeat(wish.t0_ms, wish.t1_ms)
        except MessageError as refusal:
            error = str(refusal)
        self.relay.post(answer(self._tenant, self._dev, self._now_ms(), payload, error))

    def _delivery(self) -> messages.Delivery:
        return "commit" if self.relay.state.commits else "puback"

    def _birth(self) -> Sequence[Message]:
        now_ms = self._now_ms()
        return (
            self._status("online"),
            messages.info_message(
                self._tenant,
                self._dev,
                now_ms,
                software=__version__,
                stream=self._outbox.stream,
                provenance=self._provenance,
                lines=[section.line() for section in self._config.lines],
                interval_s=self._interval_s,
                zones=[section.zone() for section in self._config.zones],
                delivery=self._delivery(),
            ),
            messages.privacy_message(
                self._tenant,
                self._dev,
                now_ms,
                interval_s=self._interval_s,
                insecure_lab=self._settings.insecure_lab,
            ),
        )

    def _health_message(self, state: RelayState) -> Message:
        return messages.health_message(
            self._tenant, self._dev, self._now_ms(), self._health(state), interval_s=60
        )
