"""When the page is open: a while after the start, and again after each login or `setup open`."""

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

OPEN_FILE = "setup-open"
"""`lobbycount setup open` makes it in the data folder; the service takes it away."""


class Door:
    """Open until a moment of the monotonic clock; every thread may look."""

    def __init__(self, folder: Path, open_s: float, monotonic: Callable[[], float]) -> None:
        """Open it from now on. folder: where somebody on the device asks to open it again."""
        self._file, self._open_s, self._monotonic = folder / OPEN_FILE, open_s, monotonic
        self._lock = threading.Lock()
        self._until = monotonic() + open_s

    def hold(self) -> None:
        """Keep it open for the whole time from now on: somebody logged in."""
        with self._lock:
            self._until = self._monotonic() + self._open_s

    def closes_in_s(self) -> float:
        """Return how long it is still open; 0 when it is closed."""
        with self._lock:
            return max(0.0, self._until - self._monotonic())

    def look(self) -> bool:
        """Whether it is open; sees a request made on the device itself."""
        if self._file.exists():
            with suppress(OSError):  # it stays; then the page stays open too, as was asked
                self._file.unlink()
            self.hold()
        return self.closes_in_s() > 0


def ask_to_open(folder: Path) -> None:
    """Ask the service that uses this data folder to open its page. Raises OSError."""
    (folder / OPEN_FILE).touch(mode=0o600)
