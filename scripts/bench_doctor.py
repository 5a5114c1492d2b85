#!/usr/bin/env python3
"""Bad lines over labelled clips: whether the line doctor names the reason, and helps.

Every committed line is laid over every clip as it is (a false alarm if it is called bad) and
with each fault of accuracy/line_faults.py. A fault is *named* when its finding is there, and
*called bad* when the line is. Where another line would mend it, what the doctor suggests is
counted beside the bad line: passages counted right, and counted wrong or missed, each against
the labels of its own line; TUD's clips are too short and are left out, and so is KITTI-17,
whose camera moves.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from accuracy.clips import SHARED, Clip, known, labels_of, truth_of
from accuracy.detections import Footage, chosen_frames, detectors_of, footage
from accuracy.line_faults import FEW_FPS, Fault, Scene, faults
from accuracy.ours import follow

from edge.config_drawings import LineSection
from edge.line_doctor import Diagnosis, LineDoctor
from edge.line_findings import Code, Severity
from edge.scoring import Truth, pair
from edge.vocabulary import Crossing, Line, Outcome

MODEL = "nanodet-g-416-int8"
LEFT_OUT = ("TUD-Campus", "TUD-Stadtmitte", "KITTI-17")
HARMED = ("miss20", "mixed")
GOOD_ERROR = 0.10


@dataclass(frozen=True)
class Case:
    """One line over one clip. kind: the fault, or `good`; bad: codes that were called bad.

    right, wrong: passages by the labels over that very line. meant: those over the good line
    that the fault was made from; counted: how many were counted, both ways together.
    """

    clip: str
    detector: str
    line: str
    kind: str
    named: bool
    bad: tuple[str, ...]
    warned: tuple[str, ...]
    is_judged: bool
    right: int
    wrong: int
    meant: int = 0
    counted: int = 0
    suggested: bool = False
    suggested_right: int = 0
    suggested_wrong: int = 0
    suggested_counted: int = 0

    @property
    def error(self) -> float:
        return self.wrong / max(1, self.right + self.wrong)


def watched(seen: Footage, lines: Sequence[Line]) -> tuple[LineDoctor, list[Crossing], float]:
    """Run tracker, counter and doctor; return what was counted and ms a step of the doctor."""
    doctor = LineDoctor(lines)
    steps = follow(replace(seen, lines=lines))
    began = time.perf_counter()
    for tracks, _ in steps[:-1]:
        doctor.observe(tracks)
    cost_ms = 1000 * (time.perf_counter() - began) / max(1, len(steps) - 1)
    return doctor, [crossing for _, found in steps for crossing in found], cost_ms


def scored(truth: Truth, line: str, counted: Sequence[Crossing]) -> tuple[int, int]:
    """Return passages counted right, and those missed or counted falsely."""
    of_line = [tuple(c for c in pool if c.line == line) for pool in (truth.certain, truth.doubtful)]
    found = pair(Truth(*of_line), [c for c in counted if c.line == line])
    return len(found.matched), len(found.misses) + len(found.false_counts)


def codes(diagnosis: Diagnosis, severity: Severity) -> tuple[str, ...]:
    found = [f for f in diagnosis.findings if f.severity is severity]
    return tuple(str(f.code) for f in found if f.code is not Code.OBSERVED)


def good_cases(clip: Clip, seen: Footage) -> Iterator[Case]:
    doctor, counted, _ = watched(seen, seen.lines)
    for diagnosis in doctor.diagnoses():
        score = scored(seen.truth, diagnosis.line.id, counted)
        yield case_of(clip, seen, diagnosis, score)


def case_of(
    clip: Clip,
    seen: Footage,
    diagnosis: Diagnosis,
    score: tuple[int, int],
    fault: Fault | None = None,
) -> Case:
    bad, warned = codes(diagnosis, Severity.BAD), codes(diagnosis, Severity.WARN)
    line = diagnosis.line.id.split()[-1]
    kind = fault.kind if fault else "good"
    named = bool(set(fault.expected if fault else ()) & {*bad, *warned})
    judged = diagnosis.is_judged
    return Case(clip.name, seen.detector, line, kind, named, bad, warned, judged, *score)


@dataclass(frozen=True)
class Run:
    """A fault, what the doctor said, and what was counted with its line and a better one."""

    fault: Fault
    diagnosis: Diagnosis
    counted: Sequence[Crossing]
    better: Line | None

    def passages(self, line: Line) -> int:
        ways = (Outcome.IN, Outcome.OUT)
        return sum(c.line == line.id and c.outcome in ways for c in self.counted)


def fault_runs(clip: Clip, seen: Footage, few: Footage, lines: Sequence[Line]) -> Iterator[Run]:
    labels = labels_of(clip)
    used = chosen_frames(len(labels), clip.fps, seen.fps)
    labels = [labels[i] for i in used]
    for line in lines:
        scene = Scene(clip.name, labels, seen.samples, line, clip.size[0] / clip.size[1])
        for fault in faults(scene, few.samples):
            named = replace(fault.line, id=f"{fault.kind} {line.id}")
            yield fault_run(seen, replace(fault, line=named))


def fault_run(seen: Footage, fault: Fault) -> Run:
    harmed = replace(seen, samples=fault.samples)
    doctor, counted, _ = watched(harmed, [fault.line])
    (diagnosis,) = doctor.diagnoses()
    told = diagnosis.suggestion
    if not fault.of_place or told is None:
        return Run(fault, diagnosis, counted, None)
    section = {"id": "better", "points": told.points, "in": told.entry}
    better = replace(LineSection.model_validate(section).line(), id=f"better {fault.line.id}")
    _, again, _ = watched(harmed, [better])
    return Run(fault, diagnosis, [*counted, *again], better)


def fault_cases(clip: Clip, seen: Footage, few: Footage, lines: Sequence[Line]) -> Iterator[Case]:
    runs = list(fault_runs(clip, seen, few, lines))
    drawn = [r.fault.line for r in runs] + [r.better for r in runs if r.better]
    truth = truth_of(clip, drawn)
    for run in runs:
        score = scored(truth, run.fault.line.id, run.counted)
        case = case_of(clip, seen, run.diagnosis, score, run.fault)
        meant = sum(c.line == case.line for c in seen.truth.certain)
        case = replace(case, meant=meant, counted=run.passages(run.fault.line))
        if run.better is not None:
            right, wrong = scored(truth, run.better.id, run.counted)
            case = replace(
                case,
                suggested=True,
                suggested_right=right,
                suggested_wrong=wrong,
                suggested_counted=run.passages(run.better),
            )
        yield case


def all_cases(clips: Sequence[Clip], fps: float) -> list[Case]:
    cases: list[Case] = []
    for clip in clips:
        if clip.name in LEFT_OUT:
            continue
        real = [d for d in detectors_of(clip, MODEL) if d in clip.texts or d in (MODEL, "labels")]
        for detector in (*real, *HARMED):
            seen = footage(clip, detector, fps, clips)
            good = list(good_cases(clip, seen))
            cases += good
            if detector in HARMED:
                continue
            few = footage(clip, detector, FEW_FPS, clips)
            fine = {c.line for c in good if not c.bad and c.is_judged}
            cases += fault_cases(clip, seen, few, [i for i in seen.lines if i.id in fine])
    return cases


def show(cases: Sequence[Case]) -> None:
    show_good([c for c in cases if c.kind == "good"])
    by_kind: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        if case.kind != "good":
            by_kind[case.kind].append(case)
    print("\nFaults: named / called bad / cases; what was said instead, clips with the rest")
    for kind, group in sorted(by_kind.items(), key=lambda row: share_named(row[1])):
        show_named(kind, group)
    print("\nSuggestions: passages right + wrong with the bad line → with the suggested one")
    for kind, group in by_kind.items():
        show_gain(kind, group)


def show_good(good: Sequence[Case]) -> None:
    print("Committed lines as they are, called bad / all, worst first (share counted wrong)")
    rows: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for case in good:
        rows[case.clip, case.detector].append(case)
    for (clip, detector), group in sorted(rows.items(), key=lambda row: -share_bad(row[1])):
        why = "; ".join(f"{c.line} {' '.join(c.bad)} ({c.error:.0%})" for c in group if c.bad)
        print(f"  {clip:<15} {detector:<19} {sum(bool(c.bad) for c in group)}/{len(group)}  {why}")
    right = [c for c in good if c.error <= GOOD_ERROR]
    wrong = [c for c in good if c.error > GOOD_ERROR]
    for name, group in (("at most", right), ("more than", wrong)):
        bad = sum(bool(c.bad) for c in group)
        print(f"  {name} {GOOD_ERROR:.0%} counted wrong: {bad} of {len(group)} called bad")


def show_named(kind: str, group: Sequence[Case]) -> None:
    other: dict[str, int] = defaultdict(int)
    missed: dict[str, int] = defaultdict(int)
    for case in group:
        if not case.named:
            other[" ".join((*case.bad, *case.warned)) or "nothing"] += 1
            missed[f"{case.clip} {case.detector}"] += 1
    told = ", ".join(f"{n} × {name}" for name, n in ranked(other))
    where = ", ".join(f"{name} {n}" for name, n in ranked(missed))
    named, bad = sum(c.named for c in group), sum(bool(c.bad) for c in group)
    print(f"  {kind:<14} {named:>3} / {bad:>3} / {len(group):<4} {told}")
    if where:
        print(f"{'':<33}{where}")


def show_gain(kind: str, group: Sequence[Case]) -> None:
    some = [c for c in group if c.suggested]
    if not some:
        return
    worse = [c for c in some if c.suggested_right - c.suggested_wrong < c.right - c.wrong]
    print(
        f"  {kind:<14} {len(some):>3} of {len(group):<3}"
        f" {total(some, 'right'):>5} + {total(some, 'wrong'):<4} →"
        f" {total(some, 'suggested_right'):>5} + {total(some, 'suggested_wrong'):<4}"
        f" wrong {rate(some, ''):.1%} → {rate(some, 'suggested_'):.1%};"
        f" off what was meant {off(some, 'counted'):.0%} → {off(some, 'suggested_counted'):.0%};"
        f" worse in {len(worse)}:"
        f" {', '.join(f'{c.clip} {c.detector} {c.line}' for c in worse)}"
    )


def ranked(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda row: -row[1])


def share_bad(group: Sequence[Case]) -> float:
    return sum(bool(c.bad) for c in group) / len(group)


def share_named(group: Sequence[Case]) -> float:
    return sum(c.named for c in group) / len(group)


def total(group: Sequence[Case], name: str) -> int:
    return sum(getattr(case, name) for case in group)


def rate(group: Sequence[Case], prefix: str) -> float:
    wrong = total(group, f"{prefix}wrong")
    return wrong / max(1, wrong + total(group, f"{prefix}right"))


def off(group: Sequence[Case], name: str) -> float:
    """Median over cases of how far the count is from the passages over the line that was meant."""
    return float(np.median([abs(getattr(c, name) - c.meant) / max(1, c.meant) for c in group]))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shared", type=Path, default=SHARED, help="the labelled clips")
    parser.add_argument("--fps", type=float, default=8.0, help="pictures used a second")
    parser.add_argument("--clip", help="only this one")
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args(argv)
    clips = known(options.shared)
    if not clips:
        print(f"no labelled clips under {options.shared}", file=sys.stderr)
        return 1
    chosen = [c for c in clips if options.clip in (None, c.name)]
    cases = all_cases(chosen, options.fps)
    if options.json:
        print(json.dumps([asdict(case) for case in cases], indent=1))
    else:
        show(cases)
    return 0


if __name__ == "__main__":
    sys.exit(main())
