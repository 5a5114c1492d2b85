"""Who used the page, when, from where, for what: a file of lines that only grows, and is cut.

What is written comes from this program's own words: no PIN, no token, no picture, no text of
a visitor. The same thing from the same address is written once in ten minutes, with how often.
"""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from edge.sealing import iso_utc

AUDIT_FILE = "setup-audit.jsonl"
MOST_BYTES = 256 * 1024
KEPT_FILES = 4
SAME_MS = 600_000
_MOST_REMEMBERED = 256

_log = structlog.get_logger(__name__)
_Key = tuple[str, str, str]


class AuditLog:
    """Appends lines; every thread may."""

    def __init__(self, folder: Path, now_ms: Callable[[], int]) -> None:
        """Write into this folder; the file is made with the first line."""
        self._path, self._now_ms = folder / AUDIT_FILE, now_ms
        self._lock = threading.Lock()
        self._last: dict[_Key, tuple[int, int]] = {}

    def note(self, address: str, what: str, result: str, *, always: bool = True) -> None:
        """Write down what happened; without `always` not what was written a moment ago.

        A disk that is full is said in the log of the service; the page goes on.
        """
        now_ms = self._now_ms()
        with self._lock:
            more = self._repeated((address, what, result), now_ms, always)
            if more is None:
                return
            entry: dict[str, object] = {
                "at": iso_utc(now_ms),
                "address": address,
                "what": what,
                "result": result,
            }
            if more:
                entry["more"] = more
            self._append(json.dumps(entry, ensure_ascii=True) + "\n")

    def _repeated(self, key: _Key, now_ms: int, always: bool) -> int | None:
        """Return how often it was left out before, None when it is left out now."""
        at_ms, left_out = self._last.pop(key, (None, 0))
        if not always and at_ms is not None and 0 <= now_ms - at_ms < SAME_MS:
            self._last[key] = at_ms, left_out + 1
            return None
        self._last[key] = now_ms, 0
        while len(self._last) > _MOST_REMEMBERED:
            del self._last[next(iter(self._last))]
        return left_out

    def _append(self, line: str) -> None:
        try:
            if self._path.exists() and self._path.stat().st_size + len(line) > MOST_BYTES:
                self._rotate()
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(handle, "a", encoding="ascii") as file:
                file.write(line)
        except OSError as error:
            _log.error("setup_page.audit_unwritable", reason=error.strerror)

    def _rotate(self) -> None:
        for number in range(KEPT_FILES - 1, 0, -1):
            older = _numbered(self._path, number - 1)
            if older.exists():
                older.replace(_numbered(self._path, number))


def read_audit(folder: Path) -> list[dict[str, object]]:
    """Return everything that is kept, the oldest first; what is not a line of ours is left out."""
    found = []
    for number in range(KEPT_FILES - 1, -1, -1):
        path = _numbered(folder / AUDIT_FILE, number)
        if not path.is_file():
            continue
        for line in path.read_text("utf-8", "replace").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                found.append(entry)
    return found


def _numbered(path: Path, number: int) -> Path:
    return path if number == 0 else path.with_name(f"{path.stem}.{number}{path.suffix}")
