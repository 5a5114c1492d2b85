"""What a process does again and again beside its connection, and how it shows that it does.

Each chore has a thread of its own, so that a long one delays no other. What fails is tried
again: a database that is away is waited for, and nothing ends the process but being told to.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping

import structlog

from edge.backoff import Backoff
from edge.errors import LobbyCountError
from edge.heartbeats import Silence

RETRY_MIN_S, RETRY_MAX_S = 0.5, 30.0
REPORT_S = 60.0
HANGS_AFTER_S = 900.0
"""Closing a month of a thousand sites takes a minute or two."""
Work = Callable[[threading.Event], Mapping[str, int]]
"""One round: returns what it did, to be added up; gives up early when the event is set."""

_log = structlog.get_logger(__name__)


class Pulse:
    """The heartbeats of the parts of a process: for systemd, and a line in the log now and then."""

    def __init__(self, report_s: float = REPORT_S, hangs_after_s: float = HANGS_AFTER_S) -> None:
        self._report_s, self._hangs_after_s = report_s, hangs_after_s
        self._lock = threading.Lock()
        self._rounds: dict[str, float] = {}
        self._sums: Counter[str] = Counter()

    def beat(self, name: str, did: Mapping[str, int] | None = None) -> None:
        """Note that a part has gone round, and what it did; callable from any thread."""
        with self._lock:
            self._rounds[name] = time.monotonic()
            self._sums.update(did or {})

    def silent(self) -> list[Silence]:
        """Return what has begun to go round, and hangs."""
        ages = self._ages_s()
        return [Silence(name, age) for name, age in ages.items() if age > self._hangs_after_s]

    def words(self) -> str:
        """Say how it goes, for `systemctl status`."""
        ages = self._ages_s()
        rounds = ", ".join(f"{name} {age:.0f} s ago" for name, age in ages.items())
        return f"went round: {rounds}" if rounds else "starting"

    def run(self, stop: threading.Event) -> None:
        """Report until `stop` is set."""
        while not stop.wait(self._report_s):
            self.report()
        self.report()

    def report(self) -> None:
        """Write one line: seconds since each part went round, and what was done since the last."""
        ages = {name: round(age, 1) for name, age in self._ages_s().items()}
        with self._lock:
            did = {name: count for name, count in sorted(self._sums.items()) if count}
            self._sums.clear()
        _log.info("watching", rounds_s_ago=ages, **did)
        for each in self.silent():
            _log.error(
                "a part hangs; restart the service", part=each.part, for_s=round(each.for_s, 1)
            )

    def _ages_s(self) -> dict[str, float]:
        now = time.monotonic()
        with self._lock:
            return {name: now - at for name, at in sorted(self._rounds.items())}


class Chore:
    """Something to do every so often."""

    def __init__(self, name: str, work: Work, every_s: float, pulse: Pulse) -> None:
        self.name, self._work, self._every_s, self._pulse = name, work, every_s, pulse
        self._retry = Backoff(RETRY_MIN_S, RETRY_MAX_S, random.Random())  # noqa: S311  jitter

    def run(self, stop: threading.Event) -> None:
        """Do it until `stop` is set, whatever fails."""
        while not stop.is_set():
            stop.wait(self._round(stop))

    def _round(self, stop: threading.Event) -> float:
        """Do it once; return how long to wait for the next time."""
        try:
            did = self._work(stop)
        except LobbyCountError as error:
            wait_s = self._retry.next_s()
            _log.warning("not done", chore=self.name, reason=str(error), retry_s=round(wait_s, 1))
        except Exception:
            wait_s = self._retry.next_s()
            _log.exception("failed in a way nobody thought of", chore=self.name)
        else:
            self._retry.reset()
            self._pulse.beat(self.name, did)
            return self._every_s
        # What cannot be done now is alive all the same.
        self._pulse.beat(self.name)
        return max(wait_s, min(self._every_s, RETRY_MAX_S))
