"""The comparison as a picture: one column for each frame rate, count error above, F1 below."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from accuracy.ours import NAME
from accuracy.rows import TUNED, Row, Summary, summarise

_OURS, _TUNED, _DEFAULT = "#c1272d", "#1f77b4", "#9aa7b3"
_MOST = 1.0


def installed() -> bool:
    """Whether there is anything to draw with."""
    return importlib.util.find_spec("matplotlib") is not None


def draw(rows: Sequence[Row], title: str, path: Path) -> None:
    """Draw dots for clips, a bar for the median and a cross for the worst clip."""
    import matplotlib as mpl  # noqa: PLC0415 - only the bench has it

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    summaries = summarise(rows)
    rates = list(dict.fromkeys(s.fps for s in summaries))
    systems = sorted({s.system for s in summaries}, key=lambda name: _rank(name, summaries))
    figure, axes = plt.subplots(
        2,
        len(rates),
        figsize=(2.5 + 4.6 * len(rates), 2.4 + 0.56 * len(systems)),
        sharey=True,
        squeeze=False,
    )
    for column, fps in enumerate(rates):
        of = {s.system: s for s in summaries if s.fps == fps}
        for panel, error in ((axes[0][column], True), (axes[1][column], False)):
            for y, system in enumerate(reversed(systems)):
                if system in of:
                    _one(panel, y, of[system], error)
            panel.set_xlim(-0.02 if error else 0.0, _MOST + 0.13)
            panel.xaxis.set_major_formatter(
                mpl.ticker.PercentFormatter(1.0) if error else mpl.ticker.ScalarFormatter()
            )
            panel.grid(axis="x", color="#dddddd")
            panel.set_axisbelow(True)
            panel.set_yticks(range(len(systems)), list(reversed(systems)))
            panel.set_title(f"{'count error' if error else 'event F1'} at {fps:g} fps", fontsize=11)
            for label in panel.get_yticklabels():
                label.set_color(_colour(label.get_text()))
                label.set_fontweight("bold" if label.get_text() == NAME else "normal")
    figure.suptitle(
        f"{title}\nbar and figure: median over clips · dots: clips · ×: worst clip"
        f" (count errors beyond {100 * _MOST:.0f} % stand at the edge)",
        fontsize=12,
    )
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _rank(system: str, summaries: Sequence[Summary]) -> tuple[bool, float]:
    errors = [s.median_error for s in summaries if s.system == system]
    return system != NAME, sum(errors) / len(errors)


def _colour(system: str) -> str:
    if system == NAME:
        return _OURS
    return _TUNED if system.endswith(TUNED) else "#5d6872"


def _one(panel: object, y: int, summary: Summary, error: bool) -> None:
    colour = _OURS if summary.system == NAME else _TUNED
    if not summary.system.endswith(TUNED) and summary.system != NAME:
        colour = _DEFAULT
    values = [min(_MOST, t.count_error) if error else t.f1 for t in summary.clips.values()]
    middle = min(_MOST, summary.median_error) if error else summary.median_f1
    worst = min(_MOST, summary.worst_error) if error else summary.worst_f1
    panel.barh(y, middle, color=colour, alpha=0.45, height=0.7)
    panel.plot(values, [y] * len(values), "o", color=colour, ms=4, mec="white", mew=0.4)
    panel.plot([worst], [y], "x", color=colour, ms=7, mew=1.8)
    text = f"{100 * summary.median_error:.0f} %" if error else f"{summary.median_f1:.3f}"
    panel.text(_MOST + 0.12, y, text, va="center", ha="right", fontsize=8.5, color=colour)
