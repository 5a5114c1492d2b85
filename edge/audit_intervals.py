"""A manual tally beside records, pure: only sums of whole intervals can be compared.

Misses and false counts of one line, direction and interval cancel; what remains is the
least that must have gone wrong.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from edge.audit import DIRECTIONS, Mark, Row, Watch
from edge.records import CountRecord
from edge.scoring import TOLERANCE_S
from edge.vocabulary import Outcome

ENOUGH_COVERAGE = 0.99
"""Below it an interval says more about the camera than about the counting."""
TOLERANCE_MS = round(TOLERANCE_S * 1000)


@dataclass(frozen=True, slots=True)
class Intervals:
    """Records that can be compared, and why others of the audited time cannot."""

    usable: tuple[CountRecord, ...]
    left_out: tuple[tuple[CountRecord, str], ...]


def usable_intervals(
    records: Iterable[CountRecord], watches: Sequence[Watch], made_by: tuple[str, str]
) -> Intervals:
    """Choose the intervals that somebody watched from their beginning to their end.

    made_by: config and model hash that the audit is about. Intervals that were watched
    in part are not mentioned; others are left out with a reason.
    """
    inside = sorted(
        (
            r
            for r in records
            if any(
                w.line == r.line and w.from_ms <= r.t0_ms and r.t1_ms <= w.to_ms for w in watches
            )
        ),
        key=lambda r: (r.line, r.t0_ms, r.seq),
    )
    twice = _overlapping(inside)
    usable, left_out = [], []
    for record in inside:
        if record.seq in twice:
            left_out.append((record, "it overlaps another one: the device's clock was set back"))
        elif (record.cfg, record.model) != made_by:
            left_out.append((record, "it was counted with another config or model"))
        elif record.entered is None or record.cov < ENOUGH_COVERAGE:
            why = record.cov_reason or "no reason given"
            left_out.append((record, f"the camera saw {100 * record.cov:.0f} % of it ({why})"))
        else:
            usable.append(record)
    return Intervals(tuple(usable), tuple(left_out))


def unrecorded(
    records: Iterable[CountRecord], watches: Iterable[Watch], interval_ms: int
) -> list[Watch]:
    """Return the whole intervals that were watched and of which there is no record at all."""
    held = [(r.line, r.t0_ms // interval_ms, -(-r.t1_ms // interval_ms)) for r in records]
    found: list[Watch] = []
    for watch in watches:
        for k in range(-(-watch.from_ms // interval_ms), watch.to_ms // interval_ms):
            if any(line == watch.line and first <= k < end for line, first, end in held):
                continue
            t0_ms, t1_ms = k * interval_ms, (k + 1) * interval_ms
            if found and (found[-1].line, found[-1].to_ms) == (watch.line, t0_ms):
                t0_ms = found.pop().from_ms
            found.append(Watch(watch.line, t0_ms, t1_ms))
    return found


def _overlapping(ordered: Sequence[CountRecord]) -> set[int]:
    found: set[int] = set()
    longest: CountRecord | None = None
    for record in ordered:
        if longest is None or longest.line != record.line or record.t0_ms >= longest.t1_ms:
            longest = record
            continue
        found |= {longest.seq, record.seq}
        longest = max(longest, record, key=lambda r: r.t1_ms)
    return found


def compare_intervals(
    marks: Sequence[Mark], records: Sequence[CountRecord], lines: Sequence[str]
) -> list[Row]:
    """Compare sums per interval; a U-turn is one in and one out, as a person tallies it.

    A mark within TOLERANCE_S of the edge of an interval goes to the side where it fits,
    because nobody presses a key on the millisecond.
    """
    return [
        _row(line, direction, marks, [r for r in records if r.line == line])
        for line in lines
        for direction in DIRECTIONS
    ]


def _row(
    line: str, direction: Outcome, marks: Sequence[Mark], records: Sequence[CountRecord]
) -> Row:
    times = sorted(m.at_ms for m in marks if (m.line, m.direction) == (line, direction))
    tallied: list[int] = []
    counted: list[int] = []
    for run in _runs(sorted(records, key=lambda r: r.t0_ms)):
        counts = [crossings_of(record, direction) for record in run]
        edges = [run[0].t0_ms, *(record.t1_ms for record in run)]
        tallied += fit(times, edges, counts)
        counted += counts
    pairs = list(zip(tallied, counted, strict=True))
    return Row(
        line,
        direction,
        sum(tallied),
        sum(counted),
        misses=sum(max(0, t - c) for t, c in pairs),
        false=sum(max(0, c - t) for t, c in pairs),
    )


def crossings_of(record: CountRecord, direction: Outcome) -> int:
    """Return how often people passed in this direction, U-turns included."""
    once = record.entered if direction is Outcome.IN else record.left
    return (once or 0) + (record.uturn or 0)


def _runs(ordered: Sequence[CountRecord]) -> list[list[CountRecord]]:
    """Split where an interval does not begin at the end of the one before it."""
    runs = [[record] for record in ordered[:1]]
    for before, record in pairwise(ordered):
        if before.t1_ms == record.t0_ms:
            runs[-1].append(record)
        else:
            runs.append([record])
    return runs


def fit(times_ms: Iterable[int], edges_ms: Sequence[int], counts: Sequence[int]) -> list[int]:
    """Return how many marks belong to each interval, those near an edge where they fit best.

    edges_ms: ascending, one more than `counts`. Marks near the first or the last edge may
    also belong outside.
    """
    sure, near = _placed(times_ms, edges_ms)
    # The least disagreement so far, and its tallies, by how many marks near the present
    # edge are left for the interval that begins there.
    best: dict[int, tuple[int, list[int]]] = {left: (0, []) for left in range(near[0] + 1)}
    for k, count in enumerate(counts):
        after: dict[int, tuple[int, list[int]]] = {}
        for left, (cost, tallies) in best.items():
            for taken in range(near[k + 1] + 1):
                tallied = sure[k] + left + taken
                total = (cost + abs(count - tallied), [*tallies, tallied])
                rest = near[k + 1] - taken
                after[rest] = min(after.get(rest, total), total)
        best = after
    return min(best.values())[1]


def _placed(times_ms: Iterable[int], edges_ms: Sequence[int]) -> tuple[list[int], dict[int, int]]:
    """Count the marks clearly within each interval, and those near each edge."""
    sure = [0] * (len(edges_ms) - 1)
    near: dict[int, int] = defaultdict(int)
    for at in times_ms:
        after = bisect_left(edges_ms, at)
        closest = min(
            range(max(0, after - 1), min(after + 1, len(edges_ms))),
            key=lambda k: abs(edges_ms[k] - at),
        )
        if abs(edges_ms[closest] - at) <= TOLERANCE_MS:
            near[closest] += 1
        elif 0 < after < len(edges_ms):
            sure[after - 1] += 1
    return sure, near
