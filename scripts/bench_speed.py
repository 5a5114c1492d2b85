"""What counting costs: the product's pipe beside three others, same clip, same cores, one run.

scripts/bench speed                    processor time and event F1, every source picture looked at
scripts/bench speed --json             rows: clip, system, cpu_ms_per_frame, …, event_f1
scripts/bench speed --markdown FILE    put the tables into a Markdown file, between their marks
scripts/bench speed --as-configured    ours at its default rate, the others at every picture
scripts/bench speed --camera-second    a second of a 25 fps camera, 8 pictures of it counted
scripts/bench speed --hold 20          run so many 360p cameras at once on two cores
scripts/bench speed --weights yolo11n.pt   real weights for ultralytics
scripts/bench speed --ours-only        without the peers

The systems take turns, each in a process of its own on the same cores with the same number
of threads. Without --weights ultralytics' network has random weights (its files cannot be
shipped) and its tracker is given the boxes of the fp32 network; see docs/speed.md.
"""

import argparse
import importlib.util
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from speed import capacity, library, networks, report
from speed.clips import SpeedClip, camera_clips, per_frame_clips
from speed.job import OURS, SYSTEMS, Job, JobFailedError, run
from speed.machine import versions
from speed.rows import Answer, Row, row_of

COUNTED_FPS = 8.0
PACKAGES = {
    "library-fp32": ("trackers", "supervision"),
    "ultralytics-onnx": ("ultralytics", "torch", "supervision", "lap", "onnx"),
    "ultralytics-torch": ("ultralytics", "torch", "supervision", "lap"),
}
RANDOM_WEIGHTS = (
    "the network has random weights, so its tracker is given the boxes of {}; the event F1 is"
    " that of its tracker with supervision's LineZone, given those boxes"
)


def main() -> None:
    options = _options()
    if options.hold:
        _hold(options)
        return
    clips = camera_clips() if options.camera_second else per_frame_clips()
    clips = [clip for clip in clips if not options.clips or clip.name in options.clips]
    if not clips:
        sys.exit("error: no such clip; without --clips all of them are played")
    answers = _measure(options, clips)
    rows = [
        row_of(clip, system, found, _note(system, options))
        for clip in clips
        for system in SYSTEMS
        if (found := answers.get((clip.name, system)))
    ]
    _show(options, rows)


def _measure(
    options: argparse.Namespace, clips: Sequence[SpeedClip]
) -> dict[tuple[str, str], list[Answer]]:
    """Run every system on every clip, repeat after repeat, another system first each time."""
    jobs = {clip.name: list(_jobs(options, clip)) for clip in clips}
    found: dict[tuple[str, str], list[Answer]] = defaultdict(list)
    for repeat in range(options.repeats):
        for clip in clips:
            jobs_here = jobs[clip.name]
            turn = repeat % len(jobs_here)
            for job in [*jobs_here[turn:], *jobs_here[:turn]]:
                _say(f"repeat {repeat + 1} of {options.repeats}: {clip.name}, {job.task}")
                try:
                    found[clip.name, job.task].append(run(job))
                except JobFailedError as error:
                    print(f"left out: {error}", file=sys.stderr)
    return found


def _jobs(options: argparse.Namespace, clip: SpeedClip) -> Iterator[Job]:
    """Yield a job for each system that can run here, all that it needs made ready."""
    fps = COUNTED_FPS if options.camera_second else clip.fps
    plain = Job(OURS, clip, fps, options.threads, tuple(options.cores))
    wanted = [OURS] if options.ours_only else options.systems
    if OURS in wanted:
        slower = min(clip.fps, COUNTED_FPS)
        yield replace(plain, fps=slower) if options.as_configured else plain
    net = library.network()
    for system in wanted:
        if system == OURS or not _possible(system, net):
            continue
        assert net
        if system == "library-fp32":
            yield replace(plain, task=system, network=net.name)
        else:
            yield _ultralytics_job(options, replace(plain, task=system), net)


def _possible(system: str, net: library.Network | None) -> bool:
    missing = [name for name in PACKAGES[system] if not importlib.util.find_spec(name)]
    if missing:
        print(f"left out: {system}, {', '.join(missing)} not installed", file=sys.stderr)
    elif net is None:
        print(f"left out: {system}, no fp32 network; {library.HOW_TO_GET}", file=sys.stderr)
    return not missing and net is not None


def _ultralytics_job(options: argparse.Namespace, job: Job, net: library.Network) -> Job:
    weights: Path = options.weights or networks.yolo_path(versions()["ultralytics"], ".pt")
    exported = weights.with_suffix(".onnx")
    if not (weights.exists() and exported.exists()):
        _say(f"preparing {weights.name}")
        task = "export-yolo" if options.weights else "make-yolo"
        run(replace(job, task=task, network=str(weights)))
    network = str(exported if job.task == "ultralytics-onnx" else weights)
    if options.weights:
        return replace(job, network=network)
    given = networks.given_path(job, net)
    if not given.exists():
        _say(f"looking for people in {job.clip.name} with {net.name}")
        run(replace(job, task="make-given", network=net.name, given=str(given)))
    return replace(job, network=network, given=str(given))


def _note(system: str, options: argparse.Namespace) -> str:
    net = library.network()
    if net is None or system == OURS:
        return ""
    if system == "library-fp32":
        return f"{net.name}, ByteTrack of `trackers`, LineZone of supervision, all with defaults"
    return "" if options.weights else RANDOM_WEIGHTS.format(f"{net.name} from {net.floor:g} up")


def _show(options: argparse.Namespace, rows: Sequence[Row]) -> None:
    if options.camera_second:
        title = f"a second of a 25 fps camera, {COUNTED_FPS:g} pictures of it looked at"
        parts = [(title, report.camera_cells(rows))]
    else:
        title = "every source picture looked at"
        if options.as_configured:
            title = f"{COUNTED_FPS:g} pictures a second looked at by ours, every one by the others"
        parts = [
            (title, report.per_frame_cells(rows)),
            ("processor time of each stage, ms a picture, p50 / p95", report.stage_cells(rows)),
        ]
    if options.markdown:
        mode = " --camera-second" if options.camera_second else ""
        report.write(options.markdown, report.document(parts, rows, _how(options)), mode)
    if options.json:
        print(json.dumps(rows))
        return
    console = Console(width=max(150, Console().width))
    for title, cells in parts:
        console.print(report.table(cells, title))
    for note in report.notes(rows):
        console.print(note)


def _how(options: argparse.Namespace) -> str:
    cores = ", ".join(str(core) for core in options.cores)
    return (
        f"Threads: {options.threads}, on core {cores}; medians of {options.repeats} repeats,"
        " the systems taking turns."
    )


def _hold(options: argparse.Namespace) -> None:
    clip = next(c for c in camera_clips() if c.name == "camera-busy-360p")
    cores = tuple(options.cores) if len(options.cores) > 1 else (0, 1)
    job = Job(OURS, clip, COUNTED_FPS, options.threads, cores)
    held = capacity.hold(job, options.hold, options.hold_s)
    text = (
        f"{held.cameras} cameras ({clip.name}, {COUNTED_FPS:g} of 25 pictures a second looked at)"
        f" at once for {held.seconds:g} s on cores {', '.join(map(str, cores))}:"
        f" {held.used_per_second:.2f} pictures a second and camera,"
        f" {100 * held.dropped_share:.2f} % of those due dropped,"
        f" {held.cores_busy:.2f} cores busy."
    )
    if options.markdown:
        report.write(options.markdown, text, " --hold")
    print(json.dumps(held.as_row()) if options.json else text)


def _say(what: str) -> None:
    if sys.stderr.isatty():
        print(what, file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    parser.add_argument(
        "--as-configured",
        action="store_true",
        help="ours at the rate of its default config, 8 a second; the others at every picture",
    )
    parser.add_argument("--camera-second", action="store_true")
    parser.add_argument("--hold", type=int, metavar="N", help="so many 360p cameras at once")
    parser.add_argument("--hold-s", type=float, default=20.0, help="for so many seconds")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="the same for all")
    parser.add_argument("--cores", type=int, nargs="+", default=[0])
    parser.add_argument("--clips", nargs="+", help="only these")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=SYSTEMS)
    parser.add_argument("--ours-only", action="store_true", help="leave the peers out")
    parser.add_argument("--weights", type=Path, help="real weights, e.g. yolo11n.pt")
    return parser.parse_args()


if __name__ == "__main__":
    main()
