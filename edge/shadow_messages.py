"""The two payloads of the config shadow: `config/desired` in, `config/reported` out.

Only settings that are safe to change from afar travel, in either direction; see
`config_remote`. Nothing here knows what they mean.
"""

import json
from collections.abc import Mapping, Sequence

from edge.errors import MessageError
from edge.file_state import FileState
from edge.messages import LATER_VERSION, VERSION, message
from edge.sealing import canonical, iso_utc
from edge.shadow import Desired, Report
from edge.vocabulary import Message

LONGEST_REV = 64
LARGEST_BYTES = 65_536
"""Of a `config/desired`; 32 lines and 32 zones of fifty corners each fit."""
MOST_ERRORS = 20
LONGEST_ERROR = 400
EXAMPLE = (
    'e.g. {"v": "1.0", "rev": "2026-03-02-1", "config": {"lines": [{"id": "door",'
    ' "points": [[0.2, 0.6], [0.8, 0.6]], "in": "down"}]}}'
)


def parse_desired(payload: bytes) -> Desired:
    """Read a `config/desired` payload; fields beside `v`, `rev` and `config` are ignored.

    Raises MessageError with one sentence.
    """
    if len(payload) > LARGEST_BYTES:
        raise MessageError(f"the document has more than {LARGEST_BYTES} bytes; leave some out")
    try:
        value = json.loads(payload.decode("utf-8"))
        canonical(value).encode()  # neither NaN nor half a character can be written back
    except (ValueError, RecursionError):
        raise MessageError(f"the document is not JSON in UTF-8; {EXAMPLE}") from None
    if not isinstance(value, dict) or not str(value.get("v")).startswith("1."):
        raise MessageError(f'"v": must be a version this device knows, which are 1.x; {EXAMPLE}')
    rev, config = value.get("rev"), value.get("config")
    if not isinstance(rev, str) or not 0 < len(rev) <= LONGEST_REV or not rev.isprintable():
        raise MessageError(f'"rev": must be a text of 1 to {LONGEST_REV} characters; {EXAMPLE}')
    if not isinstance(config, dict):
        raise MessageError(
            f'"config": must be an object with the settings to change, {{}} for none; {EXAMPLE}'
        )
    return Desired(rev, config)


def desired_message(tenant: str, dev: str, desired: Desired | None) -> Message:
    """Return what a sender publishes; None takes back whatever was wanted before."""
    version = LATER_VERSION if desired and _has_audience(desired.config) else VERSION
    fields = desired and {"v": version, "rev": desired.rev, "config": desired.config}
    text = canonical(fields) if fields else ""
    return message(tenant, dev, "config/desired", text, qos=1, retain=True, version=version)


def reported_message(
    tenant: str,
    dev: str,
    at_ms: int,
    *,
    report: Report,
    in_force: str | None,
    cfg: str,
    config: Mapping[str, object],
    file: FileState | None = None,
) -> Message:
    """Return what became of the last document, and what is in force now.

    in_force: the rev of the document in force, None for the file alone. config: the settings
    that can be changed from afar, as they are in force, defaults included. file: how the file
    on the device stands to it; said when it was rejected or waits for a restart.
    """
    fields = {
        "v": VERSION,
        "dev": dev,
        "at": iso_utc(at_ms),
        "rev": report.rev,
        "state": report.state,
        "errors": _bounded(report.errors),
        "in_force": in_force,
        "cfg": cfg,
        "config": config,
    }
    version = VERSION
    if file is not None and file.state != "ok":
        errors, waits = _bounded(file.errors), _bounded(file.waits)
        fields["file"] = {"state": file.state, "errors": errors, "waits": waits}
        version = LATER_VERSION
    if _has_audience(config):
        version = LATER_VERSION
    text = canonical({**fields, "v": version})
    return message(
        tenant,
        dev,
        "config/reported",
        text,
        qos=1,
        retain=True,
        version=version,
        time=iso_utc(at_ms),
    )


def _has_audience(config: Mapping[str, object]) -> bool:
    """Whether a line says who uses it, which is said since 1.1."""
    lines = config.get("lines")
    return isinstance(lines, Sequence) and any(
        isinstance(line, Mapping) and "audience" in line for line in lines
    )


def _bounded(errors: Sequence[str]) -> list[str]:
    """Keep a hostile document from being answered with a larger one."""
    shown = [each[:LONGEST_ERROR] for each in errors[:MOST_ERRORS]]
    more = len(errors) - len(shown)
    return [*shown, f"and {more} more"] if more else shown
