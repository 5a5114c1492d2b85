"""Half-open UTC intervals: crossings and healthy video in, closed CountBuckets out.

Intervals are aligned to multiples of the length since 1970 UTC, so that the buckets
of all devices meet; the first and the last one of a run are shorter. A bucket closes
when no crossing can still be booked into it (`Counted.settled_until`).
"""

from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from edge.vocabulary import (
    CountBucket,
    CoverageReason,
    Outcome,
    Provenance,
    TimeQuality,
)


@dataclass(slots=True)
class _Open:
    t0_ms: int
    t1_ms: int
    covered_ms: int = 0
    missing_ms: Tally[CoverageReason] = field(default_factory=Tally)
    counts: dict[str, Tally[Outcome]] = field(default_factory=dict)


class Aggregator:
    """Sums per line and interval. All times are UTC in integer milliseconds."""

    def __init__(
        self,
        lines: Sequence[str],
        interval_ms: int,
        start_ms: int,
        max_gap_ms: int = 2_000,
    ) -> None:
        """Begin at `start_ms`; pictures further apart than `max_gap_ms` leave a hole.

        Raises ValueError when the interval is not positive.
        """
        if interval_ms <= 0:
            raise ValueError(f"the interval must be positive, not {interval_ms} ms")
        self._lines = tuple(lines)
        self._interval_ms = interval_ms
        self._max_gap_ms = max_gap_ms
        self._seen_until_ms = start_ms
        self._open: list[_Open] = [self._bucket_from(start_ms)]

    def watch(self, now_ms: int, reason: CoverageReason | None = None) -> None:
        """Account for the time up to `now_ms`: with a picture, or without and why."""
        since = self._seen_until_ms
        if now_ms <= since:
            return
        if reason is None and now_ms - since > self._max_gap_ms:
            reason = CoverageReason.OVERLOAD
        for bucket, share_ms in self._shares(since, now_ms):
            if reason is None:
                bucket.covered_ms += share_ms
            else:
                bucket.missing_ms[reason] += share_ms
        self._seen_until_ms = now_ms

    def add(self, crossings: Iterable[tuple[int, str, Outcome]]) -> None:
        """Book crossings (time, line, outcome) into their intervals.

        A time before the oldest open interval goes into that one: nothing is lost.
        """
        for at_ms, line, outcome in crossings:
            self._extend(at_ms + 1)
            bucket = next((b for b in reversed(self._open) if b.t0_ms <= at_ms), self._open[0])
            bucket.counts.setdefault(line, Tally())[outcome] += 1

    def close(
        self, settled_until_ms: int, quality: TimeQuality, provenance: Provenance
    ) -> list[CountBucket]:
        """Return the buckets of every line for all intervals that have become final."""
        closed: list[CountBucket] = []
        self._extend(min(settled_until_ms, self._seen_until_ms))
        while self._open[0].t1_ms <= min(settled_until_ms, self._seen_until_ms):
            oldest = self._open.pop(0)
            if not self._open:
                self._open.append(self._bucket_from(oldest.t1_ms))
            closed += self._seal(oldest, quality, provenance)
        return closed

    def finish(
        self, now_ms: int, quality: TimeQuality, provenance: Provenance
    ) -> list[CountBucket]:
        """Close everything, the last interval cut short at `now_ms`; ends this instance."""
        closed = self.close(now_ms, quality, provenance)
        for bucket in self._open:
            bucket.t1_ms = min(bucket.t1_ms, now_ms)
            if bucket.t1_ms > bucket.t0_ms:
                closed += self._seal(bucket, quality, provenance)
        self._open = []
        return closed

    def _bucket_from(self, t0_ms: int) -> _Open:
        return _Open(t0_ms, (t0_ms // self._interval_ms + 1) * self._interval_ms)

    def _extend(self, until_ms: int) -> None:
        while self._open[-1].t1_ms < until_ms:
            self._open.append(self._bucket_from(self._open[-1].t1_ms))

    def _shares(self, since_ms: int, until_ms: int) -> Iterator[tuple[_Open, int]]:
        self._extend(until_ms)
        for bucket in self._open:
            share = min(until_ms, bucket.t1_ms) - max(since_ms, bucket.t0_ms)
            if share > 0:
                yield bucket, share

    def _seal(
        self, bucket: _Open, quality: TimeQuality, provenance: Provenance
    ) -> Iterator[CountBucket]:
        length = bucket.t1_ms - bucket.t0_ms
        coverage = min(1.0, bucket.covered_ms / length)
        reason = None
        if coverage < 1.0:
            missing = bucket.missing_ms.most_common(1)
            reason = missing[0][0] if missing else CoverageReason.RESTART
        for line in self._lines:
            tally = bucket.counts.get(line, Tally())
            # A share that is written as 0 must not stand beside a count of 0.
            looked = round(coverage, 4) > 0 or tally.total() > 0
            counts = {outcome: tally[outcome] for outcome in Outcome} if looked else None
            yield CountBucket(
                line, bucket.t0_ms, bucket.t1_ms, counts, coverage, reason, quality, provenance
            )
