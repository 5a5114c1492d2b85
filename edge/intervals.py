"""Arithmetic of closed intervals: moved to another date, joined with the next one."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, tzinfo

from edge.day_windows import overlap_ms, spans
from edge.readings import Subject, subject_of
from edge.vocabulary import (
    Bucket,
    CountBucket,
    CoverageReason,
    Doubts,
    Outcome,
    TimeQuality,
    Zone,
    ZoneBucket,
    ZoneSums,
)


def moved(bucket: Bucket, by_ms: int, quality: TimeQuality | None = None) -> Bucket:
    """Return the same interval at another date, with another time quality if one is given."""
    return replace(
        bucket,
        t0_ms=bucket.t0_ms + by_ms,
        t1_ms=bucket.t1_ms + by_ms,
        time_quality=quality or bucket.time_quality,
    )


class Redater:
    """Moves intervals to dates that became known later, daily windows included.

    What of an interval lies in a window is not known any more; it is taken in proportion.
    """

    def __init__(self, zones: Sequence[Zone] = (), time_zone: tzinfo = UTC) -> None:
        self._windows = {zone.id: zone.windows for zone in zones if zone.windows}
        self._time_zone = time_zone

    def __call__(self, bucket: Bucket, by_ms: int, quality: TimeQuality) -> Bucket:
        """Return the bucket, moved and marked."""
        to = moved(bucket, by_ms, quality)
        if not isinstance(to, ZoneBucket) or to.sums is None or to.zone not in self._windows:
            return to
        windows = spans(self._windows[to.zone], self._time_zone, to.t0_ms, to.t1_ms)
        share = overlap_ms(windows, to.t0_ms, to.t1_ms) / (to.t1_ms - to.t0_ms)
        watched_ms = (to.t1_ms - to.t0_ms) * to.coverage
        sums = replace(
            to.sums,
            window_ms=round(watched_ms * share),
            window_presence_ms=round(to.sums.presence_ms * share),
        )
        return replace(to, sums=sums)


def parted(buckets: Sequence[Bucket], until_ms: int) -> list[list[Bucket]]:
    """Part a sequence where a line or zone begins before it has ended: a new stream begins there.

    until_ms: how far the stream goes already. The first part is of that stream, perhaps empty.
    """
    parts: list[list[Bucket]] = [[]]
    ends: dict[Subject, int] = {}
    for bucket in buckets:
        subject = subject_of(bucket)
        if bucket.t0_ms < ends.get(subject, until_ms):
            parts.append([])
            ends, until_ms = {}, 0
        parts[-1].append(bucket)
        ends[subject] = bucket.t1_ms
    return parts


def joined(buckets: Sequence[Bucket]) -> list[Bucket]:
    """Join each interval with the next of the same line or zone: half as many, the same sums.

    Only neighbours of the same provenance and time quality are joined. A hole between them
    becomes time without healthy video.
    """
    result: list[Bucket] = []
    open_at: dict[Subject, int] = {}
    for bucket in buckets:
        subject = subject_of(bucket)
        index = open_at.pop(subject, None)
        if index is not None and _can_join(result[index], bucket):
            result[index] = _join(result[index], bucket)
        else:
            open_at[subject] = len(result)
            result.append(bucket)
    return result


def _can_join(first: Bucket, second: Bucket) -> bool:
    return (
        first.provenance == second.provenance
        and first.time_quality == second.time_quality
        and first.t1_ms <= second.t0_ms
    )


def _join(first: Bucket, second: Bucket) -> Bucket:
    lengths = [each.t1_ms - each.t0_ms for each in (first, second)]
    covered_ms = first.coverage * lengths[0] + second.coverage * lengths[1]
    coverage = covered_ms / (second.t1_ms - first.t0_ms)
    worse, better = sorted((first, second), key=lambda each: each.coverage)
    reason = worse.reason or better.reason
    if coverage < 1 and reason is None:
        reason = CoverageReason.RESTART
    if isinstance(first, CountBucket) and isinstance(second, CountBucket):
        return replace(
            first,
            t1_ms=second.t1_ms,
            counts=_counts(first, second),
            doubts=_doubts(first.doubts, second.doubts),
            coverage=coverage,
            reason=reason,
        )
    assert isinstance(first, ZoneBucket)
    assert isinstance(second, ZoneBucket)
    return replace(
        first, t1_ms=second.t1_ms, sums=_sums(first, second), coverage=coverage, reason=reason
    )


def _counts(first: CountBucket, second: CountBucket) -> dict[Outcome, int] | None:
    if first.counts is None and second.counts is None:
        return None
    a, b = first.counts or {}, second.counts or {}
    return {outcome: a.get(outcome, 0) + b.get(outcome, 0) for outcome in Outcome}


def _doubts(a: Doubts, b: Doubts) -> Doubts:
    return Doubts(
        a.counted_in + b.counted_in,
        a.counted_out + b.counted_out,
        a.uncounted_in + b.uncounted_in,
        a.uncounted_out + b.uncounted_out,
    )


def _sums(first: ZoneBucket, second: ZoneBucket) -> ZoneSums | None:
    if first.sums is None or second.sums is None:
        return first.sums or second.sums
    return first.sums.plus(second.sums)
