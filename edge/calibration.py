"""The calibration record: what the last audit of this device found, in its data folder.

Its own hash appears as `cal` in the records that are counted under the same
conditions. `cal` says that there was an audit and which one, not that it was passed:
that is in the record's `verdict`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil, floor
from pathlib import Path

import structlog

from edge.audit import CONFIDENCE, LIMIT, Judgement, Mode
from edge.errors import OutboxError
from edge.messages import canonical, iso_utc

FILE_NAME = "calibration.json"
DAY_MS = 86_400_000

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a calibration holds for; it ends when one of these changes."""

    dev: str
    cfg: str
    model: str


def calibration_record(
    conditions: Conditions,
    judgement: Judgement,
    *,
    mode: Mode,
    lines: Sequence[str],
    audited_ms: tuple[int, int],
    by: str,
    evidence: Mapping[str, str],
    now_ms: int,
    valid_days: int,
) -> dict[str, object]:
    """Return the record, its hash included.

    `evidence` are hashes of what was compared. For intervals `misses` and `false` are
    the least possible. The interval of shares is rounded outwards.
    """
    record: dict[str, object] = {
        "v": "1.0",
        "dev": conditions.dev,
        "cfg": conditions.cfg,
        "model": conditions.model,
        "when": iso_utc(now_ms),
        "expires": iso_utc(now_ms + valid_days * DAY_MS),
        "by": by,
        "mode": str(mode),
        "at_least": mode is Mode.INTERVALS,
        "lines": list(lines),
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
        "more_needed": judgement.more,
        "evidence": dict(evidence),
    }
    record["hash"] = hash_of(record)
    return record


def hash_of(record: Mapping[str, object]) -> str:
    """Return 12 hex digits of everything in the record but its hash."""
    text = canonical({key: value for key, value in record.items() if key != "hash"})
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def write(folder: Path, record: Mapping[str, object]) -> Path:
    """Replace the calibration record of a device in one step. Raises OutboxError."""
    path = folder / FILE_NAME
    draft = path.with_suffix(".tmp")
    try:
        draft.write_text(
            json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False) + "\n", "utf-8"
        )
        draft.replace(path)
    except OSError as error:
        raise OutboxError(
            f"{path}: the calibration record cannot be written ({error.strerror});"
            " run the audit as the user of the service, e.g. sudo -u lobbycount lobbycount audit …"
        ) from error
    return path


def refusal(record: Mapping[str, object], now: Conditions, now_ms: int) -> str | None:
    """Say in words why a record is not valid under these conditions; None when it is."""
    if record.get("hash") != hash_of(record):
        return "the calibration record was changed after the audit or is damaged"
    if record.get("dev") != now.dev:
        return f"the calibration record is of another device, {record.get('dev')}"
    audited = f"the audit of {record.get('when')}"
    if record.get("cfg") != now.cfg:
        return f"the config changed since {audited}: {record.get('cfg')} then, {now.cfg} now"
    if record.get("model") != now.model:
        return f"the model changed since {audited}: {record.get('model')} then, {now.model} now"
    if now_ms >= datetime.fromisoformat(str(record["expires"])).timestamp() * 1000:
        return f"{audited} expired on {record.get('expires')}"
    return None


class Calibration:
    """The calibration record of a data folder, as it counts for what runs now."""

    def __init__(self, folder: Path, conditions: Conditions) -> None:
        self._path = folder / FILE_NAME
        self._conditions = conditions
        self._told: tuple[str | None, str | None] | None = None

    def cal(self, now_ms: int) -> str | None:
        """Return the hash for the records, or None; the log says why, once per change."""
        found, why = self._found(now_ms)
        if (found, why) != self._told:
            self._told = (found, why)
            if found:
                _log.info("calibration.valid", cal=found)
            else:
                _log.info("calibration.none", reason=why, file=str(self._path))
        return found

    def _found(self, now_ms: int) -> tuple[str | None, str | None]:
        try:
            record = json.loads(self._path.read_text("utf-8"))
            why = refusal(record, self._conditions, now_ms)
            return (None, why) if why else (str(record["hash"]), None)
        except FileNotFoundError:
            return None, "this device was never audited; see `lobbycount audit --help`"
        except OSError as error:
            return None, f"the calibration record cannot be read ({error.strerror})"
        except (ValueError, LookupError, AttributeError, TypeError, RecursionError):
            return None, "the calibration record was changed after the audit or is damaged"
