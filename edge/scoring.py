"""How right the counts are, against ground truth: per line, and event by event.

Truth comes from hand-labelled boxes (MOTChallenge text) or from a list of crossings
made from such boxes. Labelled feet pass a line when they change side by at least three
pixels between its ends; that is deliberately not the counter's rule. Such a crossing is
*certain* when the feet were also clear of the line by a tenth of the person's own height
on both sides, and *doubtful* otherwise: a peek, a label that trembles on the line, someone
whose labels begin or end on it. As usual in benchmarks (the ignored regions of KITTI and
MOTChallenge), a doubtful one is neither a miss when it is not counted nor a false count
when it is; `Truth.strict` makes every one of them certain again.

Events are matched one to one, same line and direction, within `TOLERANCE_S`.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from edge.assignment import assign
from edge.errors import BadInputError
from edge.geometry import isotropic, passage, signed_distance
from edge.vocabulary import Crossing, Line, Outcome, Point

TOLERANCE_S = 1.0
_BAND_PX = 3.0
_CERTAIN_HEIGHTS = 0.10
"""Less than a foot's length (0.15 of stature): nobody can say on which side they stand."""

_Foot = tuple[float, Point, float]
"""Seconds, bottom centre and height of one labelled box, in picture-heights."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What really happened, in order of time; doubtful crossings count neither way."""

    certain: tuple[Crossing, ...]
    doubtful: tuple[Crossing, ...] = ()

    def strict(self) -> "Truth":
        """Take every doubtful crossing for a certain one."""
        return Truth(_in_order((*self.certain, *self.doubtful)))


@dataclass(frozen=True, slots=True)
class Pairing:
    """The counted and the true crossings, one to one."""

    matched: tuple[Crossing, ...]
    misses: tuple[Crossing, ...]
    false_counts: tuple[Crossing, ...]
    ignored: tuple[Crossing, ...]


@dataclass(frozen=True, slots=True)
class LineScore:
    """One line, both directions."""

    line: str
    true_in: int
    true_out: int
    counted_in: int
    counted_out: int
    matched: int

    @property
    def true(self) -> int:
        """Count the true crossings."""
        return self.true_in + self.true_out

    @property
    def counted(self) -> int:
        """Count the crossings the counter saw."""
        return self.counted_in + self.counted_out

    @property
    def count_error(self) -> float:
        """Sum of the two directions' absolute errors per true crossing."""
        wrong = abs(self.counted_in - self.true_in) + abs(self.counted_out - self.true_out)
        return wrong / max(1, self.true)

    @property
    def f1(self) -> float:
        """Event F1: harmonic mean of precision and recall."""
        return 2 * self.matched / (self.true + self.counted) if self.true + self.counted else 1.0


def overall(scores: Sequence[LineScore]) -> LineScore:
    """Sum the scores of all lines, for its F1; its own count error would let errors cancel."""
    return LineScore(
        "all",
        sum(s.true_in for s in scores),
        sum(s.true_out for s in scores),
        sum(s.counted_in for s in scores),
        sum(s.counted_out for s in scores),
        sum(s.matched for s in scores),
    )


def total_count_error(scores: Sequence[LineScore]) -> float:
    """Absolute errors of every line and direction, none cancelling, per true crossing."""
    true = sum(s.true for s in scores)
    return sum(s.count_error * max(1, s.true) for s in scores) / max(1, true)


def score(truth: Truth, counted: Sequence[Crossing], lines: Iterable[str]) -> list[LineScore]:
    """Compare truth with the counted in and out crossings, worst line first.

    What was counted where the truth is doubtful is in none of the figures.
    """
    scores = [_score_line(line, truth, counted) for line in lines]
    return sorted(scores, key=lambda s: (s.f1, -s.count_error, s.line))


def _score_line(line: str, truth: Truth, counted: Sequence[Crossing]) -> LineScore:
    def of_line(crossings: Sequence[Crossing]) -> tuple[Crossing, ...]:
        return tuple(c for c in crossings if c.line == line)

    found = pair(Truth(of_line(truth.certain), of_line(truth.doubtful)), of_line(counted))
    true, seen = (*found.matched, *found.misses), (*found.matched, *found.false_counts)
    return LineScore(
        line,
        sum(c.outcome is Outcome.IN for c in true),
        sum(c.outcome is Outcome.OUT for c in true),
        sum(c.outcome is Outcome.IN for c in seen),
        sum(c.outcome is Outcome.OUT for c in seen),
        len(found.matched),
    )


def pair(truth: Truth, counted: Sequence[Crossing]) -> Pairing:
    """Match as many certain crossings as can be, then doubtful ones, the nearest in time first.

    Only `in` and `out` take part.
    """
    parts: list[list[Crossing]] = [[], [], [], []]
    ways = (Outcome.IN, Outcome.OUT)
    pools = (truth.certain, truth.doubtful, counted)
    for line, way in sorted({(c.line, c.outcome) for pool in pools for c in pool}):
        if way in ways:
            same = [[c for c in pool if (c.line, c.outcome) == (line, way)] for pool in pools]
            for whole, part in zip(parts, _pair_times(*same), strict=True):
                whole.extend(part)
    return Pairing(*(_in_order(part) for part in parts))


def _pair_times(
    certain: list[Crossing], doubtful: list[Crossing], seen: list[Crossing]
) -> tuple[list[Crossing], ...]:
    true = [*certain, *doubtful]
    apart = np.abs(np.subtract.outer([c.at for c in seen], [c.at for c in true]))
    close = apart <= TOLERANCE_S + 1e-9
    # One certain match outweighs all doubtful ones, any match outweighs all nearness.
    size = 1.0 + min(len(seen), len(true))
    worth = np.where(np.arange(len(true)) < len(certain), size, 1.0)
    value = np.where(close, worth - apart / (TOLERANCE_S * size * 2), 0.0)
    rows, columns = assign(value)
    pairs = {int(r): int(c) for r, c in zip(rows, columns, strict=True) if close[r, c]}
    of_certain = {c for c in pairs.values() if c < len(certain)}
    return (
        [certain[c] for c in of_certain],
        [c for i, c in enumerate(certain) if i not in of_certain],
        [c for i, c in enumerate(seen) if i not in pairs],
        [seen[r] for r, c in pairs.items() if c >= len(certain)],
    )


def _in_order(crossings: Iterable[Crossing]) -> tuple[Crossing, ...]:
    return tuple(sorted(crossings, key=lambda c: (c.at, c.line, c.outcome)))


def load_truth(path: Path, lines: Sequence[Line], fps: float, size: tuple[int, int]) -> Truth:
    """Read true crossings of the given lines.

    path: MOT text (needs the clip's `fps` and `size` = width, height in pixels), or JSON
    `{"crossings": [{"line": …, "direction": "in"|"out", "at_s": …, "doubtful": true}]}`,
    where the last may be left out.
    Raises BadInputError when it is neither.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            return _from_json(text)
        return _from_mot(text, lines, fps, size)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BadInputError(
            f"{path}: not a ground truth ({error});"
            " give a MOTChallenge gt.txt or a JSON list of crossings"
        ) from error


def _from_json(text: str) -> Truth:
    pools: dict[bool, list[Crossing]] = {False: [], True: []}
    for c in json.loads(text)["crossings"]:
        crossing = Crossing(c["line"], Outcome(c["direction"]), float(c["at_s"]))
        pools[bool(c.get("doubtful"))].append(crossing)
    return Truth(tuple(pools[False]), tuple(pools[True]))


def _from_mot(text: str, lines: Sequence[Line], fps: float, size: tuple[int, int]) -> Truth:
    width, height = size
    aspect = width / height
    rows = [[float(v) for v in row.split(",")[:7]] for row in text.split()]
    rows = sorted((r for r in rows if r[6] != 0), key=lambda r: (r[1], r[0]))
    certain: list[Crossing] = []
    doubtful: list[Crossing] = []
    for _, person in groupby(rows, key=lambda r: r[1]):
        feet = [
            (
                (r[0] - 1) / fps,
                ((r[2] + r[4] / 2) / width * aspect, (r[3] + r[5]) / height),
                r[5] / height,
            )
            for r in person
        ]
        for line in lines:
            sure = list(_walk(line, feet, aspect, lambda h: _CERTAIN_HEIGHTS * h))
            any_ = _walk(line, feet, aspect, lambda _: _BAND_PX / height)
            certain += sure
            doubtful += [c for c in any_ if c not in sure]
    return Truth(_in_order(certain), _in_order(doubtful))


def _walk(
    line: Line, feet: Sequence[_Foot], aspect: float, band: Callable[[float], float]
) -> Iterable[Crossing]:
    """Yield the changes of side; `band` makes the least clearance from a person's height."""
    path = [isotropic(p, aspect) for p in line.points]
    side, net, passed_at, last = 0, 0, 0.0, feet[0][1]
    for at, point, tall in feet:
        step = passage(last, point, path)
        if step:
            net, passed_at = net + step, at
        last = point
        offset = signed_distance(point, path)
        if abs(offset) < band(tall):
            continue
        now = 1 if offset > 0 else -1
        if side and now != side and net:
            yield Crossing(line.id, Outcome.IN if net * line.entry > 0 else Outcome.OUT, passed_at)
        side, net = now, 0
