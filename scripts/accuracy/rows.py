"""Results as rows, one a clip, line, frame rate, system and kind of detections; and their sums."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from accuracy.detections import Footage
from edge.scoring import LineScore, score
from edge.vocabulary import Crossing

Row = dict[str, Any]
TUNED = " (tuned)"


def rows_of(footage: Footage, system: str, counted: Sequence[Crossing]) -> list[Row]:
    """Compare a system's crossings with the truth, worst line first."""
    scores = score(footage.truth, counted, [line.id for line in footage.lines])
    return [row(footage.clip, footage.fps, system, footage.detector, s) for s in scores]


def row(clip: str, fps: float, system: str, detections: str, s: LineScore) -> Row:
    """One line's result as `--json` prints it."""
    return {
        "clip": clip,
        "line": s.line,
        "fps": fps,
        "system": system,
        "detections": detections,
        "in": s.counted_in,
        "out": s.counted_out,
        "true_in": s.true_in,
        "true_out": s.true_out,
        "misses": s.true - s.matched,
        "false_counts": s.counted - s.matched,
    }


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over some rows; errors of lines and directions do not cancel."""

    true: int
    counted: int
    misses: int
    false_counts: int
    wrong: int

    @property
    def count_error(self) -> float:
        """Absolute count errors per true crossing."""
        return self.wrong / max(1, self.true)

    @property
    def f1(self) -> float:
        """Event F1 of all the lines together."""
        both = self.true + self.counted
        return (both - self.misses - self.false_counts) / both if both else 1.0


def totals(rows: Sequence[Row]) -> Totals:
    """Add rows up."""
    return Totals(
        sum(r["true_in"] + r["true_out"] for r in rows),
        sum(r["in"] + r["out"] for r in rows),
        sum(r["misses"] for r in rows),
        sum(r["false_counts"] for r in rows),
        sum(abs(r["in"] - r["true_in"]) + abs(r["out"] - r["true_out"]) for r in rows),
    )


def wrong_events(rows: Sequence[Row]) -> int:
    """Misses and false counts together, what `tuning` makes small."""
    return sum(r["misses"] + r["false_counts"] for r in rows)


@dataclass(frozen=True, slots=True)
class Summary:
    """One system at one frame rate over several clips; a clip with one detector counts once.

    `worst_clip` is that of the count error, as "clip, detections".
    """

    system: str
    fps: float
    clips: dict[str, Totals]

    @property
    def median_error(self) -> float:
        return median(t.count_error for t in self.clips.values())

    @property
    def worst_error(self) -> float:
        return max(t.count_error for t in self.clips.values())

    @property
    def median_f1(self) -> float:
        return median(t.f1 for t in self.clips.values())

    @property
    def worst_f1(self) -> float:
        return min(t.f1 for t in self.clips.values())

    @property
    def pooled(self) -> tuple[int, int, int]:
        """True crossings, misses and false counts of all clips."""
        all_ = self.clips.values()
        return (
            sum(t.true for t in all_),
            sum(t.misses for t in all_),
            sum(t.false_counts for t in all_),
        )

    @property
    def worst_clip(self) -> str:
        return max(self.clips, key=lambda name: self.clips[name].count_error)


def summarise(rows: Sequence[Row]) -> list[Summary]:
    """Group rows by frame rate and system; best median count error first."""
    grouped: dict[tuple[float, str], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for r in rows:
        grouped[r["fps"], r["system"]][f"{r['clip']}, {r['detections']}"].append(r)
    summaries = [
        Summary(system, fps, {name: totals(of) for name, of in clips.items()})
        for (fps, system), clips in grouped.items()
    ]
    return sorted(summaries, key=lambda s: (-s.fps, s.median_error, s.worst_error, s.system))
