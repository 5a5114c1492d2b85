"""What records say, held against each other: running totals, times, and the month's sums."""

from decimal import Decimal

from edge.evidence import Fault, Findings, Lost, Place, StreamReport, Sums
from edge.months import Month
from edge.readings import Subject, Totals
from edge.records import CountRecord, Record

_UNDATED = "unsynced"


class Meter:
    """Takes the records of one stream in the order of their numbers."""

    def __init__(
        self, month: Month, span: tuple[int, int], report: StreamReport, found: Findings
    ) -> None:
        """Begin before the first record.

        span: the first and the last number that begin in the month.
        """
        self._month, self._span, self._report, self._found = month, span, report, found
        self._from_zero = False
        self._totals: dict[Subject, Totals | None] = {}
        self._over: dict[Subject, Lost] = {}
        """Subjects whose known totals are from before a gap."""
        self._last: dict[Subject, Record] = {}

    def begin(self) -> None:
        """Note that the next record is the stream's first, before which all totals are 0."""
        self._from_zero = True

    def gap(self) -> Lost:
        """Note that records are missing here; what they held is known when their lines go on."""
        lost = Lost()
        for subject, totals in self._totals.items():
            before = self._over.get(subject)
            if totals is None or before is not None:
                self._unknown(lost)
                self._unknown(before)
            else:
                self._over[subject] = lost
        self._from_zero = False
        return lost

    def finish(self) -> None:
        """Note that no more records come: what a line lost that never went on is not known."""
        for lost in self._over.values():
            self._unknown(lost)

    def take(self, record: Record, place: Place) -> None:
        """Check one record and add it up. What is wrong already explains what follows from it."""
        subject, counts, totals = _subject(record), _counts(record), _totals(record)
        suspect = self._found.has(record.seq)
        if suspect:
            self._totals[subject] = None
            self._unknown(self._over.pop(subject, None))
            self._last.pop(subject, None)
        else:
            self._check_totals(record, place, subject, counts, totals)
            self._check_times(record, place, subject)
            self._totals[subject], self._last[subject] = totals, record
        self._add(record, subject, counts)

    def _check_totals(
        self, record: Record, place: Place, subject: Subject, counts: Totals, totals: Totals
    ) -> None:
        known = self._totals.get(subject, Totals() if self._from_zero else None)
        lost = self._over.pop(subject, None)
        if known is None:
            self._unknown(lost)
            return
        before = [total - count for total, count in zip(totals, counts, strict=True)]
        more = [now - then for now, then in zip(before, known, strict=True)]
        if (lost is None and any(more)) or min(more) < 0:
            which = next(i for i in (0, 1) if (more[i] < 0 if lost else more[i]))
            self._found.add(
                record.seq,
                Fault.TOTALS,
                place,
                field=_total_names(subject)[which],
                found=totals[which],
                before=known[which],
                count=counts[which],
                expected=known[which] + counts[which],
            )
            self._unknown(lost)
        elif lost is not None and lost.sums is not None and subject.field == "line":
            lost.sums = (lost.sums[0] + more[0], lost.sums[1] + more[1])

    @staticmethod
    def _unknown(lost: Lost | None) -> None:
        if lost is not None:
            lost.sums = None

    def _check_times(self, record: Record, place: Place, subject: Subject) -> None:
        if record.tq == _UNDATED:
            return
        last = self._last.get(subject)
        if last is not None and last.tq != _UNDATED and record.t0_ms < last.t1_ms:
            self._found.add(
                record.seq, Fault.OVERLAP, place, before=last.seq, what=subject.field, id=subject.id
            )
        length = record.t1_ms - record.t0_ms
        first, final = self._span
        if first < record.seq < final and not (
            self._month.t0_ms - length <= record.t0_ms < self._month.t1_ms + length
        ):
            self._found.add(record.seq, Fault.OUTSIDE, place, t0=record.raw["t0"])

    def _add(self, record: Record, subject: Subject, counts: Totals) -> None:
        report = self._report
        if not self._month.holds(record.t0_ms):
            first, final = self._span
            report.others += 1
            report.undated += first < record.seq < final and record.tq == _UNDATED
            return
        report.records += 1
        report.t0_ms = min(record.t0_ms, report.t0_ms or record.t0_ms)
        report.t1_ms = max(record.t1_ms, report.t1_ms or 0)
        sums = report.sums.setdefault(subject, Sums())
        sums.records += 1
        sums.unseen += _is_unseen(record)
        sums.first += counts.first
        sums.second += counts.second


def _subject(record: Record) -> Subject:
    if isinstance(record, CountRecord):
        return Subject("line", record.line)
    return Subject("zone", record.zone)


def _is_unseen(record: Record) -> bool:
    return (record.entered if isinstance(record, CountRecord) else record.arrivals) is None


def _counts(record: Record) -> Totals:
    if isinstance(record, CountRecord):
        return Totals(record.entered or 0, record.left or 0)
    return Totals(_ms(record.presence_s or 0), record.arrivals or 0)


def _totals(record: Record) -> Totals:
    if isinstance(record, CountRecord):
        return Totals(record.tot_in, record.tot_out)
    return Totals(_ms(record.tot_presence_s), record.tot_arrivals)


def _total_names(subject: Subject) -> tuple[str, str]:
    return ("tot_in", "tot_out") if subject.field == "line" else ("tot_presence_s", "tot_arrivals")


def _ms(seconds: float) -> int:
    """Return the milliseconds that a record wrote as seconds; exact, however large."""
    return int(Decimal(str(seconds)) * 1000)
