"""What people read in the terminal: tables of counts, scores and health."""

from collections import Counter as Tally
from collections.abc import Sequence
from dataclasses import asdict

from rich.table import Table

from edge.adapters.health import HealthReport
from edge.messages import iso_utc
from edge.records import CountRecord
from edge.scoring import LineScore, overall, total_count_error
from edge.vocabulary import CountBucket, Outcome

_DOUBT = (Outcome.UTURN, Outcome.AMBIGUOUS, Outcome.BORN_PAST_LINE)


def bucket_totals(buckets: Sequence[CountBucket]) -> dict[str, Tally[Outcome]]:
    """Sum booked outcomes per line, lines in the order of the buckets."""
    totals: dict[str, Tally[Outcome]] = {}
    for bucket in buckets:
        totals.setdefault(bucket.line, Tally()).update(bucket.counts or {})
    return totals


def counts_table(buckets: Sequence[CountBucket]) -> Table:
    """Booked counts per line."""
    table = Table("line", title="counts", title_justify="left")
    for head in ("in", "out", "u-turn", "ambiguous", "born past line"):
        table.add_column(head, justify="right")
    for line, tally in bucket_totals(buckets).items():
        numbers = (tally[Outcome.IN], tally[Outcome.OUT], *(tally[o] for o in _DOUBT))
        table.add_row(line, *map(str, numbers))
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
    f"{'device':<12} {'line':<12} {'from (UTC)':<24} {'to':<24} "
    f"{'in':>5} {'out':>5} {'u-turn':>6} {'cov':>6} {'seq':>6}"
)


def record_row(record: CountRecord) -> str:
    """One received record as a line under RECORD_HEADER; '-' where nobody was looking."""
    counts = (_or_dash(record.entered, 5), _or_dash(record.left, 5), _or_dash(record.uturn, 6))
    return (
        f"{record.dev:<12} {record.line:<12} {iso_utc(record.t0_ms):<24} "
        f"{iso_utc(record.t1_ms):<24} {' '.join(counts)} {record.cov:6.2f} {record.seq:6d}"
    )


def _or_dash(value: int | None, width: int) -> str:
    return f"{'-' if value is None else value:>{width}}"


def health_table(report: HealthReport, age_s: float) -> Table:
    """The gauges of a running device."""
    table = Table("gauge", "value", title=f"health, {age_s:.0f} s ago", title_justify="left")
    for name, value in asdict(report).items():
        table.add_row(name.replace("_", " "), "-" if value is None else str(value))
    return table
