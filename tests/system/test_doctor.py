"""`lobbycount doctor speed` on this machine, with the shipped model and a spoilt one."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from edge.adapters.detectors import providers_of
from edge.adapters.model_catalog import load_catalog
from edge.speed_verb import thread_counts

MODELS = Path("models")
NEED_A_DEVICE = ("cuda", "tensorrt")
"""They can be installed where there is no GPU; then they are told, and not recommended."""


def speed(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "edge", "doctor", "speed", "--seconds", "5", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "COLUMNS": "80", **environment},
    )


@pytest.fixture
def spoilt(tmp_path):
    """The shipped model with a floor so high that it finds too few of the drawn people."""
    for name in ("catalog.toml", "nanodet-g-416-int8.onnx"):
        shutil.copy(MODELS / name, tmp_path)
    catalog = tmp_path / "catalog.toml"
    text = catalog.read_text("utf-8")
    assert "score_floor = 0.3\n" in text
    catalog.write_text(text.replace("score_floor = 0.3\n", "score_floor = 0.8\n"), "utf-8")
    return {"LOBBYCOUNT_MODELS": str(tmp_path)}


def test_what_a_program_reads():
    done = speed("--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["input_size"] == [416, 256]
    tried = {(item["provider"], item["threads"]) for item in report["timings"]}
    assert {("cpu", count) for count in thread_counts(report["cores"])} <= tried
    assert {provider for provider, _ in tried} >= set(providers_of(load_catalog(MODELS).entry()))
    for item in report["timings"]:
        if item["provider"] in NEED_A_DEVICE and item["wall_ms"] is None:
            assert "cannot be used" in item["trouble"]
            continue
        assert item["trouble"] is None
        assert item["wall_ms"] > 0
        assert item["cpu_ms"] > 0
    chosen = report["advice"]
    assert (chosen["provider"], chosen["threads"]) in tried


def test_what_a_person_reads_can_be_pasted(tmp_path):
    done = speed()
    assert done.returncode == 0, done.stderr
    assert "同 same" in done.stdout
    assert "建议" in done.stdout
    pasted = YAML(typ="safe").load(done.stdout[done.stdout.rindex("camera:\n") :])
    good = Path("tests/contract/configs/00-good.yaml").read_text("utf-8")
    document = YAML(typ="safe").load(good)
    document["camera"] |= pasted["camera"]
    document["model"] = pasted["model"]
    path = tmp_path / "lobby.yaml"
    YAML().dump(document, path)
    check = [sys.executable, "-m", "edge", "check", str(path)]
    checked = subprocess.run(check, capture_output=True, text=True, check=False, timeout=60)
    assert checked.returncode == 0, checked.stderr


def test_what_a_config_looks_at(tmp_path):
    good = Path("tests/contract/configs/00-good.yaml").read_text("utf-8")
    camera = "camera: {source: /dev/video0, fps: 8, person_height: 0.1}\n"
    document = YAML(typ="safe").load(good)
    document["camera"] = YAML(typ="safe").load(camera)["camera"]
    path = tmp_path / "lobby.yaml"
    YAML().dump(document, path)
    report = json.loads(speed("--json", "--config", path, "--size", "640x360").stdout)
    # The line and two heights around it are 528 of the 640 pixels wide and 144 of the 360 high.
    assert report["input_size"] == [544, 160]


def test_who_finds_other_people_is_not_recommended(spoilt):
    done = speed(**spoilt)
    assert done.returncode == 1
    assert "nanodet-g-416-int8, cpu: misses 2 of 3 people" in done.stdout
    assert "异 other" in done.stdout
    assert "camera:\n" not in done.stdout
    assert json.loads(speed("--json", **spoilt).stdout)["advice"] is None


@pytest.mark.parametrize("size", ["big", "0x10", "1280", "1x1"])
def test_a_size_that_is_none(size):
    done = speed("--size", size)
    assert done.returncode == 2
    assert f"--size {size}: must be width x height" in done.stderr


def test_a_config_that_is_not_there(tmp_path):
    assert speed("--config", tmp_path / "none.yaml").returncode == 2


@pytest.mark.parametrize(
    ("cores", "counts"),
    [
        (1, [1]),
        (2, [1, 2]),
        (4, [1, 2, 3, 4]),
        (8, [1, 2, 3, 4, 6, 8]),
        (64, [1, 2, 3, 4, 6, 8, 12, 16]),
    ],
)
def test_the_threads_that_are_tried(cores, counts):
    assert thread_counts(cores) == counts
