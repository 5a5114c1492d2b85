"""What a bucket says: the counted fields of a record, and the totals that run beside them.

A line says who passed it. A zone says how much time people spent in it, how many came
and went, and, by Little's law, how long they stayed on average.
"""

from typing import Literal, NamedTuple

from edge.vocabulary import Bucket, CountBucket, Outcome, ZoneKind, ZoneSums

SUPPRESSED_UNDER = 5
"""A mean over fewer people than this is not published."""

_COUNT_FIELDS = {
    "in": Outcome.IN,
    "out": Outcome.OUT,
    "uturn": Outcome.UTURN,
    "ambiguous": Outcome.AMBIGUOUS,
    "born_past_line": Outcome.BORN_PAST_LINE,
}

RANGE_FIELDS = ("in_low", "in_high", "out_low", "out_high")
"""Between these the true counts lie as far as the device can tell; additive too."""


class Subject(NamedTuple):
    """What a record is about: a line or a zone, by its field and id."""

    field: Literal["line", "zone"]
    id: str


class Totals(NamedTuple):
    """The two running sums of one subject since its stream began.

    Of a line: people in and people out. Of a zone: presence in ms and arrivals.
    """

    first: int = 0
    second: int = 0

    def plus(self, bucket: Bucket) -> "Totals":
        """Return the totals after one more interval."""
        first, second = _additions(bucket)
        return Totals(self.first + first, self.second + second)


def subject_of(bucket: Bucket) -> Subject:
    """Return what a bucket is about; totals run per subject."""
    if isinstance(bucket, CountBucket):
        return Subject("line", bucket.line)
    return Subject("zone", bucket.zone)


def mean_stay_s(sums: ZoneSums, over_ms: int | None = None) -> float | None:
    """Return the mean time a visit lasts, by Little's law; None where it would say too much.

    over_ms: how long the sums were taken. Visits that outlast it are mostly outside of it, so
    a mean above is no finding but the law out of its range: ten seated people and five who
    pass by give half an hour in a quarter of one.

    W = L / λ (J. D. C. Little, A Proof for the Queuing Formula L = λW, Operations
    Research 9, 1961, 383–387): presence over arrivals, with no need to know who left when.
    Over a finite time it is exact when the zone is empty at both ends; else it is off by
    what those visits have outside, so long times come from sums over many intervals.
    """
    if min(sums.arrivals, sums.departures) < SUPPRESSED_UNDER:
        return None
    if over_ms is not None and sums.presence_ms > over_ms * sums.arrivals:
        return None
    return _seconds(round(sums.presence_ms / sums.arrivals / 100) * 100)


def _additions(bucket: Bucket) -> tuple[int, int]:
    if isinstance(bucket, CountBucket):
        counts = bucket.counts or {}
        return counts.get(Outcome.IN, 0), counts.get(Outcome.OUT, 0)
    sums = bucket.sums or ZoneSums()
    return sums.presence_ms, sums.arrivals


def reading(bucket: Bucket, totals: Totals) -> dict[str, object]:
    """Return the fields that say what was counted. `totals` already include the bucket."""
    if isinstance(bucket, CountBucket):
        marked = {"audience": "staff"} if bucket.is_staff else {}
        return {"tot_in": totals.first, "tot_out": totals.second, **marked, **_counts(bucket)}
    fields: dict[str, object] = {
        "kind": str(bucket.kind),
        "tot_presence_s": _seconds(totals.first),
        "tot_arrivals": totals.second,
    }
    sums = bucket.sums
    values = zone_reading(bucket.kind, sums or ZoneSums(), bucket.t1_ms - bucket.t0_ms)
    return fields | (dict.fromkeys(values) if sums is None else values)


def zone_reading(kind: ZoneKind, sums: ZoneSums, over_ms: int | None = None) -> dict[str, object]:
    """Return the fields that say what happened in a zone during `over_ms`."""
    values: dict[str, object] = {
        "presence_s": _seconds(sums.presence_ms),
        "used_s": _seconds(sums.used_ms),
        "arrivals": sums.arrivals,
        "departures": sums.departures,
        "peak": sums.peak,
        "wait_s" if kind is ZoneKind.QUEUE else "dwell_s": mean_stay_s(sums, over_ms),
    }
    if kind is ZoneKind.ACTIVITY:
        values["window_s"] = _seconds(sums.window_ms)
        values["in_window_s"] = _seconds(sums.window_presence_ms)
    return values


def range_of(bucket: CountBucket) -> dict[str, int]:
    """Return the bounds between which the counts lie; zeros when nobody was looking."""
    doubts, counts = bucket.doubts, bucket.counts or {}
    entered, left = counts.get(Outcome.IN, 0), counts.get(Outcome.OUT, 0)
    bounds = (
        entered - doubts.counted_in,
        entered + doubts.uncounted_in,
        left - doubts.counted_out,
        left + doubts.uncounted_out,
    )
    return dict(zip(RANGE_FIELDS, bounds, strict=True))


def _counts(bucket: CountBucket) -> dict[str, object]:
    counts = bucket.counts
    if counts is None:
        return dict.fromkeys((*_COUNT_FIELDS, *RANGE_FIELDS))
    values = {field: counts.get(outcome, 0) for field, outcome in _COUNT_FIELDS.items()}
    return {**values, **range_of(bucket)}


def _seconds(ms: int) -> float:
    """Write milliseconds as seconds; a whole number without '.0', which JSON elsewhere drops."""
    return ms / 1000 if ms % 1000 else ms // 1000
