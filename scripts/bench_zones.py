#!/usr/bin/env python3
"""Zones against labelled clips: presence, peak, arrivals and mean stay, worst clip first.

The truth is told from the labels alone, without the product's rule: presence is the number
of labelled people whose feet are inside the outline, summed over time; the peak is the most
of them at once; a visit is a label's stay of half a second or more, where being outside for
less does not end it, and who is inside in the first picture has not arrived.

The zones follow from the labels by one rule for every clip: the rectangle of the middle four
fifths of all feet, its left and right half, its upper and lower half, and its middle ninth.
The thresholds of `edge.zones` were
chosen on all these clips together, so the figures are not of clips never seen before.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from accuracy.clips import SHARED, Clip, Labels, known, labels_of
from accuracy.degrade import HARMS, LABEL_SCORE, degrade
from accuracy.detections import by_model, chosen_frames, from_text, sure_score

from edge.aggregation import Aggregator
from edge.tracking import Tracker, TrackerSettings
from edge.vocabulary import Detections, FloatArray, Provenance, TimeQuality, Zone, ZoneSums
from edge.zones import ZoneCounter

MODEL = "nanodet-g-416-int8"
LABELS = "labels"
VISIT_S = 0.5
HARMED_S = 60.0
SHORT_S = 9.0
Rectangle = tuple[float, float, float, float]


@dataclass(frozen=True)
class Footage:
    """One clip as one detector sees it: times, detections and labels of the used pictures."""

    clip: Clip
    detector: str
    times: list[float]
    seen: list[Detections]
    labels: list[Labels]
    sure: float


@dataclass(frozen=True)
class Truth:
    """What the labels say of one zone."""

    presence_s: float
    peak: int
    arrivals: int
    departures: int


@dataclass(frozen=True)
class Row:
    """One clip and detector, all zones together; peaks are told minus true, zone by zone."""

    clip: str
    detector: str
    seconds: float
    presence_s: float
    true_presence_s: float
    error_percent: float
    worst_zone_percent: float
    peaks: list[int]
    arrivals: int
    true_arrivals: int
    departures: int
    true_departures: int
    stay_s: float | None
    true_stay_s: float | None


def feet(people: Labels) -> FloatArray:
    return np.stack([(people.boxes[:, 0] + people.boxes[:, 2]) / 2, people.boxes[:, 3]], axis=1)


def rectangles(labels: Sequence[Labels]) -> dict[str, Rectangle]:
    spots = np.concatenate([feet(people) for people in labels])
    x0, y0 = map(float, np.quantile(spots, 0.1, axis=0))
    x1, y1 = map(float, np.quantile(spots, 0.9, axis=0))
    xm, ym, dx, dy = (x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / 3, (y1 - y0) / 3
    return {
        "whole": (x0, y0, x1, y1),
        "left": (x0, y0, xm, y1),
        "right": (xm, y0, x1, y1),
        "upper": (x0, y0, x1, ym),
        "lower": (x0, ym, x1, y1),
        "middle": (x0 + dx, y0 + dy, x1 - dx, y1 - dy),
    }


def zone_of(name: str, at: Rectangle) -> Zone:
    x0, y0, x1, y1 = at
    return Zone(name, ((x0, y0), (x1, y0), (x1, y1), (x0, y1)))


def truth_of(footage: Footage, at: Rectangle) -> Truth:
    inside = []
    stays: dict[float, list[list[float]]] = defaultdict(list)
    for time, people in zip(footage.times, footage.labels, strict=True):
        spots = feet(people)
        within = (spots > at[:2]).all(axis=1) & (spots < at[2:]).all(axis=1)
        inside.append(int(within.sum()))
        for number in people.ids[within]:
            runs = stays[float(number)]
            if runs and time - runs[-1][1] < VISIT_S:
                runs[-1][1] = time
            else:
                runs.append([time, time])
    begin, end = footage.times[0], footage.times[-1]
    visits = [r for runs in stays.values() for r in runs if r[1] - r[0] >= VISIT_S]
    steps = zip(inside, pairwise(footage.times), strict=False)
    return Truth(
        sum(count * (b - a) for count, (a, b) in steps),
        max(inside),
        sum(first > begin for first, _ in visits),
        sum(last < end for _, last in visits),
    )


def counted(footage: Footage, zones: Sequence[Zone]) -> list[ZoneSums]:
    """Run the product's tracker, zone counter and aggregator."""
    tracker = Tracker(TrackerSettings(sure_score=footage.sure))
    counter = ZoneCounter(zones)
    aggregator = Aggregator([], 10**12, 0, zones=zones)
    now_ms = 0
    for at, seen in zip(footage.times, footage.seen, strict=True):
        now_ms = round(at * 1000)
        tracks = tracker.update(seen, at)
        watched = aggregator.watch(now_ms)
        aggregator.occupy(now_ms, counter.update(tracks, watched=watched))
    aggregator.occupy(now_ms, counter.finish())
    buckets = aggregator.finish(now_ms, TimeQuality.NTP, Provenance("bench", "bench"))
    return [bucket.sums or ZoneSums() for bucket in buckets]


def footages(clip: Clip, clips: Sequence[Clip], fps: float) -> Iterator[Footage]:
    labels, default = labels_of(clip), TrackerSettings().sure_score
    aspect = clip.size[0] / clip.size[1]
    true = [
        Detections(p.boxes, np.full(len(p.boxes), LABEL_SCORE, np.float32), aspect) for p in labels
    ]
    sources = {LABELS: (true, default)}
    if clip.pictures is not None and clip.pictures.exists():
        sources[MODEL] = by_model(clip, MODEL)
    for name, path in clip.texts.items():
        others = [other for other in clips if other.name != clip.name]
        sources[name] = from_text(path, clip), sure_score(others, name)
    for name, (every, sure) in sources.items():
        used = [i for i in chosen_frames(len(labels), clip.fps, fps) if i < len(every)]
        times = [i / clip.fps for i in used]
        yield Footage(clip, name, times, [every[i] for i in used], [labels[i] for i in used], sure)
    short = labels[: int(HARMED_S * clip.fps)]
    used = chosen_frames(len(short), clip.fps, fps)
    kept, times = [short[i] for i in used], [i / clip.fps for i in used]
    for name, harm in HARMS.items():
        seen = degrade(kept, min(fps, clip.fps), aspect, harm, f"{clip.name} {name} {fps:g}")
        yield Footage(clip, name, times, seen, kept, default)


def measured(footage: Footage, places: dict[str, Rectangle]) -> Row:
    told = counted(footage, [zone_of(name, at) for name, at in places.items()])
    true = [truth_of(footage, at) for at in places.values()]
    presence_s, true_s = sum(t.presence_ms for t in told) / 1000, sum(t.presence_s for t in true)
    errors = [
        100 * (t.presence_ms / 1000 / s.presence_s - 1)
        for t, s in zip(told, true, strict=True)
        if s.presence_s > 5
    ]
    arrivals, true_arrivals = sum(t.arrivals for t in told), sum(t.arrivals for t in true)
    return Row(
        footage.clip.name,
        footage.detector,
        footage.times[-1],
        presence_s,
        true_s,
        100 * (presence_s / true_s - 1),
        max(errors, key=abs),
        [t.peak - s.peak for t, s in zip(told, true, strict=True)],
        arrivals,
        true_arrivals,
        sum(t.departures for t in told),
        sum(t.departures for t in true),
        presence_s / arrivals if arrivals else None,
        true_s / true_arrivals if true_arrivals else None,
    )


def kind(row: Row) -> str:
    if row.detector == LABELS:
        return "true boxes"
    return "degraded boxes" if row.detector in HARMS else "real detectors"


def show(rows: Sequence[Row]) -> None:
    print(
        f"{'clip':<15} {'detector':<19} {'presence':>9} {'worst zone':>10} {'came':>9} {'left':>9}"
        f" {'mean stay':>13}  peak minus true peak, six zones"
    )
    for r in rows:
        stay = "-" if r.stay_s is None else f"{r.stay_s:.1f}"
        true = "-" if r.true_stay_s is None else f"{r.true_stay_s:.1f}"
        print(
            f"{r.clip:<15} {r.detector:<19} {r.error_percent:+8.1f}% {r.worst_zone_percent:+9.1f}%"
            f" {r.arrivals:>4}/{r.true_arrivals:<4} {r.departures:>4}/{r.true_departures:<4}"
            f" {stay:>6}/{true:<6}  {' '.join(f'{p:+d}' for p in r.peaks)}"
        )
    print(f"\nclips of at least {SHORT_S:g} s, every clip and detector alike:")
    for name in ("true boxes", "real detectors", "degraded boxes"):
        some = [r for r in rows if kind(r) == name and r.seconds >= SHORT_S]
        if not some:
            continue
        peaks = [p for r in some for p in r.peaks]
        errors = [r.error_percent for r in some]
        print(
            f"  {name:<15} presence mean {np.mean(errors):+.1f} %, mean absolute"
            f" {np.mean(np.abs(errors)):.1f} %; peak mean {np.mean(peaks):+.2f}, mean absolute"
            f" {np.mean(np.abs(peaks)):.2f}; arrivals {sum(r.arrivals for r in some)}"
            f" of {sum(r.true_arrivals for r in some)}"
        )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shared", type=Path, default=SHARED, help="the labelled clips")
    parser.add_argument("--fps", type=float, default=8.0, help="pictures used a second")
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args(argv)
    clips = known(options.shared)
    if not clips:
        print(f"no labelled clips under {options.shared}", file=sys.stderr)
        return 1
    rows = []
    for clip in clips:
        places = rectangles(labels_of(clip))
        rows += [measured(footage, places) for footage in footages(clip, clips, options.fps)]
    rows.sort(key=lambda r: -abs(r.error_percent))
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
    else:
        show(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
