"""The drop folder of updates on the disk: what comes in pieces, and what the root side says.

- incoming.part: what has come so far; incoming.json: of which bundle, how much of it is synced
- incoming.lcu: complete, handed over to the root side, which takes it
- report.json: what the root side says of the last bundle it was given
"""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import IO, Any

import structlog

from edge.adapters.config_file import Fingerprint, fingerprint, sync_folder
from edge.adapters.written_whole import write_whole
from edge.errors import MessageError
from edge.updating.answers import Reported, parse_reported
from edge.updating.incoming import Begun
from edge.updating.wanted import is_digest

PART, HANDED_OVER = "incoming.part", "incoming.lcu"
STATE, REPORT = "incoming.json", "report.json"
RESERVE_BYTES = 64_000_000
"""Left free for the records, whatever comes."""
LARGEST_REPORT = 65_536

_log = structlog.get_logger(__name__)


class UpdateFolder:
    """An Incoming. For one thread."""

    def __init__(self, folder: Path) -> None:
        """Prepare; the folder is made when something comes."""
        self._folder = folder
        self._part, self._state = folder / PART, folder / STATE
        self._file: IO[bytes] | None = None
        self._of = Begun("")
        self._report_print: Fingerprint = ""

    def begun(self) -> Begun | None:
        """Return what is there, cut back to what was synced."""
        self.close()
        begun = self._read_state()
        if begun is None:
            return None
        there = self._part.stat().st_size if self._part.exists() else None
        if there is None and begun.handed_over:
            return begun
        if there is None or there < begun.had:
            self._empty(begun.bundle, begun.failures)
            return self._of
        os.truncate(self._part, begun.had)
        self._of = Begun(begun.bundle, begun.had, begun.failures)
        return self._of

    def begin(self, bundle: str, failures: int) -> None:
        """Begin anew with a bundle."""
        self.close()
        self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._empty(bundle, failures)

    def append(self, data: bytes) -> None:
        """Add bytes to what has come."""
        if self._file is None:
            self._file = self._part.open("ab")
        self._file.write(data)

    def sync(self) -> None:
        """Have what was added on the disk, then say so there."""
        if self._file is None:
            return
        self._file.flush()
        os.fsync(self._file.fileno())
        of = self._of
        self._keep(Begun(of.bundle, self._file.tell(), of.failures))

    def digest(self) -> str:
        """Return the SHA-256 of what has come."""
        with self._part.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def hand_over(self) -> None:
        """Rename it to what the root side waits for. What lies there untaken is replaced."""
        self.close()
        of = self._of
        self._keep(Begun(of.bundle, of.had, of.failures, handed_over=True))
        self._part.replace(self._folder / HANDED_OVER)
        sync_folder(self._folder)

    def discard(self) -> None:
        """Forget what has come."""
        self.close()
        self._state.unlink(missing_ok=True)
        self._part.unlink(missing_ok=True)

    def has_room(self, more_bytes: int) -> bool:
        """Whether so many bytes fit, with a reserve for the records."""
        return shutil.disk_usage(self._folder).free >= more_bytes + RESERVE_BYTES

    def close(self) -> None:
        """Close what is open; what was not synced may be lost. Never raises."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                _log.warning("update.not_written", reason=error.strerror)

    def new_report(self) -> tuple[bool, Reported | None]:
        """Return whether the root side's report is another one than last time, and what it says."""
        path = self._folder / REPORT
        found = fingerprint(path)
        if found == self._report_print:
            return False, None
        self._report_print = found
        try:
            with path.open("rb") as file:
                return True, parse_reported(file.read(LARGEST_REPORT))
        except FileNotFoundError:
            return True, None
        except (OSError, MessageError) as error:
            _log.error("update.report_unreadable", file=str(path), reason=str(error))
            return True, None

    def _empty(self, bundle: str, failures: int) -> None:
        self._keep(Begun(bundle, 0, failures))  # first, so that no other bundle's bytes count
        self._part.write_bytes(b"")

    def _keep(self, begun: Begun) -> None:
        fields = {
            "bundle": begun.bundle,
            "had": begun.had,
            "failures": begun.failures,
            "handed_over": begun.handed_over,
        }
        write_whole(self._state, json.dumps(fields).encode())
        self._of = begun

    def _read_state(self) -> Begun | None:
        try:
            fields: dict[str, Any] = json.loads(self._state.read_bytes())
            begun = Begun(**fields)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            _log.warning("update.state_damaged", file=str(self._state), reason=str(error))
            return None
        is_sound = is_digest(begun.bundle) and all(
            isinstance(n, int) and n >= 0 for n in (begun.had, begun.failures)
        )
        return begun if is_sound else None
