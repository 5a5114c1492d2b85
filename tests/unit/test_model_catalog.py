"""Where models are found, what a catalog may say, and which file is believed."""

import dataclasses
import hashlib
import tomllib
from pathlib import Path

import pytest

from edge.adapters import model_catalog
from edge.adapters.model_catalog import (
    FOLDER_VARIABLE,
    add_own,
    load_catalog,
    own_folder,
    shipped_folder,
)
from edge.adapters.model_entry import entry_text, parse_entry
from edge.adapters.model_file import read_model
from edge.detection import Family
from edge.errors import ModelError

REPOSITORY = Path(__file__).resolve().parents[2]
MODELS = REPOSITORY / "models"


@pytest.fixture
def copied(tmp_path):
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
    assert catalog.path(entry) == MODELS / "nanodet-g-416-int8.onnx"
    assert catalog.entry("yolox-nano-416").input.shape == (1, 3, 416, 416)


def test_the_hash_changes_with_whatever_decides_a_detection():
    entry = load_catalog(MODELS).entry("nanodet-g-416-ncnn")
    changed = (
        {"sha256": "0" * 64},
        {"weights": dataclasses.replace(entry.weights, sha256="0" * 64)},
        *({key: 0.45} for key in ("score_floor", "sure_score", "nms_iou")),
        *(
            {"input": dataclasses.replace(entry.input, **{key: value})}
            for key, value in {
                **{"height": 256, "width": 256, "layout": "NHWC", "dtype": "uint8"},
                **{"colour": "RGB", "pad": 0, "scale": 1 / 255, "any_multiple_of": 0},
            }.items()
        ),
        *(
            {"head": dataclasses.replace(entry.head, **{key: value})}
            for key, value in {
                **{"family": Family.YOLOX, "strides": (8, 16), "classes": 80, "person": 1},
                **{"bins": 8, "rows": 300},
            }.items()
        ),
    )
    hashes = {entry.hash, *(dataclasses.replace(entry, **each).hash for each in changed)}
    assert len(hashes) == 1 + len(changed)
    told = {"source": "elsewhere", "card": "", "url": "https://example.org/a", "licence": "MIT"}
    assert dataclasses.replace(entry, **told).hash == entry.hash


def test_the_hash_that_records_of_the_default_model_have():
    """It changes only together with what is detected."""
    assert load_catalog(MODELS).entry().hash == "be580a3698fc"


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


def test_the_explicit_folder_wins_then_the_environment_then_the_usual_one(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(MODELS))
    assert own_folder(tmp_path) == tmp_path
    assert own_folder() == MODELS
    monkeypatch.delenv(FOLDER_VARIABLE)
    assert own_folder() == Path("/var/lib/lobbycount/models")


def test_a_checkout_finds_the_models_of_the_repository():
    assert shipped_folder() in (MODELS, REPOSITORY / "edge" / "_models")


def test_a_named_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ModelError) as caught:
        load_catalog(tmp_path / "none")
    assert f"{tmp_path}/none cannot be read: No such file or directory" in str(caught.value)
    assert FOLDER_VARIABLE in str(caught.value)


def test_the_usual_folder_need_not_be_there(tmp_path, monkeypatch):
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr(model_catalog, "OWN_FOLDER", tmp_path / "none")
    catalog = load_catalog()
    assert (catalog.entry().name, catalog.unread) == ("nanodet-g-416-int8", "")


def test_a_usual_folder_that_cannot_be_read_stops_nothing_and_is_told(tmp_path, monkeypatch):
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    (tmp_path / "file").touch()
    monkeypatch.setattr(model_catalog, "OWN_FOLDER", tmp_path / "file" / "models")
    catalog = load_catalog()
    assert catalog.entry().shipped
    with pytest.raises(ModelError, match=r"cannot be read: Not a directory"):
        catalog.entry("mine")


def test_both_catalogs_are_read_and_the_own_one_goes_first(tmp_path):
    shipped = load_catalog(tmp_path).entry()
    mine = dataclasses.replace(
        shipped, name="mine", file="mine.onnx", shipped=False, sure_score=0.4
    )
    add_own(tmp_path, mine)
    add_own(tmp_path, dataclasses.replace(shipped, shipped=False, bytes=7))
    catalog = load_catalog(tmp_path)
    assert catalog.entry("mine") == mine
    assert catalog.path(mine) == tmp_path / "mine.onnx"
    assert catalog.entry().bytes == 7
    assert catalog.path(catalog.entry()) == tmp_path / shipped.file
    other = catalog.entry("yolox-nano-416")
    assert catalog.path(other) == tmp_path / "yolox_nano.onnx"
    assert load_catalog(MODELS).entry("yolox-nano-416") == other


def test_an_entry_written_again_replaces_the_one_before_and_leaves_the_others(tmp_path):
    shipped = load_catalog(tmp_path).entry()
    for name, size in (("one", 1), ("two", 2), ("one", 3)):
        add_own(tmp_path, dataclasses.replace(shipped, name=name, bytes=size))
    entries = load_catalog(tmp_path).entries
    assert (entries["one"].bytes, entries["two"].bytes) == (3, 2)
    text = (tmp_path / "catalog.toml").read_text("utf-8")
    assert text.count("[[model]]") == 2


@pytest.mark.parametrize("name", sorted(load_catalog(MODELS).entries))
def test_an_entry_comes_back_as_it_was_written(name):
    entry = load_catalog(MODELS).entry(name)
    strange = dataclasses.replace(entry, source='"大门" \\ \x7f\t\n]] = #')
    for each in (entry, strange):
        (raw,) = tomllib.loads(entry_text(each))["model"]
        assert parse_entry(raw) == each


def test_a_model_without_a_hash_is_never_read(tmp_path):
    entry = load_catalog(MODELS).entry("yolox-tiny-416")
    (tmp_path / entry.file).write_bytes(b"weights")
    with pytest.raises(ModelError, match=r"no SHA-256.*models pull yolox-tiny-416 --adopt"):
        read_model(entry, tmp_path / entry.file)
    made = load_catalog(MODELS).entry("yolo11n-416")
    with pytest.raises(ModelError, match=r"lobbycount models export yolo11n\."):
        read_model(made, tmp_path / made.file)


def test_an_unknown_model_names_the_known_ones(copied):
    with pytest.raises(ModelError, match=r"yolov99.*nanodet-g-416-int8, .*yolox-nano-416"):
        load_catalog(copied).entry("yolov99")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('default = "', 'default = "" "', "TOML"),
        ('name = "nano', 'nam = "nano', "nam"),
        ('file = "nanodet', 'file = "../nanodet', "plain file name"),
        ('file = "nanodet-g-416-int8.onnx"', 'file = "catalog.toml"', "ends in .onnx or .param"),
        ('file = "nanodet-g-416-int8.onnx"', 'file = ".a.onnx"', "plain file name"),
        (
            'card = "nanodet-g-416-int8.md"',
            'card = "catalog.toml"',
            "ends in .md, e.g. door-model.md",
        ),
        ('card = "nanodet-g-416-int8.md"', 'card = "../a.md"', "plain file name"),
        ('"nanodet-g-416.ncnn.bin"', '"catalog.toml"', "weights.file 'catalog.toml'"),
        ("bytes = 3866225", "", "needs both sha256 and bytes"),
        ('family = "nanodet"', 'family = "detr"', "detr"),
        ('layout = "NHWC"', 'layout = "HWC"', "NHWC, NCHW"),
        ("score_floor = 0.3", 'colour_of_box = "red"', "colour_of_box"),
    ],
)
def test_a_catalog_that_cannot_be_understood(copied, old, new, reason):
    edited(copied, old, new)
    with pytest.raises(ModelError) as caught:
        load_catalog(copied)
    sentence = str(caught.value)
    assert reason in sentence
    assert str(copied / "catalog.toml") in sentence
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
    other = dataclasses.replace(entry, shipped=False, name="mine")
    with pytest.raises(ModelError, match=r"small\.onnx cannot be read .*mine is not shipped"):
        read_model(other, path)


def test_no_entry_names_a_path_of_a_machine():
    text = (MODELS / "catalog.toml").read_text("utf-8")
    for entry in tomllib.loads(text)["model"]:
        assert "/" not in entry["file"]
        assert "/" not in entry["card"]
