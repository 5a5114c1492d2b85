"""A process as a service: threads, signals, what systemd is told, a database that is up later."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import structlog

from edge.adapters.watchdog_systemd import Watchdog
from evaluation.chores import Pulse
from evaluation.database import Database
from evaluation.errors import StoreError

PREPARE_AGAIN_S = 2.0
POLL_S = 0.2
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
Part = Callable[[threading.Event], None]
"""Works until the event is set."""

_log = structlog.get_logger(__name__)


def run_parts(db: Database, parts: Mapping[str, Part], pulse: Pulse) -> None:
    """Run every part in a thread of its own until SIGTERM or SIGINT, or until one of them fails.

    Raises what failed, BadInputError for a database of something else, StoreError for an unusable
    file.
    """

    def all_parts(stop: threading.Event) -> None:
        failures: list[Exception] = []
        with ready(db, pulse, stop) as is_prepared:
            if not is_prepared:
                return
            threads = [_started(name, part, stop, failures) for name, part in parts.items()]
            for each in threads:
                each.join()
        if failures:
            raise failures[0]

    until_stopped(all_parts)


@contextmanager
def ready(db: Database, pulse: Pulse, stop: threading.Event) -> Iterator[bool]:
    """Make the tables; tell systemd ready, alive, stopping. Yields whether there are tables.

    A server that is away is waited for and no reason to say that the start has failed. Raises
    BadInputError and StoreError as `run_parts`.
    """
    is_prepared = _prepare(db)

    def words() -> str:
        return pulse.words() if is_prepared else "waiting for the database"

    with Watchdog(pulse, words, os.environ):
        while not is_prepared and not stop.wait(PREPARE_AGAIN_S):
            is_prepared = _prepare(db)
        yield is_prepared


def until_stopped(work: Part) -> None:
    """Do it in a thread of its own until it returns; SIGTERM and SIGINT set the event.

    Raises what it raises.
    """
    # Signals are waited for, not handled: a handler could run inside a lock that it needs.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    stop = threading.Event()
    failures: list[Exception] = []
    thread = _started("work", work, stop, failures)
    while thread.is_alive() and not _is_told_to_stop():
        pass
    stop.set()
    thread.join()
    if failures:
        raise failures[0]


def _is_told_to_stop() -> bool:
    """Wait a moment for one of the signals."""
    # CPython (seen with 3.11) returns memory that nobody has written when the process was held
    # (SIGSTOP, Ctrl-Z, a debugger) for longer than the wait: not None, and no signal either.
    found = signal.sigtimedwait(_STOP_SIGNALS, POLL_S)
    return found is not None and found.si_signo in _STOP_SIGNALS


def _started(
    name: str, part: Part, stop: threading.Event, failures: list[Exception]
) -> threading.Thread:
    """Start a part in a thread; what fails ends all of them."""

    def work() -> None:
        try:
            part(stop)
        except Exception as error:
            failures.append(error)
            stop.set()

    thread = threading.Thread(target=work, name=name)
    thread.start()
    return thread


def _prepare(db: Database) -> bool:
    """Make the tables; return whether the server was there."""
    try:
        db.prepare()
    except StoreError as error:
        if db.is_sqlite:
            raise
        _log.error("the database cannot be prepared; trying again", reason=str(error))
        return False
    return True
