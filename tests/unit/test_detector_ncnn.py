"""ncnn behind the same port: the same people, and one sentence for what is not there."""

import dataclasses
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.adapters.detectors import (
    installed_providers,
    missing_provider,
    open_detector,
    providers_of,
)
from edge.adapters.drawn_people import NETWORK, SIZE, drawn_people, known_answer
from edge.adapters.model_catalog import load_catalog
from edge.agreement import disagreement
from edge.errors import ModelError, ProviderError
from edge.providers import Provider
from edge.regions import Interest
from edge.vocabulary import Frame

REPOSITORY = Path(__file__).resolve().parents[2]
CLIP = REPOSITORY / "tests/data/vtest.mp4"
CATALOG = load_catalog(REPOSITORY / "models")
ENTRY = CATALOG.entry("nanodet-g-416-ncnn")
DEFAULT = CATALOG.entry()
HAS_NCNN = importlib.util.find_spec("ncnn") is not None
HAS_FILES = CATALOG.path(ENTRY).with_name(ENTRY.weights.file).is_file()

needs_ncnn = pytest.mark.skipif(not HAS_NCNN, reason="needs the extra lobbycount[ncnn]")
needs_files = pytest.mark.skipif(
    not (HAS_NCNN and HAS_FILES), reason="needs lobbycount[ncnn] and models/recipes/ncnn_g.py"
)


@pytest.fixture(scope="module")
def frames():
    capture = cv2.VideoCapture(str(CLIP))
    pictures = [capture.read()[1] for _ in range(200)][::40]
    capture.release()
    return [Frame(float(index), index, picture) for index, picture in enumerate(pictures)]


def opened(catalog=CATALOG, entry=ENTRY, threads=1):
    return open_detector(catalog, entry, Provider.NCNN, threads)


# --- without anything installed


def test_the_extra_is_named_where_ncnn_is_not():
    if HAS_NCNN:
        assert Provider.NCNN in installed_providers()
        assert missing_provider(Provider.NCNN) is None
        return
    with pytest.raises(ProviderError, match=r"pip install 'lobbycount\[ncnn\]'") as caught:
        opened()
    assert str(caught.value) == missing_provider(Provider.NCNN)
    assert Provider.NCNN not in installed_providers()


def test_a_model_for_ncnn_is_refused_by_onnx_runtime():
    with pytest.raises(ModelError, match=r"write provider: ncnn, or choose name: nanodet"):
        open_detector(CATALOG, ENTRY)


def test_each_file_has_its_providers():
    assert Provider.NCNN not in providers_of(DEFAULT)
    assert Provider.CPU in providers_of(DEFAULT)
    assert providers_of(ENTRY) == ([Provider.NCNN] if HAS_NCNN else [])


def test_the_hash_is_of_both_files():
    assert ENTRY.name in NETWORK
    other = dataclasses.replace(ENTRY.weights, sha256="0" * 64)
    assert dataclasses.replace(ENTRY, weights=other).hash != ENTRY.hash
    assert dataclasses.replace(ENTRY, weights=None).hash != ENTRY.hash


# --- with it


@needs_files
def test_the_same_people_as_the_default_model_in_every_shape(frames):
    plain, ours = open_detector(CATALOG, DEFAULT), opened(threads=2)
    found = 0
    for frame in frames:
        wide = Frame(frame.at, frame.index, np.ascontiguousarray(frame.image[72:504]))
        for picture in (frame, wide):
            reference = plain.detect(picture)
            found += len(reference)
            assert disagreement(reference, ours.detect(picture), ENTRY.sure_score) is None
    assert found > 20
    for detector in (plain, ours):
        detector.attend(Interest([(0.85, 0.5)], person_height=0.14))
    near = plain.detect(frames[0])
    assert len(near)
    assert disagreement(near, ours.detect(frames[0]), ENTRY.sure_score) is None


@needs_files
def test_the_known_answer_for_the_drawn_people():
    found = opened().detect(Frame(0.0, 0, drawn_people(*SIZE)))
    assert disagreement(known_answer(), found, ENTRY.sure_score) is None
    np.testing.assert_allclose(found.scores[:3], known_answer().scores, atol=0.01)


@needs_files
def test_it_answers_with_memory_of_its_own(frames):
    detector = opened()
    first = detector.detect(frames[0])
    kept = first.boxes.copy()
    detector.detect(frames[1])
    np.testing.assert_array_equal(first.boxes, kept)
    assert detector.model_hash == ENTRY.hash


@needs_ncnn
def test_a_model_of_another_runtime_is_refused():
    with pytest.raises(ModelError, match=r"needs a \.param and a \.bin file.*ncnn_g\.py"):
        opened(entry=DEFAULT)


@needs_ncnn
def test_waiting_threads_do_not_burn_a_core():
    """ncnn's OpenMP tells its settings when it is brought in."""
    environment = {key: text for key, text in os.environ.items() if key != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, "-c", "import edge.adapters.detector_ncnn"],
        env=environment | {"OMP_DISPLAY_ENV": "true"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in done.stderr


@pytest.fixture
def folder(tmp_path):
    for name in ("catalog.toml", ENTRY.file, ENTRY.weights.file):
        shutil.copy(CATALOG.path(ENTRY).with_name(name), tmp_path)
    return tmp_path


def refusal(folder, entry=ENTRY):
    with pytest.raises(ModelError) as caught:
        opened(load_catalog(folder), entry)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


@needs_files
def test_weights_that_are_missing_say_how_they_are_made(folder):
    (folder / ENTRY.weights.file).unlink()
    sentence = refusal(folder)
    assert ENTRY.weights.file in sentence
    assert "make it with: python models/recipes/ncnn_g.py" in sentence


@needs_files
@pytest.mark.parametrize("name", [ENTRY.file, ENTRY.weights.file])
def test_one_bit_wrong(folder, name):
    path = folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    sentence = refusal(folder)
    assert str(path) in sentence
    assert "SHA-256" in sentence


def with_structure(folder, text):
    """An entry whose structure is this text, with the right hash."""
    content = text.encode("ascii")
    (folder / ENTRY.file).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return dataclasses.replace(ENTRY, sha256=digest, bytes=len(content))


@needs_files
def test_not_ncnns_although_the_hash_is_right(folder):
    assert "not a model that this ncnn" in refusal(folder, with_structure(folder, "<html></html>"))


@needs_files
def test_outputs_under_other_names(folder):
    text = (folder / ENTRY.file).read_text("ascii").replace(" out5 ", " scores ")
    assert "not a model that this ncnn" in refusal(folder, with_structure(folder, text))


@needs_files
def test_another_shape_than_the_entry_says(folder):
    entry = dataclasses.replace(ENTRY, head=dataclasses.replace(ENTRY.head, bins=8))
    assert "1×2704×44" in (sentence := refusal(folder, entry))
    assert "says 1×2704×1" in sentence
