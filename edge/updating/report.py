"""report.json: what became of the last update, for the service and for whoever reads the disk.

    {"v": "1.0", "version": in use, "bundle": SHA-256 of the file, "wanted": its version,
     "state": …, "reason": code or null, "zh": …, "en": …, "at": UTC}

`bundle` is null when no update was looked at, `wanted` until the signature was verified.
"""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from edge.sealing import canonical

REPORT_FILE = "report.json"
VERSION = "1.0"
MOST_BYTES = 16 * 1024


class State(StrEnum):
    """How far an update came on the device itself."""

    VERIFYING = "verifying"
    INSTALLING = "installing"
    TRIAL = "trial"
    APPLIED = "applied"
    REVERTED = "reverted"
    REFUSED = "refused"


ENDED = frozenset({State.APPLIED, State.REVERTED, State.REFUSED})
"""Nothing follows of itself."""

STATE_WORDS = {
    State.VERIFYING: ("正在检查升级包", "the bundle is being verified"),
    State.INSTALLING: ("正在安装新版本，照常计数", "installing; counting goes on"),
    State.TRIAL: ("正在试用新版本，不正常会自动退回", "on trial; if it does not work it goes back"),
    State.APPLIED: ("升级完成", "the update is done"),
}


@dataclass(frozen=True, slots=True)
class Report:
    """One report. zh, en: the state or the reason in words; at: UTC, ISO 8601."""

    version: str
    bundle: str | None
    wanted: str | None
    state: State
    reason: str | None
    zh: str
    en: str
    at: str
    v: str = VERSION

    @property
    def has_ended(self) -> bool:
        """Whether nothing follows of itself."""
        return self.state in ENDED


def report_text(report: Report) -> str:
    """Return its canonical JSON."""
    return canonical(asdict(report))


def parse_report(text: str | bytes) -> Report | None:
    """Read a report of version 1.x; None for anything else. Fields not known are left out."""
    try:
        fields: Any = json.loads(text)
        if not isinstance(fields, dict) or not str(fields["v"]).startswith("1."):
            return None
        state = State(fields["state"])
        report = Report(
            **{name: fields[name] for name in ("version", "bundle", "wanted", "reason")},
            **{name: fields[name] for name in ("zh", "en", "at", "v")},
            state=state,
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    values = asdict(report).items()
    may_be_null = {"bundle", "wanted", "reason"}
    is_text = all(isinstance(v, str) or (v is None and k in may_be_null) for k, v in values)
    return report if is_text else None
