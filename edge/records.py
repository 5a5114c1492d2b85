"""What a subscriber does with `counts`: read the records and verify their chain.

Fields a reader does not know are ignored, but they stay in `raw`, because the
chain covers them.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any, NoReturn

from edge.errors import MessageError
from edge.payloads import unpacked
from edge.sealing import genesis, link

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COUNTS = ("in", "out", "uturn", "ambiguous", "born_past_line")
_RANGE = ("in_low", "in_high", "out_low", "out_high")
_SUMS = ("presence_s", "used_s", "arrivals", "departures", "peak")
_WINDOW_SUMS = ("window_s", "in_window_s")


@dataclass(frozen=True, slots=True)
class CountRecord:
    """One interval of one line as received. The counts are None when nobody was looking.

    The true counts lie between the low and high ones as far as the device could tell; in a
    record of version 1.0, which says nothing of it, these are the counts themselves.
    """

    dev: str
    stream: str
    seq: int
    line: str
    t0_ms: int
    t1_ms: int
    entered: int | None
    left: int | None
    uturn: int | None
    ambiguous: int | None
    born_past_line: int | None
    in_low: int | None
    in_high: int | None
    out_low: int | None
    out_high: int | None
    tot_in: int
    tot_out: int
    cov: float
    cov_reason: str | None
    tq: str
    cfg: str
    model: str
    cal: str | None
    chain: str
    raw: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ZoneRecord:
    """One interval of one zone as received. The sums are None when nobody was looking.

    A queue zone has `wait_s`, every other kind `dwell_s`; both are None under five visits
    and where the mean would be longer than the interval.
    `window_s` and `in_window_s` are of an activity zone.
    """

    dev: str
    stream: str
    seq: int
    zone: str
    kind: str
    t0_ms: int
    t1_ms: int
    presence_s: float | None
    used_s: float | None
    arrivals: int | None
    departures: int | None
    peak: int | None
    dwell_s: float | None
    wait_s: float | None
    window_s: float | None
    in_window_s: float | None
    tot_presence_s: float
    tot_arrivals: int
    cov: float
    cov_reason: str | None
    tq: str
    cfg: str
    model: str
    cal: str | None
    chain: str
    raw: Mapping[str, Any] = field(repr=False)


Record = CountRecord | ZoneRecord


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_count_or_null(value: object) -> bool:
    return value is None or _is_count(value)


def _is_key(value: object) -> bool:
    return _is_count(value) and value != 0


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_text_or_null(value: object) -> bool:
    return value is None or _is_text(value)


def _is_time_spent(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return value >= 0 and (isinstance(value, int) or isfinite(value))


def _is_time_spent_or_null(value: object) -> bool:
    return value is None or _is_time_spent(value)


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _is_chain(value: object) -> bool:
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None


def _is_time(value: object) -> bool:
    return isinstance(value, str) and _TIME.fullmatch(value) is not None


_Checks = Mapping[str, Callable[[object], bool]]

_CHECKS: _Checks = {
    "dev": _is_text,
    "stream": _is_text,
    "seq": _is_key,
    "t0": _is_time,
    "t1": _is_time,
    "cov": _is_share,
    "tq": _is_text,
    "cfg": _is_text,
    "model": _is_text,
    "cal": _is_text_or_null,
    "chain": _is_chain,
}
_LINE_CHECKS: _Checks = {
    "line": _is_text,
    **dict.fromkeys(_COUNTS, _is_count_or_null),
    "tot_in": _is_count,
    "tot_out": _is_count,
}
_RANGE_CHECKS: _Checks = dict.fromkeys(_RANGE, _is_count_or_null)
_ZONE_CHECKS: _Checks = {
    "zone": _is_text,
    "kind": _is_text,
    "presence_s": _is_time_spent_or_null,
    "used_s": _is_time_spent_or_null,
    "arrivals": _is_count_or_null,
    "departures": _is_count_or_null,
    "peak": _is_count_or_null,
    "tot_presence_s": _is_time_spent,
    "tot_arrivals": _is_count,
}
_QUEUE_CHECKS: _Checks = {"wait_s": _is_time_spent_or_null}
_DWELL_CHECKS: _Checks = {"dwell_s": _is_time_spent_or_null}
_ACTIVITY_CHECKS: _Checks = {
    **_DWELL_CHECKS,
    "window_s": _is_time_spent_or_null,
    "in_window_s": _is_time_spent_or_null,
}
_KIND_CHECKS: Mapping[object, _Checks] = {
    "queue": _QUEUE_CHECKS,
    "activity": _ACTIVITY_CHECKS,
}


def parse_counts(payload: bytes) -> list[Record]:
    """Return the records of a `counts` payload, in order.

    Raises MessageError with one sentence when it is not one of major version 1.
    """
    envelope = _load(payload)
    version = envelope.get("v")
    if not isinstance(version, str) or not version.startswith("1."):
        raise MessageError(f"version {version!r} is not one this reader knows, which are 1.x")
    records = envelope.get("records")
    if not isinstance(records, list):
        raise MessageError("the payload has no list 'records'")
    return [parse_record(envelope, index, raw) for index, raw in enumerate(records)]


def verify_chain(records: Sequence[Record], previous: str | None = None) -> str:
    """Check that records of one stream follow each other; return the chain to go on from.

    `previous` is what an earlier call returned. Without it a record with seq 1
    must follow the stream's genesis, and any other first record is taken on trust.
    Raises MessageError naming the first record that does not follow.
    """
    for record in records:
        if previous is None and record.seq == 1:
            previous = genesis(record.dev, record.stream)
        if previous is not None and link(previous, record.raw) != record.chain:
            raise MessageError(
                f"record {record.seq} of stream {record.stream} does not follow the record "
                "before it: one of them was changed, or records are missing between them"
            )
        previous = record.chain
    return previous or ""


def _load(payload: bytes) -> dict[str, Any]:
    try:
        value = json.loads(unpacked(payload).decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"the payload is not JSON in UTF-8 ({error})") from None
    if not isinstance(value, dict):
        raise MessageError("the payload is not a JSON object")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def parse_record(envelope: Mapping[str, Any], index: int, raw: object) -> Record:
    """Return one record of a batch, parsed but not checked by anybody yet.

    envelope: what the batch says of all, of which `dev` and `stream` must be those of the record.
    Raises MessageError naming the record by its index in the batch.
    """
    if not isinstance(raw, dict):
        raise MessageError(f"record {index} of the batch is not a JSON object")
    is_zone = "zone" in raw and "line" not in raw
    _check(index, raw, _CHECKS)
    _check(index, raw, _ZONE_CHECKS if is_zone else _LINE_CHECKS)
    if is_zone:
        _check(index, raw, _KIND_CHECKS.get(raw["kind"], _DWELL_CHECKS))
    elif not raw.keys().isdisjoint(_RANGE):
        _check(index, raw, _RANGE_CHECKS)
    if raw["dev"] != envelope.get("dev") or raw["stream"] != envelope.get("stream"):
        raise MessageError(f"record {index} of the batch is of another device or stream")
    counts = [raw[name] for name in _additive(raw, is_zone)]
    if None in counts and any(count is not None for count in counts):
        raise MessageError(f"record {index} of the batch has some counts null and some not")
    t0_ms, t1_ms = _milliseconds(index, raw["t0"]), _milliseconds(index, raw["t1"])
    if t0_ms >= t1_ms:
        raise MessageError(f"record {index} of the batch ends before it begins")
    common = _common(raw, t0_ms, t1_ms)
    return _zone_record(raw, common) if is_zone else _line_record(raw, common)


def _additive(raw: Mapping[str, Any], is_zone: bool) -> tuple[str, ...]:
    """Return the fields that are null together, when nobody was looking."""
    if not is_zone:
        return _COUNTS if raw.keys().isdisjoint(_RANGE) else _COUNTS + _RANGE
    return _SUMS + _WINDOW_SUMS if raw["kind"] == "activity" else _SUMS


def _check(index: int, raw: Mapping[str, Any], checks: _Checks) -> None:
    for name, is_valid in checks.items():
        if name not in raw or not is_valid(raw[name]):
            raise MessageError(f"record {index} of the batch has no valid {name!r}")


def _common(raw: Mapping[str, Any], t0_ms: int, t1_ms: int) -> dict[str, Any]:
    reason = raw.get("cov_reason")
    names = ("dev", "stream", "seq", "cov", "tq", "cfg", "model", "cal", "chain")
    return {
        **{name: raw[name] for name in names},
        "t0_ms": t0_ms,
        "t1_ms": t1_ms,
        "cov_reason": reason if isinstance(reason, str) else None,
        "raw": raw,
    }


def _line_record(raw: Mapping[str, Any], common: Mapping[str, Any]) -> CountRecord:
    return CountRecord(
        line=raw["line"],
        entered=raw["in"],
        left=raw["out"],
        uturn=raw["uturn"],
        ambiguous=raw["ambiguous"],
        born_past_line=raw["born_past_line"],
        in_low=raw.get("in_low", raw["in"]),
        in_high=raw.get("in_high", raw["in"]),
        out_low=raw.get("out_low", raw["out"]),
        out_high=raw.get("out_high", raw["out"]),
        tot_in=raw["tot_in"],
        tot_out=raw["tot_out"],
        **common,
    )


def _zone_record(raw: Mapping[str, Any], common: Mapping[str, Any]) -> ZoneRecord:
    of_kind = _KIND_CHECKS.get(raw["kind"], _DWELL_CHECKS)
    fields: dict[str, Any] = {name: raw[name] for name in _ZONE_CHECKS}
    for name in ("dwell_s", "wait_s", "window_s", "in_window_s"):
        fields[name] = raw[name] if name in of_kind else None
    return ZoneRecord(**fields, **common)


def _milliseconds(index: int, text: str) -> int:
    try:
        return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)
    except ValueError:
        raise MessageError(f"record {index} of the batch has no such time as {text!r}") from None
