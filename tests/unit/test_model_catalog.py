"""Where models are found, what a catalog may say, and which file is believed."""

import dataclasses
import hashlib
import tomllib
from pathlib import Path

import pytest

from edge.adapters.model_catalog import (
    FOLDER_VARIABLE,
    load_catalog,
    models_folder,
    read_model,
)
from edge.detection import Family
from edge.errors import ModelError

REPOSITORY = Path(__file__).resolve().parents[2]
MODELS = REPOSITORY / "models"


@pytest.fixture
def own_folder(tmp_path):
    (tmp_path / "catalog.toml").write_text((MODELS / "catalog.toml").read_text("utf-8"), "utf-8")
    return tmp_path


def edited(folder, old, new):
    path = folder / "catalog.toml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_the_shipped_catalog():
    catalog = load_catalog(MODELS)
    entry = catalog.entry()
    assert entry.name == "nanodet-g-416-int8"
    assert entry.shipped
    assert entry.head.family is Family.NANODET
    assert entry.input.shape == (1, 416, 416, 3)
    assert len(entry.hash) == 12
    assert entry.hash != dataclasses.replace(entry, sure_score=entry.sure_score + 0.1).hash
    assert entry.hash != dataclasses.replace(entry, sha256="0" * 64).hash
    assert catalog.path(entry) == MODELS / "nanodet-g-416-int8.onnx"
    assert catalog.entry("yolox-nano-416").input.shape == (1, 3, 416, 416)


def test_each_shipped_model_is_here_with_its_card_and_is_the_file_described():
    catalog = load_catalog(MODELS)
    shipped = [entry for entry in catalog.entries.values() if entry.shipped]
    assert shipped
    for entry in shipped:
        content = read_model(entry, catalog.path(entry))
        assert hashlib.sha256(content).hexdigest() == entry.sha256
        card = (MODELS / entry.card).read_text("utf-8")
        assert entry.name in card
        assert entry.licence in card


def test_the_explicit_folder_wins(own_folder, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(MODELS))
    assert models_folder(own_folder) == own_folder


def test_the_environment_comes_next(own_folder, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(own_folder))
    assert models_folder() == own_folder


def test_a_checkout_finds_the_models_of_the_repository(monkeypatch):
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    assert models_folder() in (MODELS, REPOSITORY / "edge" / "_models")


def test_a_folder_without_catalog_is_named(tmp_path):
    with pytest.raises(ModelError) as caught:
        models_folder(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert FOLDER_VARIABLE in str(caught.value)


def test_an_unknown_model_names_the_known_ones(own_folder):
    with pytest.raises(ModelError, match=r"yolov99.*nanodet-g-416-int8, .*yolox-nano-416"):
        load_catalog(own_folder).entry("yolov99")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('default = "', 'default = "" "', "TOML"),
        ("default =", "preferred =", "default"),
        ('family = "nanodet"', 'family = "detr"', "detr"),
        ('layout = "NHWC"', 'layout = "HWC"', "NHWC, NCHW"),
        ("score_floor = 0.3", 'colour_of_box = "red"', "colour_of_box"),
    ],
)
def test_a_catalog_that_cannot_be_understood(own_folder, old, new, reason):
    edited(own_folder, old, new)
    with pytest.raises(ModelError) as caught:
        load_catalog(own_folder)
    sentence = str(caught.value)
    assert reason in sentence
    assert str(own_folder / "catalog.toml") in sentence
    assert "\n" not in sentence


@pytest.fixture
def small(tmp_path):
    """An entry and a file that agree."""
    path = tmp_path / "small.onnx"
    path.write_bytes(b"weights")
    entry = dataclasses.replace(
        load_catalog(MODELS).entry(),
        bytes=7,
        sha256=hashlib.sha256(b"weights").hexdigest(),
    )
    return entry, path


def test_the_right_file_is_returned(small):
    entry, path = small
    assert read_model(entry, path) == b"weights"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"weight", "has 6 bytes but should have 7"),
        (b"", "has 0 bytes but should have 7"),
        (b"Weights", "SHA-256"),
    ],
)
def test_a_wrong_file_is_refused(small, content, reason):
    entry, path = small
    path.write_bytes(content)
    with pytest.raises(ModelError, match=reason) as caught:
        read_model(entry, path)
    assert str(path) in str(caught.value)
    assert "reinstall" in str(caught.value)


def test_a_model_that_is_not_shipped_asks_for_the_file(small):
    entry, path = small
    path.unlink()
    other = dataclasses.replace(entry, shipped=False, name="own")
    with pytest.raises(ModelError, match=r"small\.onnx cannot be read .*own is not shipped"):
        read_model(other, path)


def test_no_entry_names_a_path_of_a_machine():
    text = (MODELS / "catalog.toml").read_text("utf-8")
    for entry in tomllib.loads(text)["model"]:
        assert "/" not in entry["file"]
        assert "/" not in entry["card"]
