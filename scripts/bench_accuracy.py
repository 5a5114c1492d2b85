"""Counts against ground truth, worst line first; with the peers installed, beside theirs.

scripts/bench accuracy                       PETS09 through the whole product, if ../shared is there
scripts/bench accuracy --bundled             the bundled encode and the truth kept beside it
scripts/bench accuracy --fps 5 --json        rows: clip, line, fps, system, detections, counts
scripts/bench accuracy --all                 every clip of ../shared/data, detector and harm at
                                             10, 5 and 3 fps; plots go to out/bench
scripts/bench accuracy --sheet out/bench/sheet.png   pictures of every miss and false count
scripts/bench accuracy --time                tracker + counter, ms a frame, beside the peers'
scripts/bench accuracy --strict              peeks and labels that tremble on a line count too
scripts/bench accuracy --write-truth FILE    turn the labels into a list of crossings
scripts/bench accuracy --leave-one-out       each clip with settings chosen on the others
scripts/bench accuracy --choose-lines        lay the lines of tests/data/bench-lines.yaml anew

The peers and their rules are described in scripts/accuracy/peers.py, how they are tuned in
their own favour in tuning.py, the lines in line_choice.py, the sure score in detections.py.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from accuracy import (
    clips,
    compare,
    detections,
    leave_one_out,
    line_choice,
    ours,
    peers,
    plot,
    report,
    span,
    timing,
)
from accuracy.detections import Footage
from accuracy.rows import Row, row, summarise
from rich.console import Console

from edge.assembly import configured_lines
from edge.config import Config, load
from edge.replay import ReplayOptions, replay
from edge.scoring import LineScore, Truth, load_truth, overall, score, total_count_error
from edge.tables import score_table

PETS09 = clips.SHARED / "pets09-s2l1"
FPS, SIZE = 10.0, (768, 576)
ALL_FPS = (10.0, 5.0, 3.0)


def main() -> None:
    options = _options()
    if options.choose_lines:
        known = [clip for clip in clips.known() if clip.name != "PETS09"]
        clips.LINES.write_text(line_choice.document(known), encoding="utf-8")
        print(f"lines of {len(known)} clips written to {clips.LINES}")
    elif options.leave_one_out:
        _leave_one_out(options)
    elif options.all:
        _every_clip(options)
    else:
        _one_clip(options)


def _one_clip(options: argparse.Namespace) -> None:
    config = load(options.config)
    lines = configured_lines(config)
    truth = load_truth(options.truth, lines, FPS, SIZE)
    truth = truth.strict() if options.strict else truth
    if options.write_truth:
        _write_truth(options.write_truth, truth)
        return
    model = config.model.model_copy(update={"name": options.model} if options.model else {})
    config = config.model_copy(update={"model": model})
    wanted = options.fps or [FPS]
    if options.sheet:
        _sheet(options, config, wanted[0])
        return
    if options.time:
        _time(_footage(options, config, truth, wanted[0]))
        return
    rows = [r for fps in wanted for r in _count(options, config, truth, fps)]
    if options.json:
        print(json.dumps(rows))


def _count(options: argparse.Namespace, config: Config, truth: Truth, fps: float) -> list[Row]:
    """Count one clip at one frame rate with the product and the peers; print unless JSON."""
    camera = config.camera.model_copy(update={"fps": fps})
    result = replay(config.model_copy(update={"camera": camera}), options.clip, ReplayOptions())
    scores = score(truth, result.live, [line.id for line in configured_lines(config)])
    rows = [row(options.clip.name, fps, ours.NAME, config.model.name, s) for s in scores]
    if not options.json:
        _print_scores(options, config, scores, fps)
    if _peers_wanted(options):
        footage = _footage(options, config, truth, fps)
        for peer in peers.PEERS:
            answer = compare.count_peer(peer, [footage])
            rows += answer.rows + answer.tuned
        if not options.json:
            Console().print(report.one_clip_table(summarise(rows)))
    return rows


def _print_scores(
    options: argparse.Namespace,
    config: Config,
    scores: Sequence[LineScore],
    fps: float,
) -> None:
    Console().print(score_table(scores))
    print(
        f"{options.clip.name} at {fps:g} fps with {config.model.name}:"
        f" {sum(s.true for s in scores)} true crossings,"
        f" count error {100 * total_count_error(scores):.1f} %,"
        f" event F1 {overall(scores).f1:.3f}"
    )


def _footage(options: argparse.Namespace, config: Config, truth: Truth, fps: float) -> Footage:
    """Prepare the clip of the plain run for the peers: the same model, lines and truth."""
    clip = clips.Clip(options.clip.name, FPS, SIZE, options.truth, options.clip)
    every, sure = detections.by_model(clip, config.model.name)
    samples = detections.sampled(every, clip.fps, fps)
    lines = configured_lines(config)
    return Footage(clip.name, config.model.name, fps, SIZE, lines, truth, samples, sure)


def _time(footage: Footage) -> None:
    spent = timing.timed(footage, peers.installed())
    Console().print(timing.table(footage, spent))


def _sheet(options: argparse.Namespace, config: Config, fps: float) -> None:
    from accuracy import sheet  # noqa: PLC0415 - nothing else draws

    clip = next((c for c in clips.known() if c.name == options.sheet_clip), None)
    if clip is None or clip.pictures is None:
        sys.exit(f"error: a sheet needs the labels and pictures of {options.sheet_clip}")
    detector = options.detector[0] if options.detector else config.model.name
    footage = detections.footage(clip, detector, fps, clips.known())
    found = sheet.draw(clip, footage, options.sheet)
    for event in found:
        what = "miss " if event.missed else "false"
        c = event.crossing
        print(f"{c.at:6.1f} s  {what}  {c.line:10} {c.outcome:3}  {event.part:11}  {event.why}")
    print(f"{len(found)} events at {fps:g} fps with {detector}: {options.sheet}")


def _parts(options: argparse.Namespace) -> list[compare.Part]:
    model = options.model or load(options.config).model.name or ""
    clips_ = options.clips or ()
    parts = compare.parts(options.fps or ALL_FPS, model, clips_, options.strict)
    found = [part for part in parts if not options.detector or part.detector in options.detector]
    if not found:
        sys.exit("error: no labelled clip in ../shared/data; the plain run needs none")
    return found


def _leave_one_out(options: argparse.Namespace) -> None:
    real = [p for p in _parts(options) if detections.kind_of(p.detector) == "real detectors"]
    found, product = leave_one_out.folds([f for p in real for f in p.footage()], options.workers)
    Console(width=max(150, Console().width)).print(leave_one_out.table(found, product))


def _every_clip(options: argparse.Namespace) -> None:
    wanted = _parts(options)
    rows: dict[str, list[Row]] = defaultdict(list)
    for part in wanted:
        rows[detections.kind_of(part.detector)] += compare.count_ours(part)
    tuned: list[compare.Tuned] = []
    if _peers_wanted(options):
        for part, peer, answer in compare.count_peers(wanted, options.workers, _progress):
            rows[detections.kind_of(part.detector)] += answer.rows + answer.tuned
            tuned.append((part, peer, answer.values))
    if options.json:
        print(json.dumps([r for kind in report.KINDS for r in rows[kind]]))
        return
    console = Console(width=max(150, Console().width))
    report.print_all(console, rows, options.every_line)
    for fps in dict.fromkeys(part.fps for part in wanted):
        blamed = compare.blamed([part for part in wanted if part.fps == fps])
        console.print(report.blame_table(blamed, fps))
    _print_ranges(console, wanted)
    if tuned:
        console.print(report.tuned_table(tuned))
    _plot(rows)


def _print_ranges(console: Console, wanted: Sequence[compare.Part]) -> None:
    for kind in report.KINDS:
        found = [f for p in wanted if detections.kind_of(p.detector) == kind for f in p.footage()]
        if found:
            console.print(f"{kind}, all frame rates: {span.measure(found).text()}")


def _plot(rows: dict[str, list[Row]]) -> None:
    if not plot.installed():
        print("no plot: matplotlib is not installed", file=sys.stderr)
        return
    for kind in report.KINDS:
        if rows[kind]:
            path = clips.CACHE / f"accuracy-{kind.replace(' ', '-')}.png"
            plot.draw(rows[kind], f"Counting people over lines: {kind}", path)
            print(f"plot: {path.relative_to(clips.ROOT)}")


def _progress(done: int, of: int) -> None:
    if sys.stderr.isatty():
        print(f"\rpeers: {done} of {of} parts", end="\n" if done == of else "", file=sys.stderr)


def _peers_wanted(options: argparse.Namespace) -> bool:
    if options.ours_only or peers.installed():
        return not options.ours_only
    print(peers.HOW_TO_INSTALL, file=sys.stderr)
    return False


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundled", action="store_true", help="use the clip of tests/data")
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--config", type=Path, default=clips.PETS09_CONFIG)
    parser.add_argument("--model", help="a name of models/catalog.toml")
    parser.add_argument("--fps", type=float, nargs="+")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--all", action="store_true", help="every clip of ../shared/data")
    parser.add_argument("--clips", nargs="+", help="with --all: only these clips")
    parser.add_argument("--detector", nargs="+", help="with --all, --sheet: only these detections")
    parser.add_argument("--ours-only", action="store_true", help="leave the peers out")
    parser.add_argument("--every-line", action="store_true", help="with --all: peers' lines too")
    parser.add_argument("--workers", type=int, default=2, help="with --all: processes for peers")
    parser.add_argument("--strict", action="store_true", help="doubtful truth is certain")
    parser.add_argument("--time", action="store_true")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet (PNG)")
    parser.add_argument("--sheet-clip", default="PETS09", help="of a clip that has pictures")
    parser.add_argument("--write-truth", type=Path)
    parser.add_argument("--leave-one-out", action="store_true", help="settings chosen without it")
    parser.add_argument("--choose-lines", action="store_true")
    options = parser.parse_args()
    bundled = options.bundled or not PETS09.exists()
    clip, truth = (
        (clips.DATA / "vtest.mp4", clips.DATA / "vtest.truth.json")
        if bundled
        else (PETS09 / "vtest.avi", PETS09 / "gt.txt")
    )
    options.clip = options.clip or clip
    options.truth = options.truth or truth
    return options


def _write_truth(path: Path, truth: Truth) -> None:
    document = {
        "source": "MOTChallenge 2015 labels of PETS09-S2L1; crossings computed by edge/scoring.py",
        "crossings": [
            {"line": c.line, "direction": str(c.outcome), "at_s": round(c.at, 2)}
            | ({"doubtful": True} if c in truth.doubtful else {})
            for c in truth.strict().certain
        ],
    }
    rows = ",\n".join(json.dumps(c) for c in document["crossings"])
    head = json.dumps(document["source"])
    path.write_text(f'{{"source": {head},\n"crossings": [\n{rows}\n]}}\n', encoding="utf-8")
    print(
        f"{len(truth.certain)} certain, {len(truth.doubtful)} doubtful crossings written to {path}"
    )


if __name__ == "__main__":
    main()
