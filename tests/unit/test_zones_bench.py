"""The pure parts of `scripts/bench zones`; ../shared is not needed."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import bench_zones
from accuracy.clips import Clip, Labels
from accuracy.degrade import LABEL_SCORE

from edge.vocabulary import Detections

ZONE = (0.4, 0.4, 0.8, 0.8)
FPS = 10
CLIP = Clip("made up", FPS, (100, 100), Path("none"))


def people(*places):
    """One picture: a label per place, None where there is none."""
    shown = [(number, place) for number, place in enumerate(places, start=1) if place]
    boxes = [(x - 0.03, y - 0.2, x + 0.03, y) for _, (x, y) in shown]
    return Labels(
        np.array([number for number, _ in shown], np.float32),
        np.array(boxes, np.float32).reshape(-1, 4),
    )


def footage(pictures):
    seen = [
        Detections(p.boxes, np.full(len(p.boxes), LABEL_SCORE, np.float32), 1.0) for p in pictures
    ]
    times = [k / FPS for k in range(len(pictures))]
    return bench_zones.Footage(CLIP, bench_zones.LABELS, times, seen, pictures, 0.5)


def walk(t):
    """Stand outside for 5 s, walk in and stand for 10 s, walk out."""
    x = 0.2 + 0.4 * min(max(t - 5, 0), 1) - 0.4 * min(max(t - 16, 0), 1)
    return (x, 0.6)


def test_the_truth_is_told_from_the_labels():
    there = (0.6, 0.6)
    blink = [None, (0.2, 0.6), there]  # steps out for a moment, and passes through in a moment
    pictures = [people(there, there if 20 <= k < 50 else blink[k % 2]) for k in range(100)]
    truth = bench_zones.truth_of(footage(pictures), ZONE)
    assert truth == bench_zones.Truth(pytest.approx(9.9 + 3), 2, 1, 1)


def test_the_product_agrees_with_the_truth_of_a_simple_walk():
    row = bench_zones.measured(
        footage([people(walk(k / FPS)) for k in range(250)]), {"whole": ZONE}
    )
    assert row.true_presence_s == pytest.approx(11, abs=0.2)
    assert row.presence_s == pytest.approx(row.true_presence_s, abs=0.3)
    assert (row.peaks, row.arrivals, row.departures) == ([0], 1, 1)
    assert (row.true_arrivals, row.true_departures) == (1, 1)


def test_zones_follow_from_the_labels():
    grid = [people(*((x / 10, y / 10) for x in range(11) for y in range(11)))]
    places = bench_zones.rectangles(grid)
    assert places["whole"] == pytest.approx((0.1, 0.1, 0.9, 0.9))
    assert places["lower"] == pytest.approx((0.1, 0.5, 0.9, 0.9))
    assert places["middle"] == pytest.approx(
        (0.1 + 0.8 / 3, 0.1 + 0.8 / 3, 0.9 - 0.8 / 3, 0.9 - 0.8 / 3)
    )


def test_without_labelled_clips_it_says_so(tmp_path, capsys):
    assert bench_zones.main(["--shared", str(tmp_path)]) == 1
    assert "no labelled clips" in capsys.readouterr().err
