"""How right the counts are, against ground truth: per line, and event by event.

Truth comes from hand-labelled boxes (MOTChallenge text) or from a list of crossings
made from such boxes. Its rule is deliberately not the counter's: the labelled feet
pass the line when they change side by at least three pixels between its ends.
Event matching is one to one, same line and direction, within `TOLERANCE_S`.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from edge.errors import BadInputError
from edge.geometry import isotropic, passage, signed_distance
from edge.vocabulary import Crossing, Line, Outcome, Point

TOLERANCE_S = 1.0
_BAND_PX = 3.0


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


def score(
    truth: Sequence[Crossing], counted: Sequence[Crossing], lines: Iterable[str]
) -> list[LineScore]:
    """Compare two lists of in and out crossings, worst line first."""
    scores = [_score_line(line, truth, counted) for line in lines]
    return sorted(scores, key=lambda s: (s.f1, -s.count_error, s.line))


def _score_line(line: str, truth: Sequence[Crossing], counted: Sequence[Crossing]) -> LineScore:
    def times(crossings: Sequence[Crossing], outcome: Outcome) -> list[float]:
        return sorted(c.at for c in crossings if c.line == line and c.outcome is outcome)

    true = {o: times(truth, o) for o in (Outcome.IN, Outcome.OUT)}
    seen = {o: times(counted, o) for o in (Outcome.IN, Outcome.OUT)}
    return LineScore(
        line,
        len(true[Outcome.IN]),
        len(true[Outcome.OUT]),
        len(seen[Outcome.IN]),
        len(seen[Outcome.OUT]),
        sum(_matches(true[o], seen[o]) for o in true),
    )


def _matches(true: Sequence[float], seen: Sequence[float]) -> int:
    """Pair two ascending lists of times greedily; this is optimal for one tolerance."""
    matched = i = j = 0
    while i < len(true) and j < len(seen):
        if abs(true[i] - seen[j]) <= TOLERANCE_S:
            matched, i, j = matched + 1, i + 1, j + 1
        elif true[i] < seen[j]:
            i += 1
        else:
            j += 1
    return matched


def load_truth(
    path: Path, lines: Sequence[Line], fps: float, size: tuple[int, int]
) -> list[Crossing]:
    """Read true crossings of the given lines.

    path: MOT text (needs the clip's `fps` and `size` = width, height in pixels), or JSON
    `{"crossings": [{"line": …, "direction": "in"|"out", "at_s": …}]}`.
    Raises BadInputError when it is neither.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            return _from_json(text)
        return _from_mot(text, lines, fps, size)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInputError(
            f"{path}: not a ground truth ({error});"
            " give a MOTChallenge gt.txt or a JSON list of crossings"
        ) from error


def _from_json(text: str) -> list[Crossing]:
    return [
        Crossing(c["line"], Outcome(c["direction"]), float(c["at_s"]))
        for c in json.loads(text)["crossings"]
    ]


def _from_mot(
    text: str, lines: Sequence[Line], fps: float, size: tuple[int, int]
) -> list[Crossing]:
    width, height = size
    aspect = width / height
    rows = [[float(v) for v in row.split(",")[:7]] for row in text.split()]
    rows = sorted((r for r in rows if r[6] != 0), key=lambda r: (r[1], r[0]))
    crossings: list[Crossing] = []
    for _, person in groupby(rows, key=lambda r: r[1]):
        feet = [
            ((r[0] - 1) / fps, ((r[2] + r[4] / 2) / width * aspect, (r[3] + r[5]) / height))
            for r in person
        ]
        for line in lines:
            crossings += _walk(line, feet, aspect, _BAND_PX / height)
    return sorted(crossings, key=lambda c: (c.at, c.line))


def _walk(
    line: Line, feet: Sequence[tuple[float, Point]], aspect: float, band: float
) -> Iterable[Crossing]:
    path = [isotropic(p, aspect) for p in line.points]
    side, net, passed_at, last = 0, 0, 0.0, feet[0][1]
    for at, point in feet:
        step = passage(last, point, path)
        if step:
            net, passed_at = net + step, at
        last = point
        offset = signed_distance(point, path)
        if abs(offset) < band:
            continue
        now = 1 if offset > 0 else -1
        if side and now != side and net:
            yield Crossing(line.id, Outcome.IN if net * line.entry > 0 else Outcome.OUT, passed_at)
        side, net = now, 0
