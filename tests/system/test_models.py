"""`lobbycount models list` and `verify` as a person runs them; a device with its own model."""

import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from onnx import TensorProto, helper

from edge.adapters.model_catalog import add_own, load_catalog, shipped_folder
from edge.detection import Family, Head

CLIP = Path("tests/data/vtest.mp4").absolute()
CONFIG = """
device: {{tenant: t, id: own}}
camera: {{source: {clip}, fps: 10}}
model: {{name: {name}, folder: {folder}}}
lines: [{{id: door, points: [[0.52, 0.32], [0.52, 0.70]], in: right}}]
records: {{data_dir: {folder}/data}}
mqtt: {{host: 127.0.0.1, port: 1, insecure_lab: true}}
"""


def lobbycount(*arguments):
    command = [sys.executable, "-m", "edge", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def states(run):
    return {each["name"]: each for each in json.loads(run.stdout)}


@pytest.fixture
def own(tmp_path):
    """A folder with the shipped network under a name and a file of its own."""
    shipped = load_catalog(shipped_folder())
    mine = dataclasses.replace(shipped.entry(), name="mine", file="mine.onnx", shipped=False)
    add_own(tmp_path, mine)
    shutil.copy(shipped.path(shipped.entry()), tmp_path / "mine.onnx")
    return tmp_path


def odd_model(nodes):
    """Make an end-to-end network that answers with what these nodes make of the picture's mean."""
    size = helper.make_tensor("shape", TensorProto.INT64, (3,), (1, 2, 6))
    zero = helper.make_tensor("zero", TensorProto.FLOAT, (), [0])
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["picture"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["pixels"], ["mean"], keepdims=0),
            *nodes,
            helper.make_node("Expand", ["odd", "shape"], ["rows"]),
        ],
        "odd",
        [helper.make_tensor_value_info("picture", TensorProto.UINT8, (1, 416, 416, 3))],
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, (1, 2, 6))],
        [size, zero],
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def add_odd(folder, content):
    (folder / "odd.onnx").write_bytes(content)
    mine = load_catalog(folder).entry("mine")
    entry = dataclasses.replace(
        mine,
        input=dataclasses.replace(mine.input, any_multiple_of=0),
        name="odd",
        file="odd.onnx",
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        head=Head(Family.ULTRALYTICS_E2E, (), 80, 0, rows=2),
        nms_iou=None,
    )
    add_own(folder, entry)


def test_list_tells_what_is_here_and_how_to_get_the_others(own):
    run = lobbycount("models", "list", "--folder", own, "--json")
    assert run.returncode == 0, run.stderr
    told = states(run)
    assert told["nanodet-g-416-int8"]["state"] == "here"
    assert [name for name, each in told.items() if each["default"]] == ["nanodet-g-416-int8"]
    assert told["mine"] | {"state": "here", "file": f"{own}/mine.onnx"} == told["mine"]
    assert told["yolox-nano-416"]["state"] == "not here"
    assert told["yolox-tiny-416"] | {"state": "no hash", "sha256": None} == told["yolox-tiny-416"]
    assert told["yolox-tiny-416"]["url"].endswith("/0.1.1rc0/yolox_tiny.onnx")
    shown = lobbycount("models", "list", "--folder", own).stdout
    assert "AGPL-3.0" in shown
    assert str(own) in shown.replace("\n", "")


def test_verify_runs_every_model_that_is_here(own):
    run = lobbycount("models", "verify", "--folder", own, "--clip", CLIP, "--json")
    assert run.returncode == 0, run.stderr
    told = states(run)
    assert set(told) == {"nanodet-g-416-int8", "mine"}
    for each in told.values():
        # Three people cross the first picture; two more stand far behind.
        assert (each["state"], each["people"]) == ("ok", 5)
        assert each["ms"] > 0
    alone = lobbycount("models", "verify", "mine", "--folder", own)
    assert alone.returncode == 0, alone.stderr
    assert "a31910437f86" in alone.stdout


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "3866216 bytes but should have"),
        (lambda path: path.write_bytes(bytes(3866225)), "has SHA-256"),
    ],
    ids=["missing", "short", "other"],
)
def test_verify_names_what_is_wrong_with_a_file(own, damage, said):
    damage(own / "mine.onnx")
    run = lobbycount("models", "verify", "mine", "--folder", own)
    assert run.returncode == 1
    assert said in run.stderr.replace("\n", " ")
    assert "lobbycount models pull mine" in run.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ([helper.make_node("Div", ["mean", "zero"], ["odd"])], "answers a test picture with what"),
        (
            [
                helper.make_node("Cast", ["mean"], ["many"], to=TensorProto.INT64),
                helper.make_node("Gather", ["shape", "many"], ["found"]),
                helper.make_node("Cast", ["found"], ["odd"], to=TensorProto.FLOAT),
            ],
            "fails while running",
        ),
    ],
    ids=["not-a-number", "fails"],
)
def test_verify_looks_at_the_answer_too(own, nodes, said):
    add_odd(own, odd_model(nodes))
    run = lobbycount("models", "verify", "--folder", own, "--json")
    assert run.returncode == 1
    told = states(run)
    assert (told["odd"]["state"], told["mine"]["state"]) == ("bad", "ok")
    assert said in told["odd"]["problem"]


def test_verify_of_what_nobody_knows(own, tmp_path):
    run = lobbycount("models", "verify", "yolov99", "--folder", own)
    assert (run.returncode, run.stderr.count("\n")) == (2, 1)
    run = lobbycount("models", "verify", "--folder", own, "--clip", own / "catalog.toml")
    assert (run.returncode, run.stderr.count("\n")) == (2, 1)


@pytest.fixture
def short_clip(tmp_path):
    path = tmp_path / "short.mp4"
    capture = cv2.VideoCapture(str(CLIP))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (768, 576))
    for _ in range(20):
        writer.write(capture.read()[1])
    writer.release()
    return path


def test_a_device_counts_with_a_model_of_its_own(own, short_clip):
    config = own / "lobby.yaml"
    config.write_text(CONFIG.format(clip=short_clip, name="mine", folder=own), "utf-8")
    run = lobbycount("replay", short_clip, "-c", config, "--json")
    assert run.returncode == 0, run.stderr
    (record,) = json.loads(run.stdout)["records"]
    assert record["in"] is not None
    assert record["model"] == load_catalog(own).entry("mine").hash
    (own / "mine.onnx").write_bytes(b"another file")
    run = lobbycount("replay", short_clip, "-c", config, "--json")
    assert (run.returncode, run.stderr.count("\n")) == (2, 1)
    assert "mine.onnx has 12 bytes" in run.stderr
