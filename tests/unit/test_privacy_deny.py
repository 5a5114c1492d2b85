"""The deny list, over everything that is locked and installed."""

import re
from pathlib import Path

import pytest

from edge.adapters.installed import imported_with, installed_packages
from edge.privacy_deny import denied_fields, denied_files, denied_packages, locked_packages

LOCKS = sorted(Path().glob("requirements*.lock"))
BY_HAND = ["deep_face", "Face-Recognition", "dlib", "insightface", "mediapipe", "torchreid"]
RECOGNISERS = re.compile(r"Cascade|FaceDetector|FaceRecognizer|face_cascade|DeepFace|\bdlib\b")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_no_lock_file_has_a_denied_package(lock):
    names = locked_packages(lock.read_text("utf-8"))
    assert len(names) > 20, "the names are read"
    assert denied_packages(names) == []


def test_there_are_lock_files():
    assert {lock.name for lock in LOCKS} >= {"requirements.lock", "requirements-dev.lock"}


def test_no_denied_package_is_asked_for():
    text = Path("pyproject.toml").read_text("utf-8")
    asked = [each.lower() for each in re.findall(r'"([A-Za-z][A-Za-z0-9._-]+)(?:\[|>=|"|<)', text)]
    assert {"numpy", "opencv-python", "onnxruntime"} <= set(asked)
    assert denied_packages(asked) == []


def test_no_denied_package_is_installed():
    names = installed_packages()
    assert {"numpy", "onnxruntime"} <= {name.lower() for name in names}
    assert denied_packages(names) == []


def test_what_counts_imports_no_recogniser():
    imported = imported_with("edge.app", "edge.cli", "edge.adapters.camera_process")
    assert {"cv2", "onnxruntime", "edge"} <= set(imported)
    assert denied_packages(imported) == []


@pytest.mark.parametrize("name", BY_HAND)
def test_libraries_for_faces_are_denied_however_they_are_written(name):
    wanted = {"deep_face": []}.get(name, [name.lower()])
    assert denied_packages([name, "numpy"]) == wanted
    if wanted:
        assert denied_packages(locked_packages(f"{name}==1.0 \\\n    --hash=sha256:00\n")) == wanted


@pytest.mark.parametrize(
    "name",
    ["arcface_r50.onnx", "libdlib.so.19", "person-reid-0288.xml", "osnet_x0_25.onnx",
     "age_gender.onnx", "face_detection_yunet.onnx", "FaceNet.tflite", "age-net.caffemodel"],
)  # fmt: skip
def test_models_for_persons_are_denied_by_their_names(name):
    assert denied_files([name]) == [name]


@pytest.mark.parametrize(
    "name",
    ["nanodet-g-416-int8.onnx", "yolox_nano.onnx", "libfreetype.so", "interface.so", "package.so",
     "storage.bin", "libreadline.so", "cv2/cv2.abi3.so", "surface.onnx", "image.py"],
)  # fmt: skip
def test_other_files_are_not(name):
    assert denied_files([name]) == []


def test_fields_about_persons_are_denied_and_counts_are_not():
    named = denied_fields(["faces", "age", "gender", "person_id", "in", "coverage"])
    assert named == ["age", "faces", "gender", "person_id"]
    assert denied_fields(["average", "message", "interface", "sexagesimal"]) == []


def test_the_product_uses_no_face_detector_of_opencv():
    """OpenCV brings some along; nothing here may load them."""
    guilty = [
        path.as_posix()
        for folder in ("edge", "evaluation", "model_export")
        for path in Path(folder).rglob("*.py")
        if path.name != "privacy_deny.py" and RECOGNISERS.search(path.read_text("utf-8"))
    ]
    assert guilty == []
