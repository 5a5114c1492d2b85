"""Serves a rollout over MQTT: wishes out, pieces to those who ask, reports in, stage by stage."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from edge.adapters.mqtt_settings import MqttSettings
from edge.backoff import Backoff
from edge.errors import BadInputError, BrokerError, MessageError
from edge.updating.answers import Want, parse_reported, parse_want
from edge.updating.wanted import Piece, desired_message, piece_message
from edge.vocabulary import Message
from evaluation.mqtt_link import SessionSettings
from evaluation.mqtt_session import Delivery, MqttSession
from evaluation.offered_bundle import OfferedBundle
from evaluation.rollout import Device, Rollout
from evaluation.rollout_file import save

CLIENT = "lobbycount-update"
AT_A_TIME = 20
POLL_S, LINGER_S = 0.5, 0.005
QUIET_S = 2.0
"""So long nothing may come before it is believed that all retained reports have."""
RETRY_MIN_S, RETRY_MAX_S = 0.5, 30.0

_log = structlog.get_logger(__name__)


def session_of(tenants: Sequence[str]) -> SessionSettings:
    """Return a session that begins anew each time: every retained report comes again with it."""
    filters = tuple(
        f"pc/v1/{tenant}/+/update/{leaf}" for tenant in tenants for leaf in ("reported", "want")
    )
    return SessionSettings(CLIENT, filters, 0, AT_A_TIME)


def known_devices(broker: MqttSettings, tenant: str) -> list[Device]:
    """Return the devices of a tenant that take updates over MQTT. Raises BrokerError."""
    session = MqttSession(broker, session_of([tenant]))
    found: set[Device] = set()
    try:
        while taken := session.take(AT_A_TIME, QUIET_S, LINGER_S):
            for delivery in taken:
                device, leaf = _parts(delivery.topic)
                if leaf == "reported" and delivery.payload:
                    found.add(device)
            session.acknowledge(taken)
        if session.ended:
            raise BrokerError(f"{broker.address}: {session.ended}")
    finally:
        session.leave()
    return sorted(found)


def take_back(broker: MqttSettings, devices: Sequence[Device]) -> None:
    """Say to devices that nothing is wanted of them. Raises BrokerError."""
    session = MqttSession(broker, session_of([]))
    try:
        _publish(session, [desired_message(*device, None) for device in devices])
    finally:
        session.leave()


class UpdateServer:
    """Works on one rollout until it is done, stopped, or told to end."""

    def __init__(
        self, rollout: Rollout, bundle: OfferedBundle, broker: MqttSettings, state: Path
    ) -> None:
        """Prepare. state: where the rollout is kept."""
        self._rollout, self._bundle, self._broker, self._path = rollout, bundle, broker, state
        self._tenants = sorted({device.tenant for device in rollout.plan.devices})
        self.on_change: Callable[[Rollout], None] = lambda _: None
        """Told of every change, after it was kept."""
        self.sent_bytes = 0
        """Of the bundle, to all devices, so far."""

    def run(self, stop: threading.Event) -> None:
        """Serve; a broker that is away is waited for. Raises BadInputError."""
        rng = random.Random()  # noqa: S311  jitter, not a secret
        retry = Backoff(RETRY_MIN_S, RETRY_MAX_S, rng)
        save(self._path, self._rollout)
        while not stop.is_set() and self._rollout.state == "running":
            try:
                session = MqttSession(self._broker, session_of(self._tenants))
                try:
                    self._invite(session, self._rollout.invited)
                    retry.reset()
                    self._serve(session, stop)
                finally:
                    session.leave()
            except BrokerError as error:
                _log.warning("update.broker_away", reason=str(error))
                stop.wait(retry.next_s())

    def _serve(self, session: MqttSession, stop: threading.Event) -> None:
        while not stop.is_set():
            if session.ended is not None:
                raise BrokerError(f"{self._broker.address}: {session.ended}")
            taken = session.take(AT_A_TIME, POLL_S, LINGER_S)
            self._answer(session, taken)
            session.acknowledge(taken)
            before = self._rollout.invited
            if self._rollout.step(time.time_ns() // 1_000_000):
                self._keep()
                self._invite(session, self._rollout.invited[len(before) :])
            if self._rollout.state != "running":
                break
        if self._rollout.state == "stopped":
            _publish(session, [desired_message(*d, None) for d in self._rollout.missing])

    def _answer(self, session: MqttSession, taken: Sequence[Delivery]) -> None:
        wants: dict[Device, Want] = {}
        for delivery in taken:
            try:
                device, leaf = _parts(delivery.topic)
                if leaf == "want":
                    wants[device] = parse_want(delivery.payload)  # only the last one counts
                elif delivery.payload and self._rollout.hear(
                    device, parse_reported(delivery.payload)
                ):
                    self._keep()
            except MessageError as error:
                _log.warning("update.not_understood", topic=delivery.topic, reason=str(error))
        for device, want in wants.items():
            if self._rollout.state == "running" and device in self._rollout.invited:
                self._send(session, device, want)

    def _send(self, session: MqttSession, device: Device, want: Want) -> None:
        wanted = self._rollout.plan.wanted
        if want.bundle != wanted.bundle:
            self._invite(session, [device])
            return
        data = self._bundle.read(want.offset, want.pieces * wanted.piece_bytes)
        parts = range(0, len(data), wanted.piece_bytes)
        pieces = [
            Piece(wanted.bundle, want.offset + at, data[at : at + wanted.piece_bytes])
            for at in parts
        ]
        _publish(session, [piece_message(*device, piece) for piece in pieces])
        self.sent_bytes += len(data)

    def _invite(self, session: MqttSession, devices: Sequence[Device]) -> None:
        wanted = self._rollout.plan.wanted
        _publish(session, [desired_message(*device, wanted) for device in devices])

    def _keep(self) -> None:
        save(self._path, self._rollout)
        self.on_change(self._rollout)


def _publish(session: MqttSession, messages: Sequence[Message]) -> None:
    refused = session.publish(messages) if messages else []
    if refused:
        raise BadInputError(
            f"the broker refuses {refused[0].topic}; its access list must let this client write"
            " update/desired and update/piece, see `user backend.update` in config/mosquitto/acl"
        )


def _parts(topic: str) -> tuple[Device, str]:
    """Return the device and the last level of pc/v1/{tenant}/{dev}/update/{leaf}."""
    levels = topic.split("/")
    if len(levels) != 6:
        raise MessageError(f"{topic} is not a topic of updates")
    return Device(levels[2], levels[3]), levels[5]
