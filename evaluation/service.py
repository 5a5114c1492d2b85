"""The receiver as a service: its thread, its signals, and a database that is up later."""

import signal
import threading
from collections.abc import Callable

import structlog

from edge.adapters.mqtt_settings import MqttSettings
from evaluation.database import Database
from evaluation.errors import StoreError
from evaluation.mqtt_link import SessionSettings
from evaluation.receiver import Receiver
from evaluation.store import Store

PREPARE_AGAIN_S = 2.0
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_log = structlog.get_logger(__name__)


def run_until_stopped(
    db: Database, broker: MqttSettings, session: SessionSettings, tenant: str | None
) -> None:
    """Receive until SIGTERM or SIGINT. `tenant` limits whose known streams are acked again.

    Raises BadInputError for a database of something else, StoreError for an unusable file.
    """
    receiver = Receiver(Store(db), broker, session, tenant=tenant)

    def receive(stop: threading.Event) -> None:
        if _prepare(db, stop):
            receiver.run(stop)

    until_stopped(receive)


def until_stopped(work: Callable[[threading.Event], None]) -> None:
    """Do it in a thread of its own until it returns; SIGTERM and SIGINT set the event.

    Raises what it raises.
    """
    # Signals are waited for, not handled: a handler could run inside a lock that it needs.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    stop = threading.Event()
    failures: list[Exception] = []

    def guarded() -> None:
        try:
            work(stop)
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=guarded, name="work")
    thread.start()
    while thread.is_alive() and signal.sigtimedwait(_STOP_SIGNALS, 0.2) is None:
        pass
    stop.set()
    thread.join()
    if failures:
        raise failures[0]


def _prepare(db: Database, stop: threading.Event) -> bool:
    """Make the tables; a server that is not up yet is waited for."""
    while not stop.is_set():
        try:
            db.prepare()
        except StoreError as error:
            if db.is_sqlite:
                raise
            _log.error("the database cannot be prepared; trying again", reason=str(error))
            stop.wait(PREPARE_AGAIN_S)
        else:
            return True
    return False
