"""What a message, a stored record and a log line may say. Pure.

The names are those of `config/schemas`, which are not on an installed unit; a test holds them
against the schemas.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from edge.privacy_deny import denied_fields
from edge.privacy_promises import PromiseId

Finding = tuple[PromiseId, str]
"""The promise that something breaks, and what it is."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


RECORD = _words(
    "ambiguous arrivals audience born_past_line cal cfg chain cov cov_reason departures dev dwell_s"
    " in in_high in_low in_window_s kind line model out out_high out_low peak presence_s seq stream"
    " t0 t1 tot_arrivals tot_in tot_out tot_presence_s tq used_s uturn wait_s window_s zone"
)
FIELDS: Mapping[str, frozenset[str]] = {
    "counts": RECORD | _words("dev records stream v"),
    "status": _words("at delivery dev state v"),
    "info": _words(
        "at audience cal capabilities cfg closed delivery dev fri hours id interval_s key kind"
        " lines model mon name sat software special stream sun thu time_zone tue v wed weekly zones"
    ),
    "health": _words(
        "at detect_ms dev disk_free_mb fps fps_asked fps_target last_accepted_at last_error looked"
        " memory_mb queue slowed temperature_c time unsaved uptime_s v video"
    ),
    "privacy": _words(
        "activity at attributes_recognised bucket_s contact coordinates_leave_device dev"
        " faces_recognised insecure_lab lines means_suppressed_under measures mode pictures_sent"
        " pictures_stored plain purpose queue records_kept_days_after_delivery reidentification"
        " responsible setup_page setup_still tracks_leave_device transport unit updates_over_mqtt v"
        " zones"
    ),
    "head": _words("at chain continues day dev first first_hash key seq sig stream tq v"),
    "config/reported": _words(
        "anchor at audience cfg config counting dead_band_heights dev device errors file hold_s id"
        " in in_force kind lines name points polygon rev state uturn_s v waits windows zones"
    ),
    "rsp/backfill": _words("at dev error id state v"),
    "update/reported": _words("at bundle bytes dev en had reason state v version wanted zh"),
    "update/want": _words("bundle dev offset pieces v"),
}
"""The names of all fields of a kind of message, at any depth."""
_DRAWN = frozenset({"config/reported"})
"""Kinds of message with the points of drawn lines and zones; nobody stands there."""
_LONGEST_TEXT = 4000

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TRACK = re.compile(r"(?<![a-z])(track|tracks|tracklet|trackid|tid)(?![a-z])")
_PLACE = re.compile(
    r"(?<![a-z])(x|y|xy|xyxy|xywh|tlbr|tlwh|bbox|bboxes|box|boxes|points|polygon|coord|coords"
    r"|coordinate|coordinates|position|positions|trajectory|trajectories|feet|anchor)(?![a-z])"
)
_SAID_TRACK = re.compile(r"\btrack(?:[ _-]?id)?s?(?:\s*[:=#]\s*|\s+)\[?\d+", re.I)
_SAID_PLACE = re.compile(
    r"\b(?:bbox|box|xyxy|xywh|anchor|position|coordinates?|feet|trajectory)\s*[:=]?\s*"
    r"(?:[\[(]\s*)+-?[\d.]+",
    re.I,
)


def in_message(leaf: str, payload: bytes) -> list[Finding]:
    """Return what a payload of a kind of message says that it may not."""
    try:
        document = json.loads(payload) if payload else {}
    except ValueError:
        return [("pictures-not-sent", f"{leaf}: is not JSON, {len(payload)} bytes")]
    allowed = FIELDS.get(leaf)
    if allowed is None:
        return [("pictures-not-sent", f"{leaf}: a topic nobody knows")]
    return list(_strange(document, leaf, allowed, leaf in _DRAWN))


def in_record(body: str) -> list[Finding]:
    """Return what a stored record says that it may not."""
    try:
        document = json.loads(body)
    except ValueError:
        return [("pictures-not-stored", "a record that is not JSON")]
    return list(_strange(document, "record", RECORD, drawn=False))


def in_log(line: str) -> list[Finding]:
    """Return what a log line says that it may not."""
    found: list[Finding] = []
    if _SAID_TRACK.search(line):
        found.append(("tracks-stay", _start(line)))
    if _SAID_PLACE.search(line):
        found.append(("places-stay", _start(line)))
    try:
        document = json.loads(re.sub(r"^<\d>", "", line))
    except ValueError:
        return found
    if not found and isinstance(document, dict):
        for name in _names(document):
            promise = _about(name)
            if promise is not None:
                found.append((promise, f"{name} in {_start(line)}"))
    return found


def _strange(node: Any, where: str, allowed: frozenset[str], drawn: bool) -> Iterator[Finding]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name not in allowed and not _DATE.fullmatch(name):
                yield _about(name) or "pictures-not-sent", f"{where}.{name}"
            else:
                yield from _strange(value, f"{where}.{name}", allowed, drawn)
    elif isinstance(node, list):
        if node and all(isinstance(each, int | float) for each in node) and not drawn:
            yield "places-stay", f"{where}: a list of numbers"
        for each in node:
            yield from _strange(each, where, allowed, drawn)
    elif isinstance(node, str) and len(node) > _LONGEST_TEXT:
        yield "pictures-not-sent", f"{where}: a text of {len(node)} characters"


def _about(name: str) -> PromiseId | None:
    """Return the promise that a field of this name would break, None for any other name."""
    low = name.lower()
    if denied_fields([low]):
        return "nobody-recognised"
    if _TRACK.search(low):
        return "tracks-stay"
    return "places-stay" if _PLACE.search(low) else None


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            yield str(name)
            yield from _names(value)
    elif isinstance(node, list):
        for each in node:
            yield from _names(each)


def _start(line: str) -> str:
    return line[:120]
