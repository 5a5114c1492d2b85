"""The process beside the receivers: states and registers in, days, months and alerts kept.

What comes over MQTT is acknowledged after the commit. While the database is away the latest
state of each topic is held and nothing is acknowledged, so the broker keeps the rest.
"""

import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from edge.adapters.mqtt_settings import MqttSettings
from edge.backoff import Backoff
from edge.errors import BadInputError, BrokerError, MessageError
from evaluation import registers
from evaluation.alert_command import AlertCommand, hand_over
from evaluation.alert_store import keep_alerts
from evaluation.assessment.scheme import Scheme
from evaluation.chores import RETRY_MAX_S, RETRY_MIN_S, Chore, Pulse
from evaluation.database import Database
from evaluation.device_states import LEAVES, DeviceState, keep_states, read_state
from evaluation.errors import StoreError, UnstorableError
from evaluation.fleet_facts import all_tenants
from evaluation.freeze import freeze_due
from evaluation.ingest import Reject, rejected
from evaluation.mqtt_link import SessionSettings
from evaluation.mqtt_session import Delivery, MqttSession
from evaluation.register_messages import KINDS, is_register, read_register, tenant_of
from evaluation.rollup import RollUp
from evaluation.service import Part
from evaluation.tables import REJECTED, reject_row

MESSAGES_AT_A_TIME = 200
POLL_S, LINGER_S = 0.25, 0.05
DAYS_EVERY_S = 5.0
MONTHS_EVERY_S = 60.0
ALERTS_EVERY_S = 15.0
TELL_EVERY_S = 5.0
PART = "messages"

_log = structlog.get_logger(__name__)


def filters(tenant: str | None) -> tuple[str, ...]:
    """Return what the process subscribes to; never shared, each gets all."""
    who = "+" if tenant is None else tenant
    states = tuple(f"pc/v1/{who}/+/{leaf}" for leaf in LEAVES)
    return states + tuple(f"reg/v1/{who}/+/{kind}" for kind in KINDS)


def parts(
    database: Database,
    intake: "Intake",
    pulse: Pulse,
    scheme: Scheme,
    *,
    tenant: str | None = None,
    command: AlertCommand | None = None,
) -> dict[str, Part]:
    """Return everything the process does, each for a thread of its own."""
    roll_up = RollUp(database)

    def days(stop: threading.Event) -> Mapping[str, int]:
        total = 0
        while not stop.is_set() and (made := roll_up.step()):
            total += made
            pulse.beat("days")
        return {"days": total}

    def months(_: threading.Event) -> Mapping[str, int]:
        now_ms = time.time_ns() // 1_000_000
        return {"months": len(freeze_due(database, scheme, now_ms, tenant))}

    def alerts(_: threading.Event) -> Mapping[str, int]:
        with database.reading() as connection:
            owners = all_tenants(connection) if tenant is None else [tenant]
        found = [keep_alerts(database, each, time.time_ns() // 1_000_000) for each in owners]
        raised, closed = sum(f.raised for f in found), sum(f.closed for f in found)
        if raised or closed:
            _log.info("alerts", raised=raised, closed=closed, open=sum(f.open for f in found))
        return {"raised": raised, "closed": closed}

    chores = [
        Chore("days", days, DAYS_EVERY_S, pulse),
        Chore("months", months, MONTHS_EVERY_S, pulse),
        Chore("alerts", alerts, ALERTS_EVERY_S, pulse),
    ]
    if command is not None:

        def tell(stop: threading.Event) -> Mapping[str, int]:
            return {"handed_on": hand_over(database, command, stop, tenant)}

        chores.append(Chore("handing on", tell, TELL_EVERY_S, pulse))
    found: dict[str, Part] = {PART: intake.run, "pulse": pulse.run}
    return found | {chore.name: chore.run for chore in chores}


@dataclass(slots=True)
class _Waiting:
    """What has come and is not committed. Of a topic of states only the latest is held."""

    states: dict[str, DeviceState] = field(default_factory=dict)
    of_states: list[Delivery] = field(default_factory=list)
    registers: list[Delivery] = field(default_factory=list)

    def add(self, deliveries: Sequence[Delivery]) -> None:
        for each in deliveries:
            if is_register(each.topic):
                self.registers.append(each)
                continue
            if each.mid:
                self.of_states.append(each)
            try:
                self.states[each.topic] = read_state(
                    each.topic, each.payload, each.received_ms,
                    is_live=each.is_live, expiry_s=each.expiry_s,
                )  # fmt: skip
            except MessageError as error:
                _log.warning("a state that cannot be read is left out", reason=str(error))

    def __bool__(self) -> bool:
        return bool(self.states or self.of_states or self.registers)


class Intake:
    """Takes states and registers from a broker into a database until it is told to stop."""

    def __init__(
        self, database: Database, broker: MqttSettings, session: SessionSettings, pulse: Pulse
    ) -> None:
        self._db, self._broker, self._session, self._pulse = database, broker, session, pulse
        rng = random.Random()  # noqa: S311  jitter, not a secret
        self._broker_retry = Backoff(RETRY_MIN_S, RETRY_MAX_S, rng)
        self._store_retry = Backoff(RETRY_MIN_S, RETRY_MAX_S, rng)
        self._store_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Take until `stop` is set. Neither a broker nor a database that is away ends it."""
        while not stop.is_set():
            self._pulse.beat(PART)
            try:
                session = MqttSession(self._broker, self._session)
            except BrokerError as error:
                self._wait(stop, "cannot connect", str(error))
                continue
            _log.info(
                "watching the fleet",
                address=self._broker.address,
                filters=self._session.filters,
                resumed=session.is_resumed,
            )
            self._broker_retry.reset()
            self._serve(session, stop)
            if not stop.is_set():
                self._wait(stop, "the connection to the broker ended", session.ended or "")

    def _wait(self, stop: threading.Event, event: str, reason: str) -> None:
        wait_s = self._broker_retry.next_s()
        _log.warning(event, reason=reason, retry_s=round(wait_s, 1))
        stop.wait(wait_s)

    def _serve(self, session: MqttSession, stop: threading.Event) -> None:
        waiting = _Waiting()
        try:
            while not stop.is_set() and session.ended is None:
                waiting.add(session.take(MESSAGES_AT_A_TIME, POLL_S, LINGER_S))
                if waiting and time.monotonic() >= self._store_at:
                    self._store(session, waiting)
                self._pulse.beat(PART)
        except Exception:
            _log.exception("watching failed in a way nobody thought of")
        finally:
            session.leave()

    def _store(self, session: MqttSession, waiting: _Waiting) -> None:
        """Commit, then acknowledge. What fails is waiting still."""
        try:
            states = self._keep(list(waiting.states.values())) if waiting.states else 0
            session.acknowledge(waiting.of_states)
            waiting.states.clear()
            waiting.of_states.clear()
            taken = 0
            while waiting.registers:
                self._take_register(waiting.registers[0])
                session.acknowledge([waiting.registers.pop(0)])
                taken += 1
        except StoreError as error:
            wait_s = self._store_retry.next_s()
            self._store_at = time.monotonic() + wait_s
            _log.error(
                "the database is away; nothing is acknowledged until it is back",
                reason=str(error), retry_s=round(wait_s, 1),
            )  # fmt: skip
        else:
            self._store_retry.reset()
            self._pulse.beat(PART, {"states": states, "registers": taken})

    def _keep(self, states: Sequence[DeviceState]) -> int:
        try:
            return keep_states(self._db, states)
        except UnstorableError as error:
            if len(states) == 1:
                _log.warning("a state is left out", dev=states[0].dev, reason=str(error))
                return 0
        return sum(self._keep([state]) for state in states)

    def _take_register(self, delivery: Delivery) -> None:
        """Take the rows of a register over, or keep the message with the reason why not."""
        try:
            message = read_register(delivery.topic, delivery.payload)
            registers.take_over(
                self._db, message.tenant, message.kind, message.rows,
                complete_for=message.complete_for, only_site=message.site,
            )  # fmt: skip
        except (BadInputError, UnstorableError) as error:
            _log.warning("a register was refused", topic=delivery.topic, reason=str(error))
            self._reject(delivery, str(error))

    def _reject(self, delivery: Delivery, reason: str) -> None:
        tenant = tenant_of(delivery.topic)
        reading = rejected(delivery.topic, delivery.payload, reason, tenant)
        row = reject_row(Reject(delivery.payload, reason), reading, delivery.received_ms)
        with self._db.writing() as connection:
            self._db.insert_new(connection, REJECTED, [row])
