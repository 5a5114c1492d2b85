"""What a run came to, for people and for programs."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256

from .check import Verdict
from .device import DeviceFacts
from .worker import Result


@dataclass(slots=True)
class Timings:
    """Seconds of real time; None for what did not happen."""

    to_connect_s: float | None = None
    run_s: float | None = None
    """From the first record being made to the last being let go."""
    storm_connected_s: float | None = None
    """From the broker being back to every device being back."""
    storm_drained_s: float | None = None
    """From the broker being back to everything made before then being let go."""
    peak_records_per_s: float = 0.0
    """Let go, in the best five seconds."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a service used; None for what was not started here."""

    cpu_s: float
    memory_mb: float


@dataclass(frozen=True, slots=True)
class Report:
    """The whole result.

    latency: of a record, from being first handed to the broker to its device seeing the ack.
    """

    seed: int
    devices: int
    made: int
    digest: str
    in_database: int | None
    missing: int
    duplicates: int
    conflicts: int
    sent_again: int
    received_again: int | None
    records_per_s: float | None
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    timings: Timings
    costs: dict[str, Cost] = field(default_factory=dict)
    connections: int = 0
    cuts: int = 0
    is_exact: bool = False
    wrong: tuple[str, ...] = ()

    def as_json(self) -> str:
        """Return it as one JSON object."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1)


def report_of(
    seed: int,
    results: Sequence[Result],
    *,
    verdict: Verdict | None,
    timings: Timings,
    costs: dict[str, Cost],
    received_again: int | None,
    complaints: Sequence[str],
) -> Report:
    """Put the parts together; complaints: what went wrong beside the comparison."""
    made = sum(result.made for result in results)
    pending = sum(result.pending for result in results)
    handed = sum(result.handed for result in results)
    waited = sorted(pair for result in results for pair in result.waited)
    facts = [device for result in results for device in result.facts]
    wrong = [*complaints, *_complaints(results), *(verdict.wrong if verdict else ())]
    fleet = Cost(sum(r.cpu_s for r in results), sum(r.memory_mb for r in results))
    return Report(
        seed=seed,
        devices=len(facts),
        made=made,
        digest=digest_of(facts),
        in_database=verdict.in_database if verdict else None,
        missing=verdict.missing if verdict else pending,
        duplicates=verdict.duplicates if verdict else 0,
        conflicts=verdict.conflicts if verdict else 0,
        sent_again=max(0, handed - made + pending),
        received_again=received_again,
        records_per_s=round(made / timings.run_s, 1) if timings.run_s else None,
        latency_p50_ms=_percentile(waited, 0.5),
        latency_p99_ms=_percentile(waited, 0.99),
        timings=timings,
        costs={"devices": fleet, **costs},
        connections=sum(result.connections for result in results),
        cuts=sum(result.cuts for result in results),
        is_exact=not wrong,
        wrong=tuple(wrong),
    )


def digest_of(facts: Iterable[DeviceFacts]) -> str:
    """Return 16 hex digits that stand for every sealed record of a fleet."""
    lines = sorted(
        f"{device.dev} {stream} {of.records} {of.digest}"
        for device in facts
        for stream, of in device.streams.items()
    )
    return sha256("\n".join(lines).encode()).hexdigest()[:16]


def _complaints(results: Sequence[Result]) -> Iterable[str]:
    for result in results:
        if result.pending:
            yield f"{result.pending} records were not let go"
        if result.unsaved:
            yield f"{result.unsaved} intervals were neither stored nor dated"
        for what, count in result.surprises.items():
            yield f"{count} times: {what}"


def _percentile(waited: Sequence[tuple[float, int]], share: float) -> float | None:
    """Return milliseconds; waited: ascending pairs of seconds and how many records."""
    left = share * sum(count for _, count in waited)
    for seconds, count in waited:
        left -= count
        if left <= 0:
            return round(1000 * seconds, 1)
    return None


def text_of(report: Report) -> str:
    """Return it as a table."""
    timings = report.timings
    rows: list[tuple[str, object]] = [
        ("devices", report.devices),
        ("records made", report.made),
        ("in the database", report.in_database),
        ("missing", report.missing),
        ("duplicates", report.duplicates),
        ("conflicts", report.conflicts),
        ("sent again, received again", f"{report.sent_again}, {report.received_again}"),
        ("connections, cut on purpose", f"{report.connections}, {report.cuts}"),
        ("records a second", f"{report.records_per_s}, best 5 s {timings.peak_records_per_s:.0f}"),
        ("first handed → ack seen", f"p50 {report.latency_p50_ms}, p99 {report.latency_p99_ms} ms"),
        ("all connected after", _seconds(timings.to_connect_s)),
        ("run", _seconds(timings.run_s)),
        ("storm: all back, all drained", f"{_seconds(timings.storm_connected_s)},"
                                         f" {_seconds(timings.storm_drained_s)}"),
        *((name, f"{cost.cpu_s:.1f} CPU-s, {cost.memory_mb:.0f} MB at most")
          for name, cost in report.costs.items()),
        ("seed, digest", f"{report.seed}, {report.digest}"),
        ("sums", "equal what the devices counted" if report.is_exact else "NOT EXACT"),
    ]  # fmt: skip
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:{width}}  {'-' if value is None else value}" for name, value in rows]
    return "\n".join([*lines, *(f"  {sentence}" for sentence in report.wrong)])


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"
