"""trial.json, which the version on trial reads too, and the highest version that ever worked here.

Both are root's; who is on trial may read what is expected of it and change nothing.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog

from edge.adapters.plain_file import read_plain
from edge.adapters.written_whole import write_whole
from edge.errors import UpdateError
from edge.sealing import canonical
from edge.updating.confirmation import Expected
from edge.updating.slots import Stage, Trial
from edge.updating.versions import is_newer
from edge.updating.words import Code

TRIAL_FILE = "trial.json"
CONFIRMED_FILE = "confirmed.json"
_READABLE = 0o644
_MOST_BYTES = 64 * 1024
_log = structlog.get_logger(__name__)


def write_trial(folder: Path, trial: Trial) -> None:
    """Write it whole, readable by all. Raises OSError."""
    write_whole(folder / TRIAL_FILE, canonical(asdict(trial)).encode(), _READABLE)


def read_trial(folder: Path) -> Trial | None:
    """Read it; None where there is none, or one that makes no sense: then the links decide."""
    fields = _read(folder / TRIAL_FILE)
    if fields is None:
        return None
    try:
        services = {name: Expected(**each) for name, each in fields.pop("services").items()}
        stage, reason = Stage(fields.pop("stage")), fields.pop("reason")
        code = None if reason is None else Code(reason)
        return Trial(**fields, services=services, stage=stage, reason=code)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        _log.error("update.trial-unreadable", reason=str(error))
        return None


def highest_confirmed(folder: Path, in_use: str) -> str:
    """Return the highest version that worked here; at least the one in use."""
    said = (_read(folder / CONFIRMED_FILE) or {}).get("version")
    try:
        return said if isinstance(said, str) and is_newer(said, in_use) else in_use
    except UpdateError:
        return in_use


def note_confirmed(folder: Path, version: str, in_use: str) -> None:
    """Raise the highest version. Raises OSError."""
    if is_newer(version, highest_confirmed(folder, in_use)):
        text = canonical({"version": version}).encode()
        write_whole(folder / CONFIRMED_FILE, text, _READABLE)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        fields = json.loads(read_plain(path, _MOST_BYTES))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        _log.error("update.unreadable", file=str(path), reason=str(error))
        return None
    return fields if isinstance(fields, dict) else None
