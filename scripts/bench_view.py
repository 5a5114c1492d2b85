"""How surely and how soon the view watch finds a spoilt view, and how often it errs.

    scripts/bench view [--starts 3] [--hours 1] [--held-out] [--json] [--markdown FILE]

Real footage is changed as a hand, a cloth, the light, the focus or a knock would change it.
Every trial: 75 s to learn the view, a restart (only what is kept on disk goes on), 45 s of the
change (75 s of a frozen picture), 15 s of the view as it was. Each is tried from so many moments
of a clip. Settings are the product's defaults, the same for every clip.
"""

import argparse
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from accuracy.clips import DATA, SHARED
from rich.console import Console
from rich.table import Table
from view import trial
from view.cases import BENIGN, HARMFUL, HELD_OUT, HELD_OUT_BENIGN
from view.trial import Footage, Result

from edge.adapters.view_features import look_at
from edge.view_match import displaced, match
from edge.view_signature import Memory

CLIPS = {
    "PETS09-S2L1": "pets09-s2l1/vtest.avi",
    "TUD-Campus": "tud/TUD-Campus.mp4",
    "TUD-Stadtmitte": "tud/TUD-Stadtmitte.mp4",
    "one-by-one": "one-by-one/one-by-one-person-detection.mp4",
}
BUNDLED = "vtest.mp4"
SAME_PLACE = {BUNDLED, "PETS09-S2L1"}
MARKS = "<!-- bench view{}: begin -->", "<!-- bench view{}: end -->"

Cells = list[list[str]]


def main() -> None:
    options = _options()
    paths = {BUNDLED: DATA / BUNDLED} | {n: options.shared / part for n, part in CLIPS.items()}
    clips = [Footage(name, path) for name, path in paths.items() if path.exists()]
    clips = [clip for clip in clips if not options.clips or clip.name in options.clips]
    if not clips:
        sys.exit("error: no such clip; without --clips all of them are played")
    for clip in clips:
        clip.load()
    found, calm = _earlier(options.rows) if options.rows else _tried(clips, options)
    if options.json:
        print(json.dumps([asdict(r) for r in [*found, *calm]], indent=1))
        return
    tables = [_by_case(found), _by_clip(found, clips), _calm(calm), _cost(clips)]
    for title, head, rows in tables:
        _show(title, head, rows)
    if options.markdown:
        _write(options.markdown, tables[:-1] if options.held_out else tables, options.held_out)


def _earlier(path: Path) -> tuple[list[Result], list[Result]]:
    """Read what an earlier run printed."""
    rows = [Result(**row) for row in json.loads(path.read_text(encoding="utf-8"))]
    calm = {"untouched", *(case.name for case in [*BENIGN, *HELD_OUT_BENIGN])}
    return [r for r in rows if r.case not in calm], [r for r in rows if r.case in calm]


def _tried(
    clips: Sequence[Footage], options: argparse.Namespace
) -> tuple[list[Result], list[Result]]:
    """Try everything on every clip; return what has to be found, and what must not be."""
    found: list[Result] = []
    calm: list[Result] = []
    held_out = options.held_out
    for clip in clips:
        others = [c for c in clips if c.name != clip.name and {c.name, clip.name} != SAME_PLACE]
        calm.append(trial.untouched(clip, options.hours, 0))
        for start in (k * 29 for k in range(options.starts)):
            print(f"{clip.name}, from picture {start}", file=sys.stderr, flush=True)
            found += trial.harmful(clip, HELD_OUT if held_out else HARMFUL, start)
            found += [] if held_out else trial.special(clip, others, start)
        calm += trial.benign(clip, HELD_OUT_BENIGN if held_out else BENIGN, 0)
    return found, calm


def _by_case(found: Sequence[Result]) -> tuple[str, list[str], Cells]:
    """One row a change, the worst first: found and rightly named, of all trials, clip by clip."""
    groups: dict[str, list[Result]] = defaultdict(list)
    for result in found:
        groups["another clip's view" if "replaced" in result.case else result.case].append(result)
    head = ["change", "must", "found", "right", "after s (median, worst)", "wrong s", "worst clip"]
    rows = []
    for name, results in groups.items():
        seen = [r for r in results if r.after_s is not None]
        times = [r.after_s for r in seen if r.after_s is not None]
        rates = {
            clip: statistics.mean(r.right for r in results if r.clip == clip)
            for clip in {r.clip for r in results}
        }
        worst = min(sorted(rates), key=lambda clip: rates[clip])
        rows.append(
            (
                statistics.mean(r.right for r in results),
                [
                    name,
                    "yes" if results[0].must else "no",
                    f"{len(seen)}/{len(results)}",
                    f"{sum(r.right for r in results)}/{len(results)}",
                    f"{statistics.median(times):.1f}, {max(times):.1f}" if times else "–",
                    f"{sum(r.wrong_s for r in results):.0f}",
                    f"{worst} {rates[worst]:.0%}" if rates[worst] < 1 else "–",
                ],
            )
        )
    rows.sort(key=lambda row: row[0])
    return "Harmful changes, worst first", head, [row for _, row in rows]


def _by_clip(found: Sequence[Result], clips: Sequence[Footage]) -> tuple[str, list[str], Cells]:
    """One row a clip, the worst first; only what has to be found."""
    head = ["clip", "found", "right", "wrong reason", "after s (median)", "back s (median)"]
    rows = []
    for clip in clips:
        results = [r for r in found if r.clip == clip.name and r.must]
        times = [r.after_s for r in results if r.after_s is not None]
        backs = [r.back_s for r in results if r.after_s is not None and r.back_s is not None]
        wrong = sum(r.wrong_s > 0 for r in results)
        rate = statistics.mean(r.right for r in results)
        cells = [
            clip.name,
            f"{len(times)}/{len(results)}",
            f"{rate:.1%}",
            f"{wrong}",
            f"{statistics.median(times):.1f}",
            f"{statistics.median(backs):.1f}",
        ]
        rows.append((rate, cells))
    rows.sort(key=lambda row: row[0])
    return "What has to be found, clip by clip", head, [row for _, row in rows]


def _calm(calm: Sequence[Result]) -> tuple[str, list[str], Cells]:
    """One row a benign change, the worst first: false alarms an hour, all clips together."""
    groups: dict[str, list[Result]] = defaultdict(list)
    for result in calm:
        groups[result.case].append(result)
    rows = []
    for name, results in groups.items():
        hours = sum(r.lasted_s for r in results) / 3600
        alarms = sum(r.alarms for r in results)
        said = sum(r.said_s for r in results) / sum(r.lasted_s for r in results)
        where = ", ".join(f"{r.clip}: {r.first}" for r in results if r.alarms) or "–"
        rows.append(
            (alarms / hours, [name, f"{hours:.2f}", f"{alarms / hours:.1f}", f"{said:.1%}", where])
        )
    rows.sort(key=lambda row: -row[0])
    head = ["benign", "hours", "false alarms an hour", "time wrongly not healthy", "where"]
    return "False alarms, worst first", head, [row for _, row in rows]


def _cost(clips: Sequence[Footage]) -> tuple[str, list[str], Cells]:
    """Milliseconds of one look, and of one picture at 8 a second: two looks a second."""
    rows = []
    for clip in clips:
        memory = Memory()
        looks = [look_at(image) for image in clip.images[:5]]
        for look in looks:
            memory.learn(look)
        view = memory.signature()
        acts = (
            lambda image=clip.images[0]: look_at(image),
            lambda view=view, look=looks[0]: match(view, look, 1.3),
            lambda view=view, look=looks[0]: displaced(view, look),
        )
        look_ms, match_ms, search_ms = (_milliseconds(act) for act in acts)
        height, width = clip.images[0].shape[:2]
        rows.append(
            [
                clip.name,
                f"{width}×{height}",
                f"{look_ms:.2f}",
                f"{match_ms:.2f}",
                f"{(look_ms + match_ms) * 2 / 8:.2f}",
                f"{search_ms:.2f}",
            ]
        )
    head = ["clip", "size", "features ms", "compare ms", "a picture at 8/s ms", "search ms"]
    return "Cost; a search only while edges do not agree", head, rows


def _milliseconds(act: object, repeats: int = 40) -> float:
    assert callable(act)
    taken = []
    for _ in range(repeats):
        began = time.thread_time()
        act()
        taken.append(time.thread_time() - began)
    return 1000 * statistics.median(taken)


def _show(title: str, head: Sequence[str], rows: Cells) -> None:
    table = Table(*head, title=title)
    for row in rows:
        table.add_row(*row)
    Console(width=150).print(table)


def _write(path: Path, tables: Sequence[tuple[str, list[str], Cells]], held_out: bool) -> None:
    """Put the tables between their marks."""
    text = path.read_text(encoding="utf-8")
    begin, end = (mark.format(" held-out" if held_out else "") for mark in MARKS)
    parts = [begin]
    for title, head, rows in tables:
        parts.append(f"\n**{title}**\n")
        parts += ["| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *rows]]
    parts.append("")
    start, stop = text.index(begin), text.index(end)
    path.write_text(text[:start] + "\n".join(parts) + "\n" + text[stop:], encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=3, help="moments a clip is tried from")
    parser.add_argument("--hours", type=float, default=1.0, help="of every clip, untouched")
    parser.add_argument("--clips", nargs="*", help=f"some of: {BUNDLED}, {', '.join(CLIPS)}")
    parser.add_argument("--shared", type=Path, default=SHARED, help="where the other clips are")
    parser.add_argument("--held-out", action="store_true", help="changes no setting was chosen on")
    parser.add_argument("--json", action="store_true", help="print the trials, for --rows")
    parser.add_argument("--rows", type=Path, help="tables of an earlier --json instead of a run")
    parser.add_argument("--markdown", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
