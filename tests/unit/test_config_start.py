"""A start with a file that has a mistake goes on with the last good one, and only with that."""

from pathlib import Path

import pytest

from edge.adapters.last_good import FILE_NAME, save_last_good
from edge.config_start import configured
from edge.errors import ConfigError

GOOD = """\
device: {{tenant: t, id: d}}
camera: {{source: /dev/video0}}
lines: [{{id: door, points: [[0.2, 0.5], [0.8, 0.5]], in: down}}]
records: {{data_dir: {data}}}
mqtt: {{host: x, insecure_lab: true}}
"""
BROKEN = {
    "a syntax error": lambda text: text.replace("in: down}", "in: down"),
    "a wrong setting": lambda text: text.replace("in: down", "in: north"),
    "half of it": lambda text: text[: len(text) // 2],
    "nothing": lambda _: "",
    "no such model": lambda text: text + "model: {name: gone}\n",
    "a certificate that is not here": lambda text: text.replace(
        "insecure_lab: true", "tls: {ca: /nowhere/ca.pem}"
    ),
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A config file with its last good copy, where systemd says that the data is."""
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "data"))
    path = tmp_path / "lobby.yaml"
    text = GOOD.format(data=tmp_path / "data")
    path.write_text(text, "utf-8")
    save_last_good(tmp_path / "data", path, text)
    return path


def good(place):
    return GOOD.format(data=place.parent / "data")


@pytest.mark.parametrize("how", BROKEN)
def test_the_last_good_config_is_started_with_and_the_mistake_is_known(place, how):
    place.write_text(BROKEN[how](good(place)), "utf-8")
    start = configured(place, None)
    assert start.text == good(place)
    assert start.config.lines[0].entry == "down"
    assert start.state.state == "rejected"
    assert all(f"{place}:" in error for error in start.state.errors)


def test_a_file_that_is_gone_or_no_text_is_such_a_mistake_too(place):
    place.write_bytes(b"\xff\xfe\0")
    assert configured(place, None).state.state == "rejected"
    place.unlink()
    assert configured(place, None).text == good(place)


def test_a_good_file_is_in_force_itself(place):
    text = good(place).replace("0.5", "0.6")
    place.write_text(text, "utf-8")
    start = configured(place, "mqtt://127.0.0.1:1")
    assert (start.text, start.state.state, start.config.mqtt.port) == (text, "ok", 1)


def test_without_systemd_the_data_folder_is_found_in_what_is_left_of_the_file(place, monkeypatch):
    monkeypatch.delenv("STATE_DIRECTORY")
    broken = BROKEN["a wrong setting"](good(place))
    place.write_text(broken, "utf-8")
    assert configured(place, None).state.state == "rejected"
    place.write_text(broken.replace(str(place.parent / "data"), "'data'  # here"), "utf-8")
    assert configured(place, None).state.state == "rejected"
    place.write_text("", "utf-8")
    with pytest.raises(ConfigError, match=r"lobby\.yaml:1: must be"):
        configured(place, None)


@pytest.mark.parametrize("harm", ["damaged", "of another file", "cut"])
def test_a_copy_that_is_not_what_was_kept_is_none(place, harm):
    copy = place.parent / "data" / FILE_NAME
    text = copy.read_text("utf-8")
    if harm == "damaged":
        copy.write_text(text.replace("0.2", "0.3"), "utf-8")
    elif harm == "cut":
        copy.write_text(text[:90], "utf-8")
    else:
        save_last_good(copy.parent, Path("/etc/lobbycount/other.yaml"), good(place))
    place.write_text(BROKEN["a wrong setting"](good(place)), "utf-8")
    with pytest.raises(ConfigError, match=r"lobby\.yaml:3: lines\[0\]\.in"):
        configured(place, None)


def test_what_is_absent_at_a_first_start_is_not_refused_here(place):
    (place.parent / "data" / FILE_NAME).unlink()
    place.write_text(BROKEN["a certificate that is not here"](good(place)), "utf-8")
    assert configured(place, None).state.state == "ok"


def test_it_is_for_its_owner_only_and_not_written_anew_for_nothing(place):
    copy = place.parent / "data" / FILE_NAME
    before = copy.stat()
    assert before.st_mode & 0o777 == 0o600
    save_last_good(copy.parent, place, good(place))
    assert copy.stat().st_ino == before.st_ino
    save_last_good(copy.parent, place, good(place) + "# new\n")
    assert copy.stat().st_ino != before.st_ino
    assert copy.stat().st_mode & 0o777 == 0o600
