"""Answers of workers as rows, one a clip and system: medians over the repeats, and their spread."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from edge.scoring import overall, score
from edge.vocabulary import Crossing, Outcome
from speed.clips import SpeedClip
from speed.stages import STAGES

Row = dict[str, Any]
Answer = dict[str, Any]
_MEASURES = ("cpu_ms_per_frame", "wall_ms_per_frame", "fps", "rss_mb")


def row_of(clip: SpeedClip, system: str, answers: Sequence[Answer], note: str = "") -> Row:
    """Return the row of one system on one clip.

    answers: what its workers said, one a repeat. `spread` has the least and the most of
    each measure over the repeats. `event_f1` is None where nobody passes; `counted` is
    how many crossings were counted. note: what the reader must know of this figure.
    """
    measured = [measures_of(answer) for answer in answers]
    values = {name: [m[name] for m in measured] for name in _MEASURES}
    counted = [Crossing(line, Outcome(way), at) for line, way, at in answers[0]["counted"]]
    return {
        "clip": clip.name,
        "system": system,
        **{name: round(median(v), 3) for name, v in values.items()},
        "event_f1": event_f1(clip, counted),
        "counted": len(counted),
        "cpu_ms_per_camera_second": round(median(values["cpu_ms_per_frame"]) * clip.fps, 1),
        "pictures": answers[0]["pictures"],
        "start_cpu_s": round(median(a["start_cpu_s"] for a in answers), 2),
        "repeats": len(answers),
        "spread": {name: [round(min(v), 3), round(max(v), 3)] for name, v in values.items()},
        "stages": _typical(answers)["stages"],
        "note": note,
        "versions": answers[0]["versions"],
    }


def measures_of(answer: Answer) -> dict[str, float]:
    """Return the measures of one run, per source picture, the unused ones included."""
    pictures = answer["pictures"]
    return {
        "cpu_ms_per_frame": 1000 * answer["cpu_s"] / pictures,
        "wall_ms_per_frame": 1000 * answer["wall_s"] / pictures,
        "fps": pictures / answer["wall_s"],
        "rss_mb": answer["rss_mb"],
    }


def event_f1(clip: SpeedClip, counted: Sequence[Crossing]) -> float | None:
    """Return the event F1 over all lines; None where there is nothing to count."""
    if clip.empty:
        return None
    lines = [line.id for line in clip.lines()]
    return round(overall(score(clip.truth(), counted, lines)).f1, 4)


def _typical(answers: Sequence[Answer]) -> Answer:
    """Return the run whose processor time is the median one, the lower of two."""
    return sorted(answers, key=lambda a: a["cpu_s"])[(len(answers) - 1) // 2]


def times_dearer(rows: Sequence[Row], row: Row, than: str) -> float | None:
    """Return processor time as a multiple of another system's on the same clip, if it ran."""
    others = (r for r in rows if r["clip"] == row["clip"] and r["system"] == than)
    other = next(others, None)
    return row["cpu_ms_per_frame"] / other["cpu_ms_per_frame"] if other else None


def stage_texts(row: Row) -> list[str]:
    """Return `p50 / p95` of each stage, empty where it was not seen."""
    found = row["stages"]
    return [f"{found[s]['p50']:.2f} / {found[s]['p95']:.2f}" if s in found else "" for s in STAGES]
