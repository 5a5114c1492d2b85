"""The drop folder on a real disk: what is kept, what a power cut leaves, what is handed over."""

import hashlib
import json

import pytest

from edge.adapters.update_folder import UpdateFolder
from edge.updating.answers import Reported
from edge.updating.incoming import Begun

BUNDLE = hashlib.sha256(b"onetwothree").hexdigest()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "update"


@pytest.fixture(autouse=True)
def _closed(monkeypatch):
    """What a process has open is closed when it ends; here it goes on."""
    opened = []
    made = UpdateFolder.__init__
    monkeypatch.setattr(
        UpdateFolder, "__init__", lambda self, path: (opened.append(self), made(self, path))[1]
    )
    yield
    for folder in opened:
        folder.close()


def begun_with(path, *parts):
    folder = UpdateFolder(path)
    folder.begin(BUNDLE, 0)
    for part in parts:
        folder.append(part)
    return folder


def names(path):
    return sorted(each.name for each in path.iterdir())


def test_there_is_nothing_before_something_comes(path):
    folder = UpdateFolder(path)
    assert folder.begun() is None
    folder.discard()
    assert folder.new_report() == (True, None)
    assert not path.exists()


def test_what_was_not_synced_is_cut_off(path):
    folder = begun_with(path, b"one")
    folder.sync()
    folder.append(b"tw")
    folder.close()
    assert (path / "incoming.part").read_bytes() == b"onetw"
    again = UpdateFolder(path)
    assert again.begun() == Begun(BUNDLE, 3)
    assert (path / "incoming.part").read_bytes() == b"one"
    again.append(b"two")
    again.sync()
    assert UpdateFolder(path).begun() == Begun(BUNDLE, 6)


def test_a_part_that_is_shorter_than_it_says_begins_anew(path):
    begun_with(path, b"one").sync()
    (path / "incoming.part").write_bytes(b"o")
    assert UpdateFolder(path).begun() == Begun(BUNDLE, 0)
    (path / "incoming.part").unlink()
    assert UpdateFolder(path).begun() == Begun(BUNDLE, 0)
    (path / "incoming.json").write_text("{}", "utf-8")
    assert UpdateFolder(path).begun() is None


def test_it_is_handed_over_in_one_step_and_said_so_for_ever(path):
    folder = begun_with(path, b"one", b"two", b"three")
    folder.sync()
    assert folder.digest() == BUNDLE
    folder.hand_over()
    assert names(path) == ["incoming.json", "incoming.lcu"]
    assert (path / "incoming.lcu").read_bytes() == b"onetwothree"
    assert UpdateFolder(path).begun() == Begun(BUNDLE, 11, handed_over=True)
    (path / "incoming.lcu").unlink()  # the root side took it
    assert UpdateFolder(path).begun() == Begun(BUNDLE, 11, handed_over=True)


def test_a_power_cut_before_the_rename_hands_it_over_once_more(path):
    folder = begun_with(path, b"one", b"two", b"three")
    folder.sync()
    folder.hand_over()
    (path / "incoming.lcu").rename(path / "incoming.part")
    again = UpdateFolder(path)
    assert again.begun() == Begun(BUNDLE, 11)
    assert again.digest() == BUNDLE
    again.hand_over()
    assert (path / "incoming.lcu").read_bytes() == b"onetwothree"


def test_another_bundle_replaces_what_has_come_and_discarding_leaves_nothing(path):
    begun_with(path, b"one").sync()
    folder = UpdateFolder(path)
    folder.begin("ab" * 32, 1)
    assert folder.begun() == Begun("ab" * 32, 0, 1)
    assert (path / "incoming.part").read_bytes() == b""
    folder.discard()
    assert names(path) == []


def test_the_report_of_the_root_side_is_read_when_it_changes(path):
    path.mkdir()
    folder = UpdateFolder(path)
    report = path / "report.json"
    said = {
        "v": "1.0", "version": "0.1.0", "bundle": BUNDLE, "wanted": "0.2.0", "state": "reverted",
        "reason": "not_confirmed", "zh": "已退回", "en": "went back", "at": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    report.write_text(json.dumps(said), "utf-8")
    expected = Reported(
        "0.1.0", "reverted", "0.2.0", BUNDLE, 0, 0, "not_confirmed", "已退回", "went back"
    )
    assert folder.new_report() == (True, expected)
    assert folder.new_report() == (False, None)
    report.write_text("{", "utf-8")
    assert folder.new_report() == (True, None)


def test_room_is_left_for_the_records(path, monkeypatch):
    folder = begun_with(path)
    free = 100_000_000

    class Usage:
        pass

    Usage.free = free
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    assert folder.has_room(free - 64_000_000)
    assert not folder.has_room(free - 64_000_000 + 1)
