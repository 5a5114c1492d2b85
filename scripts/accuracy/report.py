"""The comparison as tables: every line worst first, then medians and worst cases."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from accuracy.blame import PARTS, Event
from accuracy.compare import Tuned
from accuracy.ours import NAME
from accuracy.rows import Row, Summary, summarise, totals

KINDS = ("real detectors", "true boxes", "degraded")


def lines_table(rows: Sequence[Row], worst: int | None = None) -> Table:
    """Every line of one kind of detections, worst first; `worst` shows only that many."""
    ranked = sorted(rows, key=lambda r: (totals([r]).f1, -totals([r]).count_error, r["system"]))
    shown = ranked[:worst]
    of = f" ({len(shown)} of {len(ranked)})" if len(shown) < len(ranked) else ""
    table = Table(title=f"lines, worst first{of}", title_justify="left")
    for head in ("clip", "detections", "line", "fps", "system"):
        table.add_column(head)
    for head in ("in", "true", "out", "true", "misses", "false", "F1"):
        table.add_column(head, justify="right")
    for r in shown:
        numbers = ("in", "true_in", "out", "true_out", "misses", "false_counts")
        table.add_row(
            r["clip"],
            r["detections"],
            r["line"],
            f"{r['fps']:g}",
            r["system"],
            *(str(r[n]) for n in numbers),
            f"{totals([r]).f1:.3f}",
        )
    return table


def clips_table(rows: Sequence[Row], fps: float) -> Table:
    """`ours` beside the best and the middle peer, clip by clip."""
    table = Table(title=f"clip by clip at {fps:g} fps: F1, misses + false counts")
    table.title_justify = "left"
    summaries = [s for s in summarise(rows) if s.fps == fps]
    table.add_column("clip, detections (true crossings)")
    for s in summaries:
        table.add_column(s.system, justify="right")
    for clip in summaries[0].clips if summaries else ():
        results = [s.clips[clip] for s in summaries]
        best = max(t.f1 for t in results)
        table.add_row(
            f"{clip} ({results[0].true})",
            *(
                f"{'[bold]' if t.f1 == best else ''}{t.f1:.3f} {t.misses}+{t.false_counts}"
                for t in results
            ),
        )
    return table


def summary_table(summaries: Sequence[Summary], title: str) -> Table:
    """Medians and worst cases over clips, best median count error first."""
    table = Table(title=title, title_justify="left")
    table.add_column("fps")
    table.add_column("system")
    for head in ("error median", "worst", "F1 median", "worst", "misses", "false", "of"):
        table.add_column(head, justify="right")
    table.add_column("worst clip")
    for previous, s in zip([None, *summaries], summaries, strict=False):
        if previous is not None and previous.fps != s.fps:
            table.add_section()
        true, misses, false_counts = s.pooled
        table.add_row(
            f"{s.fps:g}",
            s.system,
            f"{100 * s.median_error:.1f} %",
            f"{100 * s.worst_error:.1f} %",
            f"{s.median_f1:.3f}",
            f"{s.worst_f1:.3f}",
            str(misses),
            str(false_counts),
            str(true),
            s.worst_clip,
            style="bold" if s.system == NAME else None,
        )
    return table


def one_clip_table(summaries: Sequence[Summary]) -> Table:
    """Systems on a single clip, narrow enough for any terminal."""
    table = Table("fps", "system", title="beside the peers, same detections", title_justify="left")
    for head in ("count error", "event F1", "misses", "false"):
        table.add_column(head, justify="right")
    for s in summaries:
        _, misses, false_counts = s.pooled
        numbers = (f"{100 * s.median_error:.1f} %", f"{s.median_f1:.3f}")
        style = "bold" if s.system == NAME else None
        texts = (f"{s.fps:g}", s.system, *numbers, str(misses), str(false_counts))
        table.add_row(*texts, style=style)
    return table


def blame_table(found: Mapping[str, Sequence[Event]], fps: float) -> Table:
    """Misses and false counts of `ours` by the part that `blame` holds responsible."""
    table = Table(title=f"where ours fails at {fps:g} fps", title_justify="left")
    table.add_column("clip, detections")
    for what in ("miss", "false"):
        for part in PARTS:
            table.add_column(f"{what}: {part}", justify="right")
    for name, events in found.items():
        tally = [
            sum(e.missed is missed and e.part == part for e in events)
            for missed in (True, False)
            for part in PARTS
        ]
        table.add_row(name, *(str(n or "") for n in tally))
    return table


def tuned_table(tuned: Sequence[Tuned]) -> Table:
    """The values found for each peer."""
    table = Table("detections", "fps", "system", "tuned to", title="tuned peers")
    table.title_justify = "left"
    for part, peer, values in sorted(tuned, key=lambda t: (t[1], t[0].detector, -t[0].fps)):
        text = ", ".join(f"{name} {value}" for name, value in values.items())
        table.add_row(part.detector, f"{part.fps:g}", peer, text)
    return table


def print_all(console: Console, rows: Mapping[str, Sequence[Row]], every_line: bool) -> None:
    """Print one block for each kind of detections."""
    for kind in KINDS:
        found = rows.get(kind, ())
        if not found:
            continue
        console.rule(kind)
        own = [r for r in found if r["system"] == NAME]
        console.print(lines_table(found) if every_line else lines_table(own, 15))
        if kind != "degraded":
            for fps in dict.fromkeys(r["fps"] for r in found):
                console.print(clips_table([r for r in found if _briefly(r)], fps))
        console.print(summary_table(summarise(found), f"{kind}: over clips, best median first"))


def _briefly(r: Row) -> bool:
    return r["system"] == NAME or r["system"].endswith("(tuned)")
