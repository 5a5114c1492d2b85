"""The numbers of a stream's records: twice, out of order, missing, or no longer readable.

A line that is no record, or has the number of another one, is told by where it stands: it is
the record that is missing behind the line before it, or before the line behind it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from edge.evidence import Fault, Findings, Lost
from edge.evidence_lines import Read, Unread
from edge.heads import Head
from edge.months import Month
from edge.sealing import link

Items = Sequence[Read | Unread]
Records = Mapping[int, Read]
"""The record of each number."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Missing numbers: those between two records. lost: what the totals say was in them."""

    before: int
    after: int
    lost: Lost


def records_by_number(items: Items) -> dict[int, list[int]]:
    """Return the items of each number; of several with the same content only the first."""
    by_seq: dict[int, list[int]] = {}
    seen: set[str] = set()
    for index, item in enumerate(items):
        if isinstance(item, Read) and item.hash not in seen:
            seen.add(item.hash)
            by_seq.setdefault(item.seq, []).append(index)
    return by_seq


def explain_strangers(
    items: Items, records: Records, genesis: str, found: Findings
) -> Sequence[int]:
    """Report lines that are no record or have the number of another.

    Returns their true numbers, sorted.
    """
    numbers: dict[int, int | None] = {}
    explained: set[int] = set()
    for index, item in enumerate(items):
        record = records.get(item.seq) if isinstance(item, Read) else None
        if isinstance(item, Read) and record is not None and record.hash == item.hash:
            numbers[index] = item.seq
            continue
        free = [
            seq
            for seq in _by_place(items, index, numbers)
            if seq not in records and seq not in explained
        ]
        if isinstance(item, Unread):
            number = _of_unread(item, free, records, explained)
            found.add(number or item.seq, Fault.UNREADABLE, item.place, why=item.why)
        else:
            number = next((n for n in free if _fits(item, n, records, genesis)), None)
            if number is None:
                found.add(item.seq, Fault.TWICE, item.place)
            else:
                found.add(number, Fault.RENUMBERED, item.place, claimed=item.seq)
        numbers[index] = number
        if number is not None:
            explained.add(number)
    return sorted(explained)


def _by_place(items: Items, index: int, numbers: Mapping[int, int | None]) -> Iterator[int]:
    """Yield which record a line would be by the lines around it in its file."""
    file = items[index].place.file
    if index > 0 and items[index - 1].place.file == file:
        before = numbers[index - 1]
        if before is not None:
            yield before + 1
    if index + 1 < len(items) and items[index + 1].place.file == file:
        after = items[index + 1].seq
        if after is not None and after > 1:
            yield after - 1


def _of_unread(
    item: Unread, free: Sequence[int], records: Records, explained: Collection[int]
) -> int | None:
    claimed = item.seq
    if claimed and claimed not in records and claimed not in explained:
        return claimed
    return free[0] if free else None


def _fits(item: Read, number: int, records: Records, genesis: str) -> bool:
    """Whether a record is the one of another number, by the chain on either side."""
    before, after = records.get(number - 1), records.get(number + 1)
    chain = genesis if number == 1 else before.record.chain if before else None
    if chain is not None:
        return link(chain, {**item.record.raw, "seq": number}) == item.record.chain
    return after is not None and link(item.record.chain, after.record.raw) == after.record.chain


def report_order(items: Items, records: Records, found: Findings) -> None:
    """Report records that stand right behind a later one of the same file."""
    before: Read | None = None
    for item in items:
        if isinstance(item, Read) and records.get(item.seq) is item:
            if before and before.place.file == item.place.file and item.seq < before.seq:
                found.add(item.seq, Fault.OUT_OF_PLACE, item.place, before=before.seq)
            before = item


def report_missing(
    gaps: Sequence[Gap], records: Records, explained: Sequence[int], found: Findings
) -> None:
    """Report the missing numbers between the records, but for what was explained."""
    for gap in gaps:
        spans = list(_spans(gap.before + 1, gap.after - 1, explained))
        sums = gap.lost.sums if spans == [(gap.before + 1, gap.after - 1)] else None
        for first, last in spans:
            found.add(
                first,
                Fault.MISSING,
                records[gap.after].place,
                upto=last,
                before=gap.before,
                after=gap.after,
                sums=sums,
            )


def report_cut_off(
    heads: Sequence[Head],
    records: Records,
    explained: Sequence[int],
    month: Month,
    found: Findings,
) -> None:
    """Report what heads sign of this month, or of an export, and what is not there."""
    due = [h for h in heads if h.seq > 0 and (h.begin is not None or _lies_in(h.day, month))]
    if not due:
        return
    lowest = min(h.begin.seq if h.begin else h.seq for h in due)
    highest = max(due, key=lambda h: h.seq)
    first, last = (min(records), max(records)) if records else (lowest, lowest - 1)
    for fault, span in (
        (Fault.MISSING_BEFORE, (lowest, first - 1)),
        (Fault.MISSING_AFTER, (last + 1, highest.seq)),
    ):
        for begin, end in _spans(*span, explained):
            found.add(begin, fault, upto=end, day=highest.day)


def _lies_in(day: str, month: Month) -> bool:
    begin = datetime.fromisoformat(day).replace(tzinfo=UTC)
    ends = (begin.timestamp() * 1000, (begin + timedelta(days=1)).timestamp() * 1000)
    return month.t0_ms <= ends[0] and ends[1] <= month.t1_ms


def _spans(first: int, last: int, without: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield what is left of a range of numbers, as ranges; `without` is sorted."""
    for seq in without[bisect_left(without, first) : bisect_right(without, last)]:
        if first < seq:
            yield first, seq - 1
        first = seq + 1
    if first <= last:
        yield first, last
