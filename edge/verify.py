"""Whether the records of a stream are what the device sealed: chain, numbers, totals, heads.

The walk goes from one number to the next. A record that does not follow the one before it is
told apart by the one after it: when that follows what the record says of itself, its content
was changed; when it follows what the content gives, only the `chain` was. Where numbers are
missing the chain is broken, and what stands behind a gap is held by its own successors, by
the running totals, and by the next head.
"""

from collections.abc import Iterable, Sequence

from edge.errors import MessageError
from edge.evidence import Fault, Findings, Key, StreamReport
from edge.evidence_lines import HeadLine, Line, Read, Unread, read_lines
from edge.heads import Head, fingerprint, verify_head
from edge.months import Month
from edge.sealing import genesis, link
from edge.verify_numbers import (
    Gap,
    explain_strangers,
    records_by_number,
    report_cut_off,
    report_missing,
    report_order,
)
from edge.verify_values import Meter


def verify_stream(
    key: Key, lines: Iterable[Line], month: Month, keys: Sequence[str] = ()
) -> StreamReport:
    """Judge the lines of one stream, in the order of the files they stand in.

    keys: public keys in hex or their fingerprints, of which one must have signed; without
    any the heads say only that all of them are of one key.
    """
    found = Findings(key)
    read = read_lines(lines, key)
    report = StreamReport(*key)
    heads = _good_heads(read.heads, keys, found)
    if heads:
        report.key = fingerprint(heads[0].key)
    walk = _Walk(read.items, heads, month, report, found)
    walk.run()
    if keys and not heads:
        found.add(None, Fault.NOT_SIGNED)
    report.findings, report.faults = found.sorted(), found.count
    return report


def _good_heads(lines: Sequence[HeadLine], keys: Sequence[str], found: Findings) -> list[Head]:
    heads: list[Head] = []
    for line in lines:
        try:
            if line.raw is None:
                raise MessageError(line.why)
            head = verify_head(line.raw)
        except MessageError as error:
            found.add(line.seq, Fault.HEAD_INVALID, line.place, why=str(error))
            continue
        mark = fingerprint(head.key)
        expected = keys or [each.key for each in heads[:1]]
        if expected and head.key not in expected and mark not in expected:
            found.add(head.seq, Fault.HEAD_KEY, line.place, key=mark, day=head.day)
        else:
            heads.append(head)
    return heads


class _Walk:
    def __init__(
        self,
        items: Sequence[Read | Unread],
        heads: Sequence[Head],
        month: Month,
        report: StreamReport,
        found: Findings,
    ) -> None:
        self._items, self._month, self._report, self._found = items, month, report, found
        self._heads: dict[int, list[Head]] = {}
        self._hashes: dict[int, set[str]] = {}
        """What heads of exports say of the first record."""
        for head in heads:
            self._heads.setdefault(head.seq, []).append(head)
            if head.begin is not None:
                self._hashes.setdefault(head.begin.seq, set()).add(head.begin.hash)
        self._by_seq = records_by_number(self._items)
        self._numbers = sorted(self._by_seq)
        self._chosen: dict[int, int] = {}
        """The item that is the record of each number."""
        self._gaps: list[Gap] = []

    def run(self) -> None:
        """Walk from the first number to the last, then look at what is out of order or missing."""
        meter = self._meter()
        chain: str | None = None
        trusted = False
        before: int | None = None
        for seq in self._numbers:
            if before != seq - 1:
                chain, trusted = self._start(meter, before, seq), False
            read = self._pick(seq, chain)
            chain, trusted = self._check(read, chain, trusted)
            if trusted and before is None:
                self._report.trusted = seq
            meter.take(read.record, read.place)
            before = seq
        meter.finish()
        self._look_around()

    def _meter(self) -> Meter:
        inside = [seq for seq in self._numbers if self._is_of_month(self._by_seq[seq][0])]
        span = (inside[0], inside[-1]) if inside else (0, 0)
        return Meter(self._month, span, self._report, self._found)

    def _is_of_month(self, index: int) -> bool:
        return self._month.holds(self._read(index).record.t0_ms)

    def _read(self, index: int) -> Read:
        item = self._items[index]
        assert isinstance(item, Read)
        return item

    def _start(self, meter: Meter, before: int | None, seq: int) -> str | None:
        """Begin at the first record, or go on behind a gap; return the chain to follow."""
        if before is not None:
            self._gaps.append(Gap(before, seq, meter.gap()))
        elif seq == 1:
            meter.begin()
            return genesis(self._report.dev, self._report.stream)
        return next((head.chain for head in self._heads.get(seq - 1, ())), None)

    def _pick(self, seq: int, chain: str | None) -> Read:
        """Choose the record of a number: of several the one that the chain knows."""
        candidates = self._by_seq[seq]
        best = candidates[0]
        if len(candidates) > 1:
            known = [i for i in candidates if chain is not None and self._follows(chain, i)]
            known += [i for i in candidates if self._is_followed(seq, self._read(i).record.chain)]
            best = known[0] if known else best
        self._chosen[seq] = best
        return self._read(best)

    def _follows(self, chain: str, index: int) -> bool:
        record = self._read(index).record
        return link(chain, record.raw) == record.chain

    def _is_followed(self, seq: int, chain: str) -> bool:
        """Whether the next record, or a head, knows this chain of a record."""
        following = self._by_seq.get(seq + 1, ())
        signed = (head.chain for head in self._heads.get(seq, ()))
        return chain in signed or any(self._follows(chain, index) for index in following)

    def _check(self, read: Read, chain: str | None, trusted: bool) -> tuple[str | None, bool]:
        """Check one record.

        chain: what it follows, if that is known; trusted: whether nothing vouches for that.
        Returns the same two for the next record.
        """
        seq, own = read.seq, read.record.chain
        hashes = self._hashes.get(seq, set())
        if hashes - {read.hash}:
            self._found.add(seq, Fault.CHANGED, read.place)
        elif chain is not None:
            own = self._check_link(read, chain, trusted)
        self._check_heads(read, own)
        if chain is None and self._found.has(seq) and not self._is_followed(seq, own):
            return None, False
        return own, chain is None and not hashes and not self._found.has(seq)

    def _check_link(self, read: Read, chain: str, trusted: bool) -> str:
        """Return the chain that the record should have, as far as that can be told."""
        seq, own = read.seq, read.record.chain
        should = link(chain, read.record.raw)
        if should == own:
            return own
        if self._is_followed(seq, should):
            self._found.add(seq, Fault.CHAIN_CHANGED, read.place)
            return should
        if trusted:
            self._found.add(seq, Fault.DOES_NOT_FOLLOW, read.place, before=seq - 1)
        else:
            self._found.add(seq, Fault.CHANGED, read.place)
        return own

    def _check_heads(self, read: Read, chain: str) -> None:
        report = self._report
        for head in self._heads.get(read.seq, ()):
            if head.chain == chain:
                report.signed, report.signed_at = read.seq, head.at
            elif not self._found.has(read.seq):
                since = (report.signed or 0) + 1
                self._found.add(read.seq, Fault.HEAD_CHAIN, read.place, day=head.day, since=since)

    def _look_around(self) -> None:
        report, records = self._report, {seq: self._read(i) for seq, i in self._chosen.items()}
        report.unsigned = sum(
            self._is_of_month(index)
            for seq, index in self._chosen.items()
            if seq > (report.signed or 0)
        )
        if self._numbers:
            report.first, report.last = self._numbers[0], self._numbers[-1]
        explained = explain_strangers(
            self._items, records, genesis(report.dev, report.stream), self._found
        )
        report_order(self._items, records, self._found)
        heads = [head for each in self._heads.values() for head in each]
        report_missing(self._gaps, records, explained, self._found)
        report_cut_off(heads, records, explained, self._month, self._found)
