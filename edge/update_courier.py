"""Carries an update from MQTT to the drop folder, in a thread of its own beside the counting.

Pieces are asked for only while every record is delivered, so that no count waits for one. When
this fails nothing else does: counting and sending know nothing of it.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from zlib import crc32

import structlog

from edge import __version__
from edge.adapters.update_folder import UpdateFolder
from edge.config import Config
from edge.config_sections import find_time_zone
from edge.errors import LobbyCountError, MessageError
from edge.messages import Leaf
from edge.ports import Clock, Outbox
from edge.updating.answers import Reported, reported_message, want_message
from edge.updating.asking import Moment, StagingLimits
from edge.updating.staging import Staging
from edge.updating.wanted import LARGEST_PIECE, parse_desired, parse_piece
from edge.vocabulary import Message, TimeQuality

IDLE_S, BUSY_S = 1.0, 0.1
"""How often the report of the root side is looked at, and what is due while something comes."""
MOST_HEARD = 64
"""Messages that wait for this thread; more than are asked for at a time are nobody's."""
TOLD_STEPS = 10
"""While a bundle comes, so often is said how far it is."""

_log = structlog.get_logger(__name__)


def courier_of(config: Config, clock: Clock, outbox: Outbox) -> "UpdateCourier | None":
    """Return what takes updates over MQTT; None where the config does not ask for it."""
    updates = config.updates
    if not updates.over_mqtt:
        return None
    limits = StagingLimits(
        max_bytes=round(updates.max_mb * 1e6),
        bytes_per_s=updates.kb_per_s * 1000.0,
        hours=updates.windows(),
        zone=find_time_zone(config.device.time_zone),
    )
    return UpdateCourier(
        UpdateFolder(updates.folder),
        clock,
        outbox,
        tenant=config.device.tenant,
        dev=config.device.id,
        limits=limits,
    )


class UpdateCourier:
    """Takes what comes on `update/…`, asks for more, and says how it stands."""

    def __init__(
        self,
        folder: UpdateFolder,
        clock: Clock,
        outbox: Outbox,
        *,
        tenant: str,
        dev: str,
        limits: StagingLimits,
        in_use: str = __version__,
    ) -> None:
        """Prepare; nothing is asked for before `start`."""
        self._folder, self._clock, self._outbox = folder, clock, outbox
        self._tenant, self._dev = tenant, dev
        share = crc32(dev.encode()) / 2**32
        self._staging = Staging(folder, in_use, share=share, limits=limits)
        self._heard: deque[tuple[Leaf, bytes]] = deque(maxlen=MOST_HEARD)
        self._is_reborn = False
        self._post: Callable[[Message], None] = lambda _: None
        self._connected: Callable[[], bool] = lambda: False
        self._told = self._staging.said
        self._look_at_report()
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="updates", daemon=True)

    @property
    def heard(self) -> Mapping[Leaf, Callable[[bytes], None]]:
        """Who takes what comes on which topic; callable from any thread."""
        return {
            "update/desired": lambda payload: self._hear("update/desired", payload),
            "update/piece": lambda payload: self._hear("update/piece", payload),
        }

    def born(self) -> Message:
        """Return what belongs to the birth, and take notice of a new connection; any thread."""
        self._is_reborn = True
        self._wake.set()
        return self._message(self._told)

    def start(self, post: Callable[[Message], None], connected: Callable[[], bool]) -> None:
        """Begin. post: publishes a message soon. connected: whether there is a broker."""
        self._post, self._connected = post, connected
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what has come and was synced stays."""
        self._stop.set()
        self._wake.set()
        self._thread.join(10.0)
        self._folder.close()

    def _hear(self, leaf: Leaf, payload: bytes) -> None:
        if len(payload) <= 2 * LARGEST_PIECE:
            self._heard.append((leaf, payload))
            self._wake.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._step()
            except LobbyCountError as error:
                _log.warning("update.failed", reason=str(error))
            except Exception:
                _log.exception("update.failed")
            self._wake.wait(BUSY_S if self._staging.said.state == "downloading" else IDLE_S)
            self._wake.clear()

    def _step(self) -> None:
        now = self._clock.monotonic()
        if self._is_reborn:
            self._is_reborn = False
            self._staging.reconnected(now)
        while self._heard:
            self._take(*self._heard.popleft(), now)
        self._look_at_report()
        if self._staging.is_busy:
            want = self._staging.tick(self._moment(now))
            if want is not None:
                self._post(want_message(self._tenant, self._dev, want))
        self._tell()

    def _moment(self, now: float) -> Moment:
        return Moment(
            now,
            round(self._clock.utc() * 1000),
            self._clock.quality() is not TimeQuality.UNSYNCED,
            self._connected(),
            lambda: self._outbox.depth() == 0,
        )

    def _take(self, leaf: Leaf, payload: bytes, now: float) -> None:
        try:
            if leaf == "update/desired":
                self._staging.hear_desired(parse_desired(payload), now)
            else:
                self._staging.hear_piece(parse_piece(payload), now)
        except MessageError as error:
            _log.warning("update.not_understood", topic=leaf, reason=str(error))

    def _look_at_report(self) -> None:
        is_new, report = self._folder.new_report()
        if is_new:
            self._staging.hear_report(report)

    def _tell(self) -> None:
        said = self._staging.said
        if _shown(said) != _shown(self._told):
            self._told = said
            _log.info("update", state=said.state, wanted=said.wanted, reason=said.reason)
            if self._connected():  # else the birth will say it
                self._post(self._message(said))

    def _message(self, said: Reported) -> Message:
        at_ms = round(self._clock.utc() * 1000)
        return reported_message(self._tenant, self._dev, at_ms, said)


def _shown(said: Reported) -> tuple[object, ...]:
    """Return what is worth a message when it changes."""
    step = said.had * TOLD_STEPS // said.size if said.size else 0
    return said.state, said.wanted, said.bundle, said.reason, said.zh, said.en, step
