"""The pure parts of `scripts/bench doctor`; ../shared is not needed."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import bench_doctor
from accuracy.clips import Labels
from accuracy.detections import Footage, Sample
from accuracy.line_faults import OCCLUDER_HEIGHTS, SMALL, Scene, faults

from edge.scoring import Truth
from edge.vocabulary import Crossing, Detections, Line, Outcome

LINE = Line("door", ((0.1, 0.6), (0.9, 0.6)), 1)
FPS, HEIGHT, PEOPLE = 8, 0.2, 12


def samples():
    """Twelve people, one after the other, down the picture and out of it at the right border."""
    for number in range(PEOPLE):
        x = 0.3 + 0.03 * number
        for k in range(40):
            y = 0.3 + 0.6 * k / 30
            spot = (x, y) if k <= 30 else (x + (k - 30) * 0.1 * (1 - x + 0.05), 0.9)
            yield number, spot


def scene():
    labels, seen = [], []
    for k, (number, (x, y)) in enumerate(samples()):
        box = np.array([[x - 0.03, y - HEIGHT, x + 0.03, y]], np.float32)
        labels.append(Labels(np.array([number], np.float32), box))
        seen.append(Sample(k / FPS, Detections(box, np.ones(1, np.float32), 1.0)))
    return Scene("made up", labels, seen, LINE, 1.0)


@pytest.fixture(scope="module")
def made():
    return {fault.kind: fault for fault in faults(scene(), scene().samples[::4])}


def doctored(fault):
    seen = Footage(
        "made up", "labels", FPS, (100, 100), [fault.line], Truth(()), fault.samples, 0.5
    )
    return bench_doctor.fault_run(seen, fault)


def test_where_the_faults_are(made):
    assert len(made) == 10
    assert made["never-reached"].line.points == (
        (0.2, pytest.approx(0.2)),
        (0.8, pytest.approx(0.2)),
    )
    assert made["near-edge"].line.points[0][0] == pytest.approx(0.985)
    assert [x for x, _ in made["lengthwise"].line.points] == pytest.approx([0.5, 0.5])
    assert made["ends-short"].line.points[1][0] == pytest.approx(0.465, abs=0.03)
    heights = [b[3] - b[1] for s in made["small"].samples for b in s.detections.boxes]
    assert np.median(heights) == pytest.approx(SMALL)
    feet = np.concatenate([s.detections.boxes for s in made["occluder"].samples])[:, 3]
    assert (np.abs(feet - 0.6) >= OCCLUDER_HEIGHTS * HEIGHT - 1e-6).all()
    feet = np.concatenate([s.detections.boxes for s in made["door"].samples])[:, 3]
    assert (feet >= 0.6 - 1e-6).all() or (feet <= 0.6 + 1e-6).all()


@pytest.mark.parametrize("kind", ["ends-short", "door", "few-pictures", "small", "steep"])
def test_they_are_named(made, kind):
    run = doctored(made[kind])
    said = {str(finding.code) for finding in run.diagnosis.findings}
    assert said & set(made[kind].expected)
    assert (run.better is not None) == made[kind].of_place


def test_only_what_was_counted_on_the_line_is_scored():
    truth = Truth((Crossing("a", Outcome.IN, 1.0), Crossing("b", Outcome.IN, 1.0)))
    counted = [
        Crossing("a", Outcome.IN, 1.2),
        Crossing("a", Outcome.OUT, 5.0),
        Crossing("b", Outcome.IN, 9.0),
    ]
    assert bench_doctor.scored(truth, "a", counted) == (1, 1)
    assert bench_doctor.scored(truth, "b", counted) == (0, 2)
