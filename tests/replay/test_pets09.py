"""Accuracy on real footage must not fall. The figures to quote come from scripts/bench."""

from pathlib import Path

import pytest

from edge.assembly import configured_lines
from edge.config import load
from edge.replay import ReplayOptions, replay
from edge.scoring import load_truth, overall, score, total_count_error

DATA = Path("tests/data")
SHARED = Path("../shared/data/pets09-s2l1")


@pytest.mark.parametrize(
    ("clip", "truth"),
    [
        (DATA / "vtest.mp4", DATA / "vtest.truth.json"),
        (SHARED / "vtest.avi", SHARED / "gt.txt"),
    ],
    ids=["bundled", "original"],
)
def test_eight_lines_are_counted_right(clip, truth):
    if not clip.exists():
        pytest.skip(f"{clip} is not here; it is not part of the repository")
    config = load(DATA / "pets09-eight-lines.yaml")
    lines = configured_lines(config)
    result = replay(config, clip, ReplayOptions())
    true = load_truth(truth, lines, 10.0, (768, 576))
    scores = score(true, result.live, [line.id for line in lines])
    assert result.frames == 795
    assert sum(s.true for s in scores) == 211
    assert total_count_error(scores) <= 0.10
    assert overall(scores).f1 >= 0.93
