"""A device's sending side: who it is on the wire, and the relay's thread."""

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from edge import __version__, messages
from edge.adapters.broker_mqtt import MqttBroker
from edge.adapters.mqtt_settings import MqttSettings
from edge.config import Config, MqttSection, password
from edge.delivery import Relay, RelayState
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

    def __init__(
        self,
        config: Config,
        clock: Clock,
        outbox: Outbox,
        provenance: Provenance,
        *,
        interval_s: float,
        health: Callable[[RelayState], Health],
        heard: Mapping[messages.Leaf, Callable[[bytes], None]] | None = None,
        born_too: Callable[[], Sequence[Message]] = tuple,
    ) -> None:
        """Prepare; nothing is sent before `start`. Raises ConfigError.

        heard: who takes what comes on other topics of this device, on another thread.
        born_too: what else belongs to the birth.
        """
        self._clock, self._outbox, self._born_too = clock, outbox, born_too
        self._described = config, provenance
        self._interval_s, self._health = round(interval_s), health
        self._tenant, self._dev = config.device.tenant, config.device.id
        self._settings = mqtt_settings(config.mqtt)
        self._stop = threading.Event()
        broker = MqttBroker(
            self._settings,
            self._dev,
            lambda: self._status("lost"),
            self._birth,
            {
                messages.topic(self._tenant, self._dev, leaf): partial(_payload_only, take)
                for leaf, take in {"ack": self._receive_ack, **(heard or {})}.items()
            },
        )
        self.relay = Relay(
            outbox,
            broker,
            clock,
            tenant=self._tenant,
            dev=self._dev,
            health=self._health_message,
            farewell=lambda: [self._status("offline")],
            announce=self._birth,
            rng=random.Random(),  # noqa: S311  jitter, not a secret
        )
        self._thread = threading.Thread(target=self.relay.run, args=(self._stop,), name="relay")

    def start(self) -> None:
        """Begin to connect and deliver, in a thread of its own."""
        self._thread.start()

    def describe(self, config: Config, provenance: Provenance) -> None:
        """Let the birth speak of another config from now on; callable from any thread."""
        self._described = config, provenance
        self.relay.announce_again()

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

    def _receive_ack(self, payload: bytes) -> None:
        self.relay.receive_ack(payload)

    def _delivery(self) -> messages.Delivery:
        return "commit" if self.relay.state.commits else "puback"

    def _birth(self) -> Sequence[Message]:
        now_ms = self._now_ms()
        config, provenance = self._described
        return (
            self._status("online"),
            messages.info_message(
                self._tenant,
                self._dev,
                now_ms,
                software=__version__,
                stream=self._outbox.stream,
                provenance=provenance,
                lines=[section.line() for section in config.lines],
                interval_s=self._interval_s,
                zones=[section.zone() for section in config.zones],
                delivery=self._delivery(),
            ),
            messages.privacy_message(
                self._tenant,
                self._dev,
                now_ms,
                interval_s=self._interval_s,
                insecure_lab=self._settings.insecure_lab,
            ),
            *self._born_too(),
        )

    def _health_message(self, state: RelayState) -> Message:
        return messages.health_message(
            self._tenant, self._dev, self._now_ms(), self._health(state), interval_s=60
        )


def _payload_only(take: Callable[[bytes], None], _topic: str, payload: bytes) -> None:
    take(payload)
