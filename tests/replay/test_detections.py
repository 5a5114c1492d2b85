"""Detections as text in, records out: the same bytes every run and on every machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge.adapters.detections_mot import MotDetections
from edge.config import load
from edge.errors import BadInputError
from edge.replay import ReplayOptions, replay

DETECTIONS = Path("tests/data/vtest.det.txt")
GOLDEN = Path(__file__).with_name("vtest.det.records.json")
DEMO = Path("config/demo.yaml")
OPTIONS = ReplayOptions(size=(768, 576), clip_fps=5.0, interval_s=10)


def bodies():
    return [record.body for record in replay(load(DEMO), DETECTIONS, OPTIONS).records]


def test_the_records_are_those_that_were_kept():
    assert "\n".join(bodies()) + "\n" == GOLDEN.read_text("utf-8")


def test_frames_keep_the_time_of_the_clip_and_empty_ones_are_frames(tmp_path):
    path = tmp_path / "det.txt"
    path.write_text("2,-1,10,20,30,40,0.9\n9 -1 10 20 30 40 -1 -1 -1 -1\n\n", "utf-8")
    source = MotDetections(path, (100, 200), 10.0, 5.0)
    frames = list(source.frames())
    assert [(f.index, f.at) for f in frames] == [(0, 0.0), (2, 0.2), (4, 0.4), (6, 0.6), (8, 0.8)]
    assert [len(source.detect(f)) for f in frames] == [0, 0, 0, 0, 1]
    (last,) = source.detect(frames[-1]).boxes
    assert last == pytest.approx([0.1, 0.1, 0.4, 0.3])
    assert source.detect(frames[-1]).scores == pytest.approx([1.0])
    assert frames[0].aspect == 0.5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,-1,10,20,30,40", ":1: 6 fields where at least 7 are needed"),
        ("1,-1,10,20,30,40,0.9\n1,-1,a,20,30,40,0.9", ":2: could not convert string to float"),
        ("0,-1,10,20,30,40,0.9", ":1: frame 0 is not a whole number from 1 on"),
        ("1,-1,10,20,-3,40,0.9", ":1: a box of -3 × 40 pixels has no area"),
        ("1,-1,10,20,30,40,90", ":1: score 90 is not between 0 and 1"),
        ("1,-1,10,20,30,nan,0.9", ":1: a field is not a finite number"),
        ("", "there are no detections in it"),
    ],
)
def test_a_bad_row_is_told_with_its_line_and_an_example(tmp_path, text, said):
    path = tmp_path / "det.txt"
    path.write_text(text, "utf-8")
    with pytest.raises(BadInputError) as error:
        MotDetections(path, (100, 200), 10.0)
    assert f"{path}" in str(error.value)
    assert said in str(error.value)
    assert "e.g. 1,-1,12.5" in str(error.value)


def test_no_file_and_no_text_are_told(tmp_path):
    binary = tmp_path / "det.txt"
    binary.write_bytes(b"\xff\xfe\x00\x81")
    for path, said in ((tmp_path / "none.txt", "No such file"), (binary, "not a text file")):
        with pytest.raises(BadInputError, match=said):
            MotDetections(path, (100, 200), 10.0)


def test_without_size_and_rate_the_example_is_shown():
    with pytest.raises(BadInputError, match="--size 768x576 --clip-fps 10"):
        replay(load(DEMO), DETECTIONS, ReplayOptions())


def test_the_command_in_another_process_gives_the_same_records():
    options = ["--size", "768x576", "--clip-fps", "5", "--interval", "10", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "edge", "replay", DETECTIONS, "-c", DEMO, *options],
        capture_output=True,
        text=True,
        check=True,
    )
    records = json.loads(done.stdout)["records"]
    assert records == [json.loads(body) for body in bodies()]
