"""Logging in with the PIN: one try at a time, limited across restarts, then a session."""

import json
import threading
from collections.abc import Callable
from math import ceil
from pathlib import Path

import structlog

from edge.errors import OutboxError
from edge.setup_page.limits import Throttle
from edge.setup_page.pin import is_pin, pin_mark, write_private
from edge.setup_page.sessions import Session, Sessions

TRIES_FILE = "setup-tries.json"
_LONGEST_PIN = 32

_log = structlog.get_logger(__name__)


class TooManyTriesError(Exception):
    """Not now: too many wrong PINs."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s


class Logins:
    """The PIN, the tries and the sessions of one data folder; every thread may use it."""

    def __init__(self, folder: Path, lasts_s: float, monotonic: Callable[[], float]) -> None:
        """lasts_s: how long a session lasts at most."""
        self._folder, self._monotonic = folder, monotonic
        self._lock = threading.Lock()
        self._sessions = Sessions(lasts_s)
        self._mark = pin_mark(folder)
        self._throttle = Throttle(monotonic(), _kept(folder / TRIES_FILE))

    def retry_after_s(self, address: str) -> int | None:
        """Return how long this address has to wait; None when it may try now."""
        left = self._throttle.retry_after_s(address, self._monotonic())
        return ceil(left) if left > 0 else None

    def try_pin(self, address: str, tried: str) -> str | None:
        """Return the token of a new session, None for a wrong PIN; takes some 50 ms.

        Raises TooManyTriesError, and OutboxError when a wrong PIN could not be kept.
        """
        with self._lock:
            self._follow_pin()
            waits = self.retry_after_s(address)
            if waits is not None:
                raise TooManyTriesError(waits)
            self._throttle.failed(address, self._monotonic())
            self._keep()
            pin = "".join(tried.split()).replace("-", "")
            if len(pin) > _LONGEST_PIN or not is_pin(self._folder, pin):
                return None
            self._throttle.succeeded(address)
            self._keep()
            return self._sessions.begin(self._monotonic())

    def session(self, token: str | None, *, touch: bool = True) -> Session | None:
        """Return the session of a token, unless it or the PIN it began with has ended."""
        with self._lock:
            self._follow_pin()
        return self._sessions.find(token, self._monotonic(), touch=touch)

    def end(self, token: str | None) -> None:
        """Log out."""
        self._sessions.end(token)

    def _follow_pin(self) -> None:
        """See a PIN that was made on the device itself: its maker may try it at once."""
        mark = pin_mark(self._folder)
        if mark == self._mark:
            return
        self._mark = mark
        self._sessions.end_all()
        self._throttle = Throttle(self._monotonic())
        try:
            self._keep()
        except OutboxError as error:
            _log.error("setup_page.tries_unwritable", reason=str(error))

    def _keep(self) -> None:
        text = json.dumps({"v": 1, "wrong": self._throttle.wrong})
        write_private(self._folder / TRIES_FILE, text)


def _kept(path: Path) -> dict[str, int]:
    """Return the wrong PINs of an earlier run; a file that cannot be read counts as many."""
    try:
        wrong = json.loads(path.read_text("utf-8"))["wrong"]
        return {str(address): int(number) for address, number in wrong.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {"*": 20}
