"""Which salvaged waiting intervals are among the salvaged records already.

The bytes of a damaged file hold both where the commit that made the one of the other is not
known for sure: its note was not written any more, or is gone. Kept beside its record such an
interval would be counted twice.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from edge.adapters import outbox_waiting
from edge.errors import MessageError
from edge.readings import Totals, reading, subject_of
from edge.records import Record, parse_record
from edge.vocabulary import Bucket, TimeQuality

_MOVED = {str(TimeQuality.REDATED), str(TimeQuality.UNSYNCED)}
_COUNTED = ("in", "out", "uturn", "ambiguous", "born_past_line")
_SUMMED = ("presence_s", "used_s", "arrivals", "departures", "peak")

_Subject = tuple[str, str]
_Counted = tuple[_Subject, int, tuple[object, ...]]


def unsettled(waiting: Mapping[int, str], bodies: Iterable[str]) -> dict[int, str]:
    """Return the waiting texts by id of which there is no record.

    A dated one (the draft of an open interval) is told by where its interval begins. One that
    waited for its date has another one in its record: it is told by its length and by what was
    counted, one for each such record.
    """
    records = [record for record in map(_record, bodies) if record is not None]
    begun = {(_subject(record), record.t0_ms) for record in records}
    moved = Counter(_counted(record) for record in records if record.tq in _MOVED)
    kept = {}
    for number, text in sorted(waiting.items()):
        interval, _ = outbox_waiting.read(text)
        if interval.boot is None:
            settled = (subject_of(interval.bucket), interval.bucket.t0_ms) in begun
        else:
            key = _counted_in(interval.bucket)
            settled = moved[key] > 0
            moved[key] -= settled
        if not settled:
            kept[number] = text
    return kept


def _record(body: str) -> Record | None:
    raw = json.loads(body)
    try:
        return parse_record(raw, 0, raw)
    except MessageError:
        return None


def _subject(record: Record) -> _Subject:
    field = "line" if "line" in record.raw else "zone"
    return field, record.raw[field]


def _counted(record: Record) -> _Counted:
    return _subject(record), record.t1_ms - record.t0_ms, _values(record.raw)


def _counted_in(bucket: Bucket) -> _Counted:
    return subject_of(bucket), bucket.t1_ms - bucket.t0_ms, _values(reading(bucket, Totals()))


def _values(fields: Mapping[str, Any]) -> tuple[object, ...]:
    return tuple(fields[name] for name in (_COUNTED if "in" in fields else _SUMMED))
