"""The tables of `scripts/bench speed`, for the terminal and as Markdown."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from speed.machine import machine
from speed.rows import Row, stage_texts, times_dearer
from speed.stages import STAGES

OURS = "ours"
GOALS_MS = {"camera-busy-720p": 200.0, "camera-empty-720p": 75.0}
TWO_CORES_MS = 2000.0
_BEGIN, _END = "<!-- figures: scripts/bench speed{} -->", "<!-- end of figures{} -->"
Cells = list[list[str]]


def per_frame_cells(rows: Sequence[Row]) -> Cells:
    """Return head and body of the main comparison."""
    head = ["clip", "system", "CPU-ms a picture", "min–max", "× ours", "wall ms", "min–max"]
    body = [
        [
            r["clip"],
            r["system"],
            f"{r['cpu_ms_per_frame']:.2f}",
            _span(r, "cpu_ms_per_frame", 2),
            _times(rows, r),
            f"{r['wall_ms_per_frame']:.2f}",
            _span(r, "wall_ms_per_frame", 2),
            f"{r['fps']:.1f}",
            f"{r['rss_mb']:.0f}",
            _f1(r),
        ]
        for r in rows
    ]
    return [[*head, "pictures/s", "RSS MB", "event F1"], *body]


def stage_cells(rows: Sequence[Row]) -> Cells:
    """Return processor time of each stage, p50 / p95 in ms a used picture."""
    return [["clip", "system", *STAGES], *([r["clip"], r["system"], *stage_texts(r)] for r in rows)]


def camera_cells(rows: Sequence[Row]) -> Cells:
    """Return what a second of a camera costs, and how many such cameras two cores hold."""
    head = ["camera", "system", "CPU-ms a second", "min–max", "× ours", "goal", "two cores hold"]
    body = []
    for r in rows:
        ms, goal = r["cpu_ms_per_camera_second"], GOALS_MS.get(r["clip"])
        fps = ms / r["cpu_ms_per_frame"]
        low, high = (v * fps for v in r["spread"]["cpu_ms_per_frame"])
        told = f"≤ {goal:g}: {'met' if ms <= goal else 'missed'}" if goal else ""
        body.append(
            [
                r["clip"],
                r["system"],
                f"{ms:.0f}",
                f"{low:.0f}–{high:.0f}",
                _times(rows, r),
                told if r["system"] == OURS else "",
                str(int(TWO_CORES_MS // ms)),
                f"{r['rss_mb']:.0f}",
                _f1(r),
            ]
        )
    return [[*head, "RSS MB", "event F1"], *body]


def notes(rows: Sequence[Row]) -> list[str]:
    """Return what has to be known of the rows, each once."""
    return list(dict.fromkeys(f"{r['system']}: {r['note']}" for r in rows if r["note"]))


def table(cells: Cells, title: str) -> Table:
    """Return the cells for the terminal, ours in bold."""
    found = Table(title=title, title_justify="left")
    for i, head in enumerate(cells[0]):
        found.add_column(head, justify="left" if i < 2 else "right")
    for previous, row in zip([cells[1], *cells[1:]], cells[1:], strict=False):
        if previous[0] != row[0]:
            found.add_section()
        found.add_row(*row, style="bold" if row[1] == OURS else None)
    return found


def markdown(cells: Cells) -> str:
    """Return the cells as a Markdown table, ours in bold."""
    rows = [cells[0], ["---", "---", *["---:"] * (len(cells[0]) - 2)]]
    rows += [[f"**{c}**" if c else "" for c in r] if r[1] == OURS else r for r in cells[1:]]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def document(parts: Sequence[tuple[str, Cells]], rows: Sequence[Row], how: str) -> str:
    """Return tables with where and how they were measured, as Markdown."""
    merged: dict[str, str] = {}
    for r in rows:
        merged |= r["versions"]
    where = f"{machine()}; " + ", ".join(f"{name} {v}" for name, v in merged.items())
    pieces = [f"{where}. {how}"]
    for title, cells in parts:
        pieces += [f"### {title}", markdown(cells)]
    if told := notes(rows):
        pieces.append("\n".join(f"- {note}" for note in told))
    return "\n\n".join(pieces)


def write(path: Path, text: str, mode: str = "") -> None:
    """Put the text between its marks in a file, or at its end when it has none yet.

    mode: tells two sets of figures in one file apart, e.g. " --camera-second".
    """
    begin, end = _BEGIN.format(mode), _END.format(mode)
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    if begin in old and end in old:
        before, after = old[: old.index(begin)], old[old.index(end) + len(end) :]
    else:
        before, after = f"{old.rstrip()}\n\n" if old else "", "\n"
    path.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")


def _span(r: Row, name: str, digits: int) -> str:
    low, high = r["spread"][name]
    return f"{low:.{digits}f}–{high:.{digits}f}"


def _times(rows: Sequence[Row], r: Row) -> str:
    times = times_dearer(rows, r, OURS)
    return "" if times is None or r["system"] == OURS else f"{times:.1f}"


def _f1(r: Row) -> str:
    return f"{r['counted']} counted" if r["event_f1"] is None else f"{r['event_f1']:.3f}"
