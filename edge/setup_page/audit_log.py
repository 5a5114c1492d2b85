"""Who used the page, when, from where, for what: a file of lines that only grows, and is cut.

What is written comes from this program's own words: no PIN, no token, no picture, no text of
a visitor. What a page asks for by itself, and what is refused, is written once in ten minutes
for each address, with how often; what somebody does, each time, but not so often that it pushes
out what was before.
"""

import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from edge.sealing import iso_utc

AUDIT_FILE = "setup-audit.jsonl"
MOST_BYTES = 256 * 1024
KEPT_FILES = 4
SAME_MS = 600_000
MOST_EACH = 60
"""So many lines of the same from one address in `SAME_MS`; then they are only counted."""
_MOST_REMEMBERED = 2048

_log = structlog.get_logger(__name__)
_Key = tuple[str, str, str]


@dataclass(slots=True)
class _Past:
    """How often the same was written and left out since a moment, UTC ms."""

    since_ms: int
    written: int = 0
    left_out: int = 0


class AuditLog:
    """Appends lines; every thread may."""

    def __init__(self, folder: Path, now_ms: Callable[[], int]) -> None:
        """Write into this folder; the file is made with the first line."""
        self._path, self._now_ms = folder / AUDIT_FILE, now_ms
        self._lock = threading.Lock()
        self._past: dict[_Key, _Past] = {}

    def note(self, address: str, what: str, result: str, *, always: bool = True) -> None:
        """Write down what happened; without `always` not what was written in the last minutes.

        A disk that is full is said in the log of the service; the page goes on.
        """
        now_ms = self._now_ms()
        with self._lock:
            most = MOST_EACH if always else 1
            more = self._left_out((address, what, result), now_ms, most)
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

    def _left_out(self, key: _Key, now_ms: int, most: int) -> int | None:
        """Return how often it was left out before, None when it is left out now."""
        past = self._past.pop(key, None)
        if past is None or not 0 <= now_ms - past.since_ms < SAME_MS:
            before, past = past, _Past(now_ms)
            left_out = before.left_out if before else 0
        else:
            left_out = 0
        self._past[key] = past  # the latest last
        while len(self._past) > _MOST_REMEMBERED:
            del self._past[next(iter(self._past))]
        if past.written >= most:
            past.left_out += 1
            return None
        past.written += 1
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
