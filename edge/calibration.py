"""The calibration records: what the last decided audit of each line found, in the data folder.

A record's own hash appears as `cal` in the records of its line that are counted under
the same conditions, if the audit was passed. A failed audit is written too: it ends what
an earlier one allowed. An audit that decides nothing is not written.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from errno import EACCES
from math import ceil, floor
from pathlib import Path

import structlog

from edge.audit import CONFIDENCE, LIMIT, Judgement, Mode, Verdict
from edge.errors import OutboxError
from edge.sealing import canonical, iso_utc

DAY_MS = 86_400_000

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a calibration holds for; it ends when one of these changes.

    view: hash of which camera looks, by its address; that it was turned is not seen.
    """

    dev: str
    cfg: str
    model: str
    view: str


def calibration_record(
    conditions: Conditions,
    judgement: Judgement,
    *,
    mode: Mode,
    line: str,
    audited_ms: tuple[int, int],
    by: str,
    evidence: Mapping[str, str | Sequence[str]],
    now_ms: int,
    valid_days: int,
) -> dict[str, object]:
    """Return the record of one line, its hash included.

    `evidence` are hashes of what was compared. For intervals `misses` and `false` are
    the least possible. The interval of shares is rounded outwards.
    """
    record: dict[str, object] = {
        "v": "1.0",
        "dev": conditions.dev,
        "cfg": conditions.cfg,
        "model": conditions.model,
        "view": conditions.view,
        "when": iso_utc(now_ms),
        "expires": iso_utc(now_ms + valid_days * DAY_MS),
        "by": by,
        "mode": str(mode),
        "at_least": mode is Mode.INTERVALS,
        "line": line,
        "from": iso_utc(audited_ms[0]),
        "to": iso_utc(audited_ms[1]),
        "n": judgement.n,
        "misses": judgement.misses,
        "false": judgement.false,
        "interval": [
            floor(judgement.low * 10_000) / 10_000,
            ceil(judgement.high * 10_000) / 10_000,
        ],
        "limit": LIMIT,
        "confidence": CONFIDENCE,
        "verdict": str(judgement.verdict),
        "needed": judgement.needed,
        "evidence": dict(evidence),
    }
    record["hash"] = hash_of(record)
    return record


def hash_of(record: Mapping[str, object]) -> str:
    """Return 12 hex digits of everything in the record but its hash."""
    text = canonical({key: value for key, value in record.items() if key != "hash"})
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def path_of(folder: Path, line: str) -> Path:
    """Return where the calibration record of a line is; line ids are safe as file names."""
    return folder / f"calibration-{line}.json"


def write(folder: Path, record: Mapping[str, object]) -> Path:
    """Replace the calibration record of a line in one step. Raises OutboxError."""
    path = path_of(folder, str(record["line"]))
    draft = path.with_suffix(".tmp")
    text = json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise _unwritable(path, str(error.strerror)) from error
    return path


def check_writable(folder: Path) -> None:
    """Raise OutboxError where a record could not be written: better now than after an hour."""
    if not folder.is_dir():
        raise _unwritable(folder, "there is no such folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _unwritable(folder, os.strerror(EACCES))


def _unwritable(path: Path, reason: str) -> OutboxError:
    return OutboxError(
        f"{path}: the calibration record cannot be written ({reason});"
        " run the audit on the device as the user of the service,"
        " e.g. sudo -u lobbycount lobbycount audit …"
    )


def refusal(record: Mapping[str, object], line: str, now: Conditions, now_ms: int) -> str | None:
    """Say in words why a line has no calibration by this record; None when it has."""
    if record.get("hash") != hash_of(record):
        return "the calibration record was changed after the audit or is damaged"
    audited = f"the audit of {record.get('when')}"
    verdict, expires = record.get("verdict"), str(record["expires"])
    reasons = {
        f"the calibration record is of another device, {record.get('dev')}": (
            record.get("dev") != now.dev
        ),
        f"the calibration record is of another line, {record.get('line')}": (
            record.get("line") != line
        ),
        f"the config changed since {audited}: {record.get('cfg')} then, {now.cfg} now": (
            record.get("cfg") != now.cfg
        ),
        f"the model changed since {audited}: {record.get('model')} then, {now.model} now": (
            record.get("model") != now.model
        ),
        f"the camera changed since {audited}: view {record.get('view')} then, {now.view} now": (
            record.get("view") != now.view
        ),
        f"{audited} expired on {expires}": (
            now_ms >= datetime.fromisoformat(expires).timestamp() * 1000
        ),
        f"{audited} was not passed, its verdict is {verdict}": verdict != Verdict.UNDER,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


class Calibration:
    """The calibration records of a data folder, as they count for what runs now."""

    def __init__(self, folder: Path, lines: Sequence[str], conditions: Conditions) -> None:
        self._folder, self._lines, self._conditions = folder, lines, conditions
        self._told: dict[str, tuple[str | None, str | None]] = {}

    def cals(self, now_ms: int) -> dict[str, str]:
        """Return the hash for the records of each line that has one.

        The log says why a line has none, once per change.
        """
        found: dict[str, str] = {}
        for line in self._lines:
            cal, why = self._found(line, now_ms)
            if cal is not None:
                found[line] = cal
            if self._told.get(line) != (cal, why):
                self._told[line] = (cal, why)
                self._tell(line, cal, why)
        return found

    def _tell(self, line: str, cal: str | None, why: str | None) -> None:
        if cal is not None:
            _log.info("calibration.valid", line=line, cal=cal)
        else:
            file = str(path_of(self._folder, line))
            _log.info("calibration.none", line=line, reason=why, file=file)

    def _found(self, line: str, now_ms: int) -> tuple[str | None, str | None]:
        try:
            record = json.loads(path_of(self._folder, line).read_text("utf-8"))
            why = refusal(record, line, self._conditions, now_ms)
            return (None, why) if why else (str(record["hash"]), None)
        except FileNotFoundError:
            return None, "this line was never audited; see `lobbycount audit --help`"
        except OSError as error:
            return None, f"the calibration record cannot be read ({error.strerror})"
        except (ValueError, LookupError, AttributeError, TypeError, RecursionError):
            return None, "the calibration record was changed after the audit or is damaged"
