"""What people read in the terminal: tables of counts, scores and health."""

from collections import Counter as Tally
from collections.abc import Sequence
from dataclasses import asdict

from rich.table import Table

from edge.adapters.health import HealthReport
from edge.readings import mean_stay_s, range_of
from edge.records import CountRecord, Record
from edge.scoring import LineScore, overall, total_count_error
from edge.sealing import iso_utc
from edge.vocabulary import Bucket, CountBucket, Outcome, ZoneBucket, ZoneKind, ZoneSums

_DOUBT = (Outcome.UTURN, Outcome.AMBIGUOUS, Outcome.BORN_PAST_LINE)


def bucket_totals(buckets: Sequence[Bucket]) -> dict[str, Tally[Outcome]]:
    """Sum booked outcomes per line, lines in the order of the buckets."""
    totals: dict[str, Tally[Outcome]] = {}
    for bucket in buckets:
        if isinstance(bucket, CountBucket):
            totals.setdefault(bucket.line, Tally()).update(bucket.counts or {})
    return totals


def ranges(buckets: Sequence[Bucket]) -> dict[str, Tally[str]]:
    """Sum `in_low`, `in_high`, `out_low` and `out_high` per line."""
    totals: dict[str, Tally[str]] = {}
    for bucket in buckets:
        if isinstance(bucket, CountBucket):
            totals.setdefault(bucket.line, Tally()).update(range_of(bucket))
    return totals


def zone_totals(buckets: Sequence[Bucket]) -> dict[str, tuple[ZoneKind, ZoneSums]]:
    """Sum what happened per zone, zones in the order of the buckets."""
    totals: dict[str, tuple[ZoneKind, ZoneSums]] = {}
    for bucket in buckets:
        if isinstance(bucket, ZoneBucket):
            _, before = totals.get(bucket.zone, (bucket.kind, ZoneSums()))
            totals[bucket.zone] = bucket.kind, before.plus(bucket.sums or ZoneSums())
    return totals


def counts_table(buckets: Sequence[Bucket]) -> Table:
    """Booked counts per line, and the range they lie in."""
    table = Table("line", title="counts", title_justify="left")
    for head in ("in", "range", "out", "range", "u-turn", "ambiguous", "born past line"):
        table.add_column(head, justify="right")
    bounds = ranges(buckets)
    for line, tally in bucket_totals(buckets).items():
        low = bounds[line]
        table.add_row(
            line,
            str(tally[Outcome.IN]),
            f"{low['in_low']}–{low['in_high']}",
            str(tally[Outcome.OUT]),
            f"{low['out_low']}–{low['out_high']}",
            *(str(tally[o]) for o in _DOUBT),
        )
    return table


def zones_table(buckets: Sequence[Bucket]) -> Table:
    """What happened per zone; no mean stay under five visits."""
    table = Table("zone", "kind", title="zones", title_justify="left")
    for head in ("came", "left", "peak", "person-min", "used min", "mean stay"):
        table.add_column(head, justify="right")
    for zone, (kind, sums) in zone_totals(buckets).items():
        stay_s = mean_stay_s(sums)
        table.add_row(
            zone,
            str(kind),
            *map(str, (sums.arrivals, sums.departures, sums.peak)),
            f"{sums.presence_ms / 60_000:.1f}",
            f"{sums.used_ms / 60_000:.1f}",
            "-" if stay_s is None else f"{stay_s:.1f} s",
        )
    return table


def score_table(scores: Sequence[LineScore]) -> Table:
    """Counts beside the truth, worst line first; U-turns counted as one in and one out."""
    table = Table("line", title="against the ground truth, worst line first", title_justify="left")
    for head in ("in", "true in", "out", "true out", "count error", "event F1"):
        table.add_column(head, justify="right")
    for s in scores:
        table.add_row(*_score_row(s, s.count_error))
    table.add_section()
    table.add_row(*_score_row(overall(scores), total_count_error(scores)))
    return table


def _score_row(s: LineScore, error: float) -> tuple[str, ...]:
    numbers = map(str, (s.counted_in, s.true_in, s.counted_out, s.true_out))
    return (s.line, *numbers, f"{100 * error:.1f} %", f"{s.f1:.3f}")


RECORD_HEADER = (
    f"{'device':<12} {'line, zone':<12} {'from (UTC)':<24} {'to':<24} "
    f"{'in':>5} {'out':>5} {'u-turn':>6} {'cov':>6} {'seq':>6}"
)


def record_row(record: Record) -> str:
    """One received record as a line under RECORD_HEADER; '-' where nobody was looking.

    Of a zone `in` and `out` are arrivals and departures, and more stands at the end.
    """
    if isinstance(record, CountRecord):
        name, rest = record.line, ""
        counts = (record.entered, record.left, record.uturn)
    else:
        name, counts = record.zone, (record.arrivals, record.departures, None)
        stay_s = record.wait_s if record.kind == ZoneKind.QUEUE else record.dwell_s
        rest = (
            f"  peak {_or_dash(record.peak)}, {_or_dash(record.presence_s)} person-s,"
            f" {'wait' if record.kind == ZoneKind.QUEUE else 'stay'} {_or_dash(stay_s)} s"
        )
    entered, left, uturn = counts
    return (
        f"{record.dev:<12} {name:<12} {iso_utc(record.t0_ms):<24} {iso_utc(record.t1_ms):<24} "
        f"{_or_dash(entered):>5} {_or_dash(left):>5} {_or_dash(uturn):>6} "
        f"{record.cov:6.2f} {record.seq:6d}{rest}"
    )


def _or_dash(value: float | None) -> str:
    return "-" if value is None else str(value)


def health_table(report: HealthReport, age_s: float) -> Table:
    """The gauges of a running device."""
    table = Table("gauge", "value", title=f"health, {age_s:.0f} s ago", title_justify="left")
    for name, value in asdict(report).items():
        table.add_row(name.replace("_", " "), "-" if value is None else str(value))
    return table
