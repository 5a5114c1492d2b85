"""Settings chosen without the clip that they are reported on.

For every clip the settings are chosen on the other clips alone, from START, those of the
product before it was tuned: one setting after the other is changed to each value of GRID
and the best kept, as the peers' thresholds are. A value is better when the mean over the
clips of misses and false counts per true crossing is smaller, over all real detectors and
frame rates of a clip. Then the clip that was left out is counted with what was chosen.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import fmean, median

from rich.table import Table

from accuracy import ours
from accuracy.detections import Footage
from accuracy.rows import Totals, rows_of, totals

START = {
    "buffer_heights": 0.25,
    "heading_worth": 0.0,
    "heading_heights": 0.15,
    "reach_heights": 0.0,
    "unproven_lost_s": 0.5,
    "detected_share": 0.0,
    "position_noise_heights": 0.05,
    "acceleration_noise_heights": 0.6,
    "dead_band_heights": 0.10,
}
GRID = {
    "acceleration_noise_heights": (0.3, 0.4, 0.6),
    "heading_worth": (0.0, 0.1, 0.2),
    "heading_heights": (0.15, 0.3),
    "buffer_heights": (0.15, 0.25, 0.35),
    "reach_heights": (0.0, 0.2, 0.4),
    "unproven_lost_s": (0.5, 0.7, 1.0),
    "lost_s": (1.0, 1.5, 2.0),
    "min_iou": (0.2, 0.25, 0.3),
    "detected_share": (0.0, 0.5, 0.75, 1.0),
    "position_noise_heights": (0.05, 0.06, 0.08),
    "dead_band_heights": (0.06, 0.08, 0.10),
    "hold_s": (0.2, 0.3),
}

Results = dict[tuple[str, str, float], Totals]
"""By clip, detections and frame rate."""
Count = Callable[[ours.Changes], Results]


@dataclass(frozen=True, slots=True)
class Fold:
    """One clip left out: what was chosen without it, and what it then got."""

    clip: str
    chosen: dict[str, float]
    results: Results


def folds(footage: Sequence[Footage], workers: int) -> tuple[list[Fold], Results]:
    """Return a fold for each clip, and the results of the product's own settings."""
    with ProcessPoolExecutor(workers, initializer=_keep, initargs=(footage,)) as pool:
        known: dict[str, Results] = {}

        def count(changes: ours.Changes) -> Results:
            key = repr(sorted(changes.items()))
            if key not in known:
                jobs = [(i, dict(changes)) for i in range(len(footage))]
                known[key] = dict(pool.map(_count, jobs))
            return known[key]

        clips = list(dict.fromkeys(f.clip for f in footage))
        return [fold(clip, count) for clip in clips], count({})


def fold(clip: str, count: Count) -> Fold:
    """Choose on the other clips, then count this one."""
    chosen: dict[str, float] = dict(START)
    least = wrong(count(chosen), without=clip)
    for name, values in GRID.items():
        before = dict(chosen)
        for value in values:
            tried = {**before, name: value}
            if (found := wrong(count(tried), without=clip)) < least:
                chosen, least = tried, found
    results = {key: t for key, t in count(chosen).items() if key[0] == clip}
    return Fold(clip, chosen, results)


def wrong(results: Results, without: str = "") -> float:
    """Mean over clips of misses and false counts per true crossing."""
    by_clip: dict[str, list[float]] = {}
    for (clip, _, _), t in results.items():
        if clip != without:
            by_clip.setdefault(clip, []).append((t.misses + t.false_counts) / max(1, t.true))
    return fmean(fmean(shares) for shares in by_clip.values())


_footage: Sequence[Footage] = ()


def _keep(footage: Sequence[Footage]) -> None:
    global _footage  # noqa: PLW0603 - each worker gets the clips once
    _footage = footage


def _count(job: tuple[int, ours.Changes]) -> tuple[tuple[str, str, float], Totals]:
    index, changes = job
    clip = _footage[index]
    found = totals(rows_of(clip, ours.NAME, ours.count(clip, changes)))
    return (clip.clip, clip.detector, clip.fps), found


def table(found: Sequence[Fold], shipped: Results) -> Table:
    """Each clip with the settings chosen without it, beside the product's; medians below."""
    shown = Table(title="leave one clip out: count error and F1", title_justify="left")
    for head in ("clip, detections", "fps", "chosen without it", "product", "changed from start"):
        shown.add_column(head)
    left_out = {key: t for each in found for key, t in each.results.items()}
    chosen = {each.clip: each.chosen for each in found}
    ranked = sorted(left_out, key=lambda key: (-key[2], -left_out[key].count_error))
    for previous, key in zip([None, *ranked], ranked, strict=False):
        if previous is not None and previous[2] != key[2]:
            shown.add_section()
        values = chosen[key[0]]
        text = ", ".join(f"{k} {v:g}" for k, v in values.items() if START.get(k) != v)
        shown.add_row(
            f"{key[0]}, {key[1]}",
            f"{key[2]:g}",
            _figures(left_out[key]),
            _figures(shipped[key]),
            text,
        )
    for fps in dict.fromkeys(key[2] for key in ranked):
        shown.add_section()
        for name, of in (("median", median), ("worst", max)):
            errors = [
                of([100 * r[key].count_error for key in ranked if key[2] == fps])
                for r in (left_out, shipped)
            ]
            shown.add_row(name, f"{fps:g}", *(f"{e:.1f} %" for e in errors), "")
    return shown


def _figures(t: Totals) -> str:
    return f"{100 * t.count_error:5.1f} %  {t.f1:.3f}"
