"""A month as evidence: sealed records as they were stored, then signed heads; one a line.

Records stand in the order of device, stream and number, each as the text that was sealed.
Of every stream there are all from the first to the last one that begins in the month, and
the one before, if it is still there: the chain then enters the month verified. A head
follows that signs the last of them and names the first one (`heads.Begin`).

A backend writes the same lines for many devices, with the heads that it received; it puts in
only heads whose record is there, or the record right before the first one.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from edge.heads import Begin, hash_of, head_text
from edge.months import Month
from edge.ports import Signer
from edge.sealing import chain_of
from edge.vocabulary import StoredRecord, TimeQuality, Tip


@dataclass(frozen=True, slots=True)
class Signing:
    """What a head is signed with, and when (UTC)."""

    signer: Signer
    at_ms: int
    quality: TimeQuality


def of_month(records: Sequence[StoredRecord], month: Month) -> list[StoredRecord]:
    """Return the records of one stream, in order, that belong to a month, and the one before."""
    inside = [index for index, record in enumerate(records) if _begins_in(record, month)]
    if not inside:
        return []
    first, last = inside[0], inside[-1]
    if first > 0 and records[first - 1].seq == records[first].seq - 1:
        first -= 1
    return list(records[first : last + 1])


def export_lines(
    dev: str, streams: Sequence[Sequence[StoredRecord]], signing: Signing | None
) -> list[str]:
    """Return the lines of an export of one device; without a key there are no heads.

    streams: the records of each stream as `of_month` returns them, damaged ones too.
    """
    filled = sorted((each for each in streams if each), key=lambda each: each[0].stream)
    lines = [record.body for records in filled for record in records]
    if signing is not None:
        lines += [head for records in filled if (head := _head(dev, records, signing))]
    return lines


def _head(dev: str, records: Sequence[StoredRecord], signing: Signing) -> str | None:
    first, last = records[0], records[-1]
    try:
        until_ms = _milliseconds(json.loads(last.body)["t1"])
        tip = Tip(last.stream, last.seq, chain_of(last.body), until_ms)
        begin = Begin(first.seq, hash_of(json.loads(first.body)))
    except (ValueError, LookupError, TypeError):
        return None  # not a record any more; then there is nothing that could be signed
    return head_text(
        dev, signing.at_ms, tip, quality=signing.quality, signer=signing.signer, begin=begin
    )


def _begins_in(record: StoredRecord, month: Month) -> bool:
    try:
        return month.holds(_milliseconds(json.loads(record.body)["t0"]))
    except (ValueError, LookupError, TypeError):
        return False


def _milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
