"""Half-open UTC intervals: crossings, occupancies and healthy video in, closed buckets out.

Intervals are aligned to multiples of the length since 1970 UTC, so that the buckets
of all devices meet; the first and the last one of a run are shorter. A bucket closes
when no crossing can still be booked into it (`Counted.settled_until`).

A headcount holds from its picture to the next one, and only while that time counts as
watched; presence is its sum over that time, split exactly where intervals meet.
"""

from collections import Counter as Tally
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo

from edge.day_windows import Span, overlap_ms, spans
from edge.vocabulary import (
    Bucket,
    CountBucket,
    CoverageReason,
    Crossing,
    Doubts,
    Occupancy,
    Outcome,
    Provenance,
    TimeQuality,
    Zone,
    ZoneBucket,
    ZoneSums,
)


@dataclass(slots=True)
class _Open:
    t0_ms: int
    t1_ms: int
    covered_ms: int = 0
    missing_ms: Tally[CoverageReason] = field(default_factory=Tally)
    counts: dict[str, Tally[Outcome]] = field(default_factory=dict)
    doubts: dict[str, Tally[tuple[Outcome | None, bool]]] = field(default_factory=dict)
    zones: dict[str, ZoneSums] = field(default_factory=dict)
    windows: dict[str, tuple[Span, ...]] = field(default_factory=dict)

    def has_bookings(self) -> bool:
        return bool(self.counts) or any(z.arrivals or z.departures for z in self.zones.values())


class Aggregator:
    """Sums per line, zone and interval. All times are UTC in integer milliseconds."""

    def __init__(
        self,
        lines: Sequence[str],
        interval_ms: int,
        start_ms: int,
        max_gap_ms: int = 2_000,
        *,
        zones: Sequence[Zone] = (),
        time_zone: tzinfo = UTC,
        staff: Collection[str] = (),
    ) -> None:
        """Begin at `start_ms`; pictures further apart than `max_gap_ms` leave a hole.

        time_zone: where the clock on the wall follows the zones' daily windows.
        staff: the lines that only staff use, which is marked in their buckets.
        Raises ValueError when the interval is not positive.
        """
        if interval_ms <= 0:
            raise ValueError(f"the interval must be positive, not {interval_ms} ms")
        self._lines, self._staff = tuple(lines), frozenset(staff)
        self._zones, self._time_zone = tuple(zones), time_zone
        self._headcounts: dict[str, int] = {}
        self._interval_ms = interval_ms
        self._max_gap_ms = max_gap_ms
        self._seen_until_ms = start_ms
        self._open: list[_Open] = [self._bucket_from(start_ms)]

    @property
    def headcounts(self) -> Mapping[str, int]:
        """How many people each zone holds since the last picture."""
        return dict(self._headcounts)

    def go_on_with(self, headcounts: Mapping[str, int]) -> None:
        """Begin with the headcounts of the last picture; they hold to the next one."""
        zones = {zone.id for zone in self._zones}
        self._headcounts = {zone: n for zone, n in headcounts.items() if zone in zones}

    def watch(self, now_ms: int, reason: CoverageReason | None = None) -> bool:
        """Account for the time up to `now_ms`: with a picture, or without and why.

        Returns whether that time counts as watched.
        """
        since = self._seen_until_ms
        if now_ms > since:
            if reason is None and now_ms - since > self._max_gap_ms:
                reason = CoverageReason.OVERLOAD
            for bucket, start_ms, end_ms in self._parts(since, now_ms):
                if reason is None:
                    bucket.covered_ms += end_ms - start_ms
                    self._be_present(bucket, start_ms, end_ms)
                else:
                    bucket.missing_ms[reason] += end_ms - start_ms
            self._seen_until_ms = now_ms
        return reason is None

    def occupy(self, now_ms: int, occupancies: Iterable[Occupancy]) -> None:
        """Take what a picture says of the zones: headcounts from now on, and bookings.

        What it shows happened before it was taken: a booking found exactly where two
        intervals meet belongs to the earlier one.
        """
        for seen in occupancies:
            self._headcounts[seen.zone] = seen.headcount
            if seen.arrivals or seen.departures:
                booked = ZoneSums(arrivals=seen.arrivals, departures=seen.departures)
                self._add_sums(self._open_at(now_ms - 1), seen.zone, booked)

    def add(self, crossings: Iterable[tuple[int, Crossing]]) -> None:
        """Book crossings, with their UTC milliseconds, into their intervals.

        A time before the oldest open interval goes into that one: nothing is lost.
        """
        for at_ms, crossing in crossings:
            bucket = self._open_at(at_ms)
            bucket.counts.setdefault(crossing.line, Tally())[crossing.outcome] += 1
            counted = crossing.doubt is crossing.outcome
            bucket.doubts.setdefault(crossing.line, Tally())[crossing.doubt, counted] += 1

    def close(
        self, settled_until_ms: int, quality: TimeQuality, provenance: Provenance
    ) -> list[Bucket]:
        """Return the buckets of every line and zone for all intervals that have become final."""
        closed: list[Bucket] = []
        self._extend(min(settled_until_ms, self._seen_until_ms))
        while self._open[0].t1_ms <= min(settled_until_ms, self._seen_until_ms):
            oldest = self._open.pop(0)
            if not self._open:
                self._open.append(self._bucket_from(oldest.t1_ms))
            closed += self._seal(oldest, quality, provenance)
        return closed

    def finish(self, now_ms: int, quality: TimeQuality, provenance: Provenance) -> list[Bucket]:
        """Close everything, the last interval cut short at `now_ms`; ends this instance."""
        closed = self.close(now_ms, quality, provenance)
        for bucket in self._open:
            closed += self._seal_cut(bucket, now_ms, quality, provenance)
        self._open = []
        return closed

    def so_far(self, now_ms: int, quality: TimeQuality, provenance: Provenance) -> list[Bucket]:
        """Return what `finish` would return now, and change nothing."""
        found: list[Bucket] = []
        for bucket in self._open:
            found += self._seal_cut(bucket, now_ms, quality, provenance)
        return found

    def _seal_cut(
        self, bucket: _Open, now_ms: int, quality: TimeQuality, provenance: Provenance
    ) -> Iterator[Bucket]:
        cut = replace(bucket, t1_ms=min(bucket.t1_ms, now_ms))
        if cut.t1_ms <= cut.t0_ms and cut.has_bookings():
            cut.t1_ms = cut.t0_ms + 1  # what was booked here is not lost with it
        if cut.t1_ms > cut.t0_ms:
            yield from self._seal(cut, quality, provenance)

    def _bucket_from(self, t0_ms: int) -> _Open:
        t1_ms = (t0_ms // self._interval_ms + 1) * self._interval_ms
        windows = {
            zone.id: spans(zone.windows, self._time_zone, t0_ms, t1_ms)
            if zone.windows
            else ((t0_ms, t1_ms),)
            for zone in self._zones
        }
        return _Open(t0_ms, t1_ms, windows=windows)

    def _extend(self, until_ms: int) -> None:
        while self._open[-1].t1_ms < until_ms:
            self._open.append(self._bucket_from(self._open[-1].t1_ms))

    def _open_at(self, at_ms: int) -> _Open:
        self._extend(at_ms + 1)
        return next((b for b in reversed(self._open) if b.t0_ms <= at_ms), self._open[0])

    def _parts(self, since_ms: int, until_ms: int) -> Iterator[tuple[_Open, int, int]]:
        self._extend(until_ms)
        for bucket in self._open:
            start_ms, end_ms = max(since_ms, bucket.t0_ms), min(until_ms, bucket.t1_ms)
            if start_ms < end_ms:
                yield bucket, start_ms, end_ms

    def _be_present(self, bucket: _Open, start_ms: int, end_ms: int) -> None:
        """Add the present headcounts over a watched part of an interval."""
        length_ms = end_ms - start_ms
        for zone in self._zones:
            headcount = self._headcounts.get(zone.id, 0)
            window_ms = overlap_ms(bucket.windows[zone.id], start_ms, end_ms)
            part = ZoneSums(
                presence_ms=headcount * length_ms,
                used_ms=length_ms if headcount else 0,
                peak=headcount,
                window_ms=window_ms,
                window_presence_ms=headcount * window_ms,
            )
            self._add_sums(bucket, zone.id, part)

    @staticmethod
    def _add_sums(bucket: _Open, zone: str, part: ZoneSums) -> None:
        bucket.zones[zone] = bucket.zones.get(zone, ZoneSums()).plus(part)

    def _seal(
        self, bucket: _Open, quality: TimeQuality, provenance: Provenance
    ) -> Iterator[Bucket]:
        length = bucket.t1_ms - bucket.t0_ms
        coverage = min(1.0, bucket.covered_ms / length)
        reason = None
        if coverage < 1.0:
            missing = bucket.missing_ms.most_common(1)
            reason = missing[0][0] if missing else CoverageReason.RESTART
        # A share that is written as 0 must not stand beside a count of 0.
        looking = round(coverage, 4) > 0
        for line in self._lines:
            tally = bucket.counts.get(line, Tally())
            looked = looking or tally.total() > 0
            counts = {outcome: tally[outcome] for outcome in Outcome} if looked else None
            yield CountBucket(
                line,
                bucket.t0_ms,
                bucket.t1_ms,
                counts,
                coverage,
                reason,
                quality,
                provenance,
                _doubts(bucket.doubts.get(line, Tally())),
                line in self._staff,
            )
        for zone in self._zones:
            found = bucket.zones.get(zone.id, ZoneSums())
            sums = found if looking or found.arrivals or found.departures else None
            yield ZoneBucket(
                zone.id,
                zone.kind,
                bucket.t0_ms,
                bucket.t1_ms,
                sums,
                coverage,
                reason,
                quality,
                provenance,
            )


def _doubts(tally: Tally[tuple[Outcome | None, bool]]) -> Doubts:
    return Doubts(
        counted_in=tally[Outcome.IN, True],
        counted_out=tally[Outcome.OUT, True],
        uncounted_in=tally[Outcome.IN, False],
        uncounted_out=tally[Outcome.OUT, False],
    )
