"""The parts of the model export that need neither torch nor ultralytics."""

import importlib.util
import socket
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import BadInputError, CameraError
from edge.models_export import NEEDED, ExportRequest, export
from edge.testing import ScriptedDetector
from edge.vocabulary import Detections
from model_export import comparison
from model_export.comparison import Comparison, compare
from model_export.errors import ExportError
from model_export.isolation import SWITCHES
from model_export.pictures import MOST, calibration_pictures, letterboxed
from model_export.weights import default_name, find_weights

CLIP = Path("tests/data/vtest.mp4")


# --- which weights


def test_weights_are_looked_for_here_and_in_the_folder_of_own_models(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "own"
    own.mkdir()
    (own / "yolo11n.pt").touch()
    assert find_weights("yolo11n", own) == (str(own / "yolo11n.pt"), True)
    (tmp_path / "yolo11n.pt").touch()
    assert find_weights("yolo11n", own) == (str(tmp_path / "yolo11n.pt"), True)
    assert find_weights("yolo11n.pt", own) == (str(tmp_path / "yolo11n.pt"), True)
    assert find_weights("yolo11n.yaml", own) == ("yolo11n.yaml", False)
    with pytest.raises(ExportError, match=rf"yolo26n\.pt and no {own}/yolo26n\.pt; nothing is"):
        find_weights("yolo26n", own)


@pytest.mark.parametrize(
    ("given", "height", "width", "name"),
    [
        ("yolo11n", 416, 416, "yolo11n-416"),
        ("/a b/Door Nr. 1.pt", 256, 416, "door-nr.-1-416x256"),
        ("大门.pt", 416, 416, "model-416"),
    ],
)
def test_the_name_of_an_export(given, height, width, name):
    assert default_name(given, height, width) == name


# --- pictures to calibrate with


def test_a_recording_gives_two_pictures_a_second_as_the_network_sees_them():
    pictures = calibration_pictures(CLIP, 256, 416)
    assert len(pictures) == MOST
    assert {picture.shape for picture in pictures} == {(1, 256, 416, 3)}
    assert np.abs(pictures[0].astype(int) - pictures[-1]).mean() > 1
    assert (pictures[0][0, :, 0] == 114).all(), "the padding beside a narrow picture"


def test_a_folder_is_thinned_evenly(tmp_path):
    for index in range(250):
        grey = np.full((20, 20, 3), index, np.uint8)
        cv2.imwrite(str(tmp_path / f"{index:03}.png"), grey)
    (tmp_path / "notes.txt").write_text("not looked at", "utf-8")
    values = [int(picture[0, 16, 16, 0]) for picture in calibration_pictures(tmp_path, 32, 32)]
    assert len(values) == MOST
    assert values == sorted(set(values))
    assert values[0] == 0
    assert values[-1] > 240


def test_pictures_that_will_not_do(tmp_path):
    with pytest.raises(ExportError, match=r"0 pictures are too few, give at least 12"):
        calibration_pictures(tmp_path, 32, 32)
    (tmp_path / "bad.png").write_text("no picture", "utf-8")
    with pytest.raises(ExportError, match=r"bad\.png: is no picture"):
        calibration_pictures(tmp_path, 32, 32)
    with pytest.raises(CameraError, match=r"bad\.png"):
        calibration_pictures(tmp_path / "bad.png", 32, 32)


def test_letterboxing_pads_with_grey():
    image = letterboxed(np.full((10, 20, 3), 7, np.uint8), 32, 32)
    assert image.shape == (1, 32, 32, 3)
    assert (image[0, 8:24] == 7).all()
    assert (image[0, :8] == 114).all()
    assert (image[0, 24:] == 114).all()


# --- whether 8 bits are worth it


def found(*boxes, score=0.9):
    rows = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(rows, np.full(len(rows), score, np.float32), 1.0)


PICTURES = [np.zeros((1, 32, 32, 3), np.uint8)] * 3
LEFT, RIGHT = (0.1, 0.1, 0.3, 0.9), (0.6, 0.1, 0.8, 0.9)


@pytest.mark.parametrize(
    ("exact", "small", "f1"),
    [
        (found(LEFT, RIGHT), found(RIGHT, LEFT), 1.0),
        (found(LEFT, RIGHT), found(LEFT), 2 / 3),
        (found(LEFT), found((0.12, 0.1, 0.32, 0.9)), 1.0),
        (found(LEFT), found((0.2, 0.1, 0.4, 0.9)), 0.0),
        (found(LEFT), found(LEFT, LEFT), 2 / 3),
        (found(LEFT), found(LEFT, score=0.4), 0.0),
        (found(), found(LEFT), None),
    ],
    ids=["same", "missed", "shifted", "elsewhere", "twice", "unsure", "nobody"],
)
def test_how_alike_the_people_of_two_networks_are(exact, small, f1):
    detectors = [ScriptedDetector([people] * 3) for people in (exact, small)]
    result = compare(*detectors, PICTURES, 0.5)
    assert [detector.seen for detector in detectors] == [[0, 1, 2]] * 2
    assert result.f1 == (None if f1 is None else pytest.approx(f1))
    assert result.pictures == 3


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (Comparison(9, 20.0, 10.0, 100, 100, 95), ""),
        (Comparison(9, 20.0, 10.0, 0, 0, 0), ""),
        (Comparison(9, 20.0, 19.0, 100, 100, 100), "gains nothing on this machine: 1.05 times"),
        (Comparison(9, 20.0, 10.0, 100, 100, 80), "loses too much"),
    ],
)
def test_when_the_float_network_is_kept(result, said):
    assert said in result.against_int8
    assert bool(result.against_int8) == bool(said)
    assert comparison.WORTH < 1


# --- keeping to itself


def test_every_switch_is_in_words_that_all_versions_of_ultralytics_understand():
    """8.4.67 to 8.4.80 take `ULTRALYTICS_SAFE_LOAD=1` for no."""
    on = {name for name, value in SWITCHES.items() if value == "true"}
    assert on == {"YOLO_OFFLINE", "ULTRALYTICS_SAFE_LOAD"}
    off = {name for name, value in SWITCHES.items() if value == "false"}
    assert off == {"YOLO_AUTOINSTALL", "YOLO_VERBOSE"}


PROBE = """
import socket, sys
from model_export.errors import ExportError
from model_export.isolation import isolate
isolate()
one, other = socket.socketpair()
one.send(b"x")
assert other.recv(1) == b"x"
for attempt in (
    lambda: socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5),
    lambda: socket.getaddrinfo("localhost", 80),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9)),
):
    try:
        attempt()
    except ExportError as refused:
        print(refused)
"""


def test_an_isolated_process_opens_no_connection():
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = [sys.executable, "-c", PROBE, str(server.getsockname()[1])]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert run.stdout.count("an export opens no connection") == 3


STARTS = """
import os, pty, subprocess, sys
from model_export.errors import ExportError
from model_export.isolation import isolate, refuse_processes
isolate()
touch = ["touch", sys.argv[1]]
subprocess.run(["true"], check=True)  # before, it is allowed
refuse_processes()
for attempt in (
    lambda: subprocess.run(touch),
    lambda: os.system(" ".join(touch)),
    lambda: os.posix_spawnp("touch", touch, os.environ),
    lambda: os.spawnvp(os.P_WAIT, "touch", touch),
    lambda: os.fork() or os._exit(0),
    lambda: pty.spawn(touch),
    lambda: os.execvp("touch", touch),
):
    try:
        attempt()
    except ExportError as refused:
        print(refused)
"""


def test_an_isolated_process_starts_no_other_once_that_is_refused(tmp_path):
    command = [sys.executable, "-c", STARTS, str(tmp_path / "started")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.count("an export starts no process") == 7, run.stdout
    assert not (tmp_path / "started").exists()


# --- what is needed


@pytest.mark.skipif(
    all(importlib.util.find_spec(name) for name in NEEDED), reason="the export extra is installed"
)
def test_without_the_extra_it_says_what_to_install(tmp_path):
    request = ExportRequest("yolo11n", tmp_path, 416, 416, None, "auto", None, None)
    with pytest.raises(BadInputError) as caught:
        export(request)
    assert "ultralytics" in str(caught.value)
    assert "pip install 'lobbycount[export]'" in str(caught.value)
    assert "models pull NAME --from FOLDER" in str(caught.value)


def test_a_request_becomes_arguments_that_cannot_be_taken_for_options(tmp_path):
    request = ExportRequest("-x.pt", Path("-a"), 256, 416, None, "auto", "n", None)
    assert request.arguments() == [
        *("--folder=-a", "--height=256", "--width=416", "--precision=auto", "--name=n"),
        *("--", "-x.pt"),
    ]


@pytest.mark.parametrize("size", ["0", "417", "416x", "416x255", "big", "99999"])
def test_a_size_that_no_network_takes(size, tmp_path):
    command = [sys.executable, "-m", "edge", "models", "export", "yolo11n", "--size", size]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stderr.count("\n")) == (2, 1), run.stderr
    assert "multiples of 32" in run.stderr
