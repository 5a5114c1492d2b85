"""A device's sending side: who it is on the wire, and the relay's thread."""

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import structlog

from edge import __version__, home_assistant, messages
from edge.adapters.broker_mqtt import MqttBroker
from edge.adapters.continued_file import read_continued
from edge.adapters.mqtt_settings import KEEPALIVE_S, MqttSettings
from edge.commands import answer, parse_backfill
from edge.config import Config, password
from edge.config_sections import MqttSection
from edge.delivery import Relay, RelayLimits, RelayState
from edge.errors import MessageError
from edge.heads import head_message
from edge.messages import Health
from edge.ports import Clock, Outbox, Signer
from edge.privacy_statement import statement
from edge.vocabulary import Bucket, Message, Provenance

DAY_MS = 86_400_000
HEALTH_S, METERED_HEALTH_S = 300, 900
"""Gauges; what changes is told at once."""
METERED_KEEPALIVE_S = 240
"""Pings were two thirds of what a month costs; carriers forget a silent connection after 5 min."""

_log = structlog.get_logger(__name__)


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
        keepalive_s=METERED_KEEPALIVE_S if mqtt.metered else KEEPALIVE_S,
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
        signer: Signer | None = None,
        heard: Mapping[messages.Leaf, Callable[[bytes], None]] | None = None,
        born_too: Callable[[], Sequence[Message]] = tuple,
        heartbeat: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare; nothing is sent before `start`. Raises ConfigError.

        spread_s: the time over which all devices send what they close at the same moment.
        signer: the device's key; without one no heads are published.
        heard: who takes what comes on other topics of this device, on another thread.
        born_too: what else belongs to the birth.
        heartbeat: called by the relay's thread whenever it has gone round.
        """
        self._clock, self._outbox, self._born_too = clock, outbox, born_too
        self._described = config, provenance
        self._interval_s, self._health = round(interval_s), health
        self._tenant, self._dev = config.device.tenant, config.device.id
        self._signer, self._folder = signer, config.records.data_dir
        self._day = self._now_ms() // DAY_MS
        self._settings = mqtt_settings(config.mqtt)
        self._health_s = METERED_HEALTH_S if config.mqtt.metered else HEALTH_S
        self._stop = threading.Event()
        broker = self.broker_type(
            self._settings,
            self._dev,
            lambda: self._status("lost"),
            self._birth,
            {
                messages.topic(self._tenant, self._dev, leaf): partial(_payload_only, take)
                for leaf, take in {
                    "ack": self._receive_ack,
                    "cmd/backfill": self._receive_backfill,
                    **(heard or {}),
                }.items()
            },
        )
        self.relay = self.relay_type(
            outbox,
            broker,
            clock,
            tenant=self._tenant,
            dev=self._dev,
            health=self._health_message,
            farewell=lambda: [*self._heads(), self._status("offline")],
            announce=self._birth,
            heartbeat=heartbeat,
            rng=random.Random(),  # noqa: S311  jitter, not a secret
            limits=RelayLimits(
                spread_s=spread_s, pack=config.mqtt.metered, health_interval_s=self._health_s
            ),
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

    def stored(self, buckets: Sequence[Bucket]) -> None:
        """Sign a head with the last interval of a UTC day; called when intervals were stored.

        Without a connection there is none: the birth brings one that covers it.
        """
        day = max((bucket.t1_ms for bucket in buckets), default=0) // DAY_MS
        if buckets and day != self._day:
            self._day = day
            if self.relay.state.connected:
                for head in self._heads():
                    self.relay.post(head)

    def _now_ms(self) -> int:
        return round(self._clock.utc() * 1000)

    def _status(self, state: messages.State) -> Message:
        return messages.status_message(
            self._tenant, self._dev, self._now_ms(), state, self._delivery()
        )

    def _receive_ack(self, payload: bytes) -> None:
        self.relay.receive_ack(payload)

    def _receive_backfill(self, payload: bytes) -> None:
        error = None
        try:
            wish = parse_backfill(payload)
            self.relay.repeat(wish.t0_ms, wish.t1_ms)
        except MessageError as refusal:
            error = str(refusal)
        self.relay.post(answer(self._tenant, self._dev, self._now_ms(), payload, error))

    def _delivery(self) -> messages.Delivery:
        return "commit" if self.relay.state.commits else "puback"

    def _heads(self) -> Sequence[Message]:
        """Return a head of what is stored now; neither counting nor delivery waits for one."""
        if self._signer is None:
            return ()
        try:
            tip = self._outbox.tip()
            head = head_message(
                self._tenant,
                self._dev,
                self._now_ms(),
                tip,
                quality=self._clock.quality(),
                signer=self._signer,
                continues=read_continued(self._folder, tip.stream),
            )
        except Exception:
            _log.exception("no head signed")
            return ()
        return (head,)

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
                key=self._signer.public_key if self._signer else None,
                hours=config.published_hours(),
            ),
            messages.privacy_message(
                self._tenant,
                self._dev,
                now_ms,
                interval_s=self._interval_s,
                insecure_lab=self._settings.insecure_lab,
                details=statement(config).details,
            ),
            *self._heads(),
            *self._discovery(config),
            *self._born_too(),
        )

    def _discovery(self, config: Config) -> Sequence[Message]:
        if config.mqtt.home_assistant is None:
            return ()
        if not config.mqtt.home_assistant:
            return (home_assistant.removal_message(self._dev),)
        return (
            home_assistant.discovery_message(
                self._tenant,
                self._dev,
                name=config.device.name,
                lines=[section.line() for section in config.lines],
                interval_s=self._interval_s,
                software=__version__,
            ),
        )

    def _health_message(self, state: RelayState) -> Message:
        return messages.health_message(
            self._tenant, self._dev, self._now_ms(), self._health(state), interval_s=self._health_s
        )


def _payload_only(take: Callable[[bytes], None], _topic: str, payload: bytes) -> None:
    take(payload)
