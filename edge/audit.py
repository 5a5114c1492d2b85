"""What a manual tally says about the device's counts: statistics, pure.

Two comparisons. *Events* (a recording, here): every tallied crossing has its counted one
or was missed, every counted one has its tallied one or is false. *Intervals* (records,
`audit_intervals`): only sums can be compared, so what is found is the least that went wrong.

The claim is "the error of this line is under LIMIT" at CONFIDENCE. It holds for k errors in n
crossings when P(X ≤ k | n, LIMIT) ≤ 1 − CONFIDENCE, the exact binomial test; the contrary
holds when P(X ≥ k | n, LIMIT) < 1 − CONFIDENCE.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import exp, fsum, lgamma, log, log1p, sqrt
from statistics import NormalDist

from edge.scoring import Pairing, Truth, pair
from edge.vocabulary import Crossing, Outcome

LIMIT = 0.05
CONFIDENCE = 0.95
DIRECTIONS = (Outcome.IN, Outcome.OUT)


class Mode(StrEnum):
    """What was compared with what."""

    EVENTS = "events"
    INTERVALS = "intervals"


class Verdict(StrEnum):
    """What may be claimed about the error."""

    UNDER = "under_limit"
    OVER = "over_limit"
    OPEN = "open"
    """Neither is shown yet: it takes more crossings."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One crossing as a person tallied it; `direction` is IN or OUT."""

    at_ms: int
    line: str
    direction: Outcome


@dataclass(frozen=True, slots=True)
class Watch:
    """From when to when somebody watched a line and would have tallied what passed."""

    line: str
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Row:
    """One line and direction. For intervals `misses` and `false` are the least possible."""

    line: str
    direction: Outcome
    tallied: int
    counted: int
    misses: int
    false: int

    @property
    def difference(self) -> int:
        """Counted minus tallied."""
        return self.counted - self.tallied


@dataclass(frozen=True, slots=True)
class Judgement:
    """The figures of an audit. `low` and `high` bound the error share (Wilson, 95 %)."""

    n: int
    misses: int
    false: int
    low: float
    high: float
    verdict: Verdict
    needed: int
    """Crossings that the claim needs with this many errors."""

    @property
    def errors(self) -> int:
        """Misses and false counts; a crossing counted the wrong way round is one of each."""
        return self.misses + self.false

    @property
    def more(self) -> int:
        """Crossings still to be tallied if none of them is an error."""
        return max(0, self.needed - self.n)


def wilson(errors: int, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a share; more errors than n count as n.

    Raises ValueError when n is not positive.
    """
    if n <= 0 or errors < 0:
        raise ValueError(f"{errors} of {n} is not a share")
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    share = min(errors, n) / n
    centre = share + z * z / (2 * n)
    spread = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low, high = (centre - spread) / scale, (centre + spread) / scale
    # The ends are exact at no and at all errors; floating point is not.
    return (0.0 if errors == 0 else low, 1.0 if errors >= n else high)


def at_most(errors: int, n: int, share: float = LIMIT) -> float:
    """Return P(X ≤ errors) of a binomial with n trials."""
    if errors >= n:
        return 1.0
    whole = lgamma(n + 1)
    terms = (
        whole - lgamma(i + 1) - lgamma(n - i + 1) + i * log(share) + (n - i) * log1p(-share)
        for i in range(errors + 1)
    )
    return min(1.0, fsum(map(exp, terms)))


def needed_crossings(errors: int) -> int:
    """Return the smallest n at which this many errors show an error share under LIMIT."""

    def shows(n: int) -> bool:
        return at_most(errors, n) <= 1 - CONFIDENCE

    low, high = errors, 2 * errors + 1
    while not shows(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shows(middle) else (middle, high)
    return high


def judge(rows: Iterable[Row]) -> Judgement:
    """Sum the rows and say what they show. Raises ValueError when nothing was tallied."""
    table = list(rows)
    n, misses = sum(row.tallied for row in table), sum(row.misses for row in table)
    false = sum(row.false for row in table)
    errors = misses + false
    low, high = wilson(errors, n)
    needed = needed_crossings(errors)
    if n >= needed:
        verdict = Verdict.UNDER
    elif errors and 1 - at_most(errors - 1, n) < 1 - CONFIDENCE:
        verdict = Verdict.OVER
    else:
        verdict = Verdict.OPEN
    return Judgement(n, misses, false, low, high, verdict, needed)


def judge_lines(rows: Iterable[Row]) -> dict[str, Judgement]:
    """Judge every line of which something was tallied by itself: none hides behind another."""
    by_line: dict[str, list[Row]] = {}
    for row in rows:
        by_line.setdefault(row.line, []).append(row)
    return {
        line: judge(table) for line, table in by_line.items() if any(row.tallied for row in table)
    }


def compare_events(
    tallied: Iterable[Crossing], counted: Iterable[Crossing], lines: Sequence[str]
) -> tuple[list[Row], Pairing]:
    """Match one to one as `scoring` does: same line, same direction, within its tolerance.

    Returns the rows of these lines, and the single misses and false counts.
    """
    true = tuple(c for c in tallied if c.line in lines and c.outcome in DIRECTIONS)
    seen = [c for c in counted if c.line in lines and c.outcome in DIRECTIONS]
    found = pair(Truth(true), seen)

    def row(line: str, direction: Outcome) -> Row:
        parts = (true, seen, found.misses, found.false_counts)
        return Row(
            line,
            direction,
            *(sum((c.line, c.outcome) == (line, direction) for c in part) for part in parts),
        )

    return [row(line, direction) for line in lines for direction in DIRECTIONS], found
