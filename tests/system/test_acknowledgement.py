"""In production nothing is counted before somebody has confirmed the installation."""

import json
import os
import stat
import subprocess
import sys
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from edge.acknowledgement import POINTS
from edge.adapters.last_good import save_last_good
from edge.answered_for import require_acknowledgement, what_is_missing
from edge.cli import cli
from edge.config import load
from edge.config_start import configured
from edge.errors import AcknowledgementError, LobbyCountError

CONFIG = """
device: {{tenant: t, id: lobby-001, name: 幸福里}}
camera: {{source: "{source}"}}
lines: [{{id: door, points: [[0.2, 0.6], [0.8, 0.6]], in: down}}]
records: {{data_dir: data}}
mqtt: {{host: 127.0.0.1, port: 1, tls: {{}}}}
privacy: {{mode: production, unit: 街道办, purpose: 改进服务, contact: "{contact}"}}
"""
EVERY = [word for point in POINTS for word in ("--confirm", point)]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "lobby.yaml"
    write(path)
    return path


def write(path, source="rtsp://admin:hunter2@192.0.2.1/live", contact="021-1"):
    path.write_text(CONFIG.format(source=source, contact=contact), "utf-8")


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def lobbycount(*words, answers=""):
    """Run a verb as `main` does, in this process: starting one takes longer than all the rest."""
    done = CliRunner().invoke(cli, [*map(str, words)], input=answers)
    if isinstance(done.exception, LobbyCountError):
        return Done(done.exception.exit_code, done.stdout, done.stderr + done.exception.told)
    return Done(done.exit_code, done.stdout, done.stderr)


def test_run_refuses_in_both_languages_and_check_says_why(file):
    command = [sys.executable, "-m", "edge", "run", "-c", str(file)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 2
    assert "nobody has confirmed the installation yet" in run.stderr
    assert "正式模式须先确认：还没有安装确认" in run.stderr
    assert "lobbycount privacy acknowledge -c FILE" in run.stderr
    assert not (file.parent / "data").exists(), "nothing was begun"
    check = lobbycount("check", file)
    assert check.returncode == 0
    assert "run will not start: nobody has confirmed" in check.stdout


def test_an_installer_confirms_every_point_and_the_device_may_start(file):
    asked = "y\ny\n是\nYES\ny\n张三\n"
    done = lobbycount("privacy", "acknowledge", "-c", file, answers=asked)
    assert done.returncode == 0, done.stderr
    for point in POINTS.values():
        assert point.zh in done.stdout
    path = file.parent / "data" / "acknowledgement.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text("utf-8")
    record = json.loads(text)
    assert record["by"] == "张三"
    assert record["confirmed"] == sorted(POINTS)
    assert record["covers"]["unit"] == "街道办"
    assert record["at"].endswith("Z")
    assert "hunter2" not in text
    assert "192.0.2.1" not in text
    require_acknowledgement(load(file))
    assert "will not start" not in lobbycount("check", file).stdout


@pytest.mark.parametrize(
    "answers", ["y\ny\ny\ny\nn\n张三\n", "", "y\ny\ny\ny\ny\n", "y\ny\ny\ny\ny\n \n"]
)
def test_a_point_or_a_name_that_is_left_out_records_nothing(file, answers):
    done = lobbycount("privacy", "acknowledge", "-c", file, answers=answers)
    assert done.returncode == 2
    assert "not confirmed: " in done.stderr or "--by: the installer's name" in done.stderr
    assert not (file.parent / "data").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--by", "张三", "--confirm", "sign"], "not confirmed: the purpose on the sign"),
        (["--by", "张三", "--confirm", "face"], "--confirm face: there is no such point; allowed:"),
        (EVERY, "--by: the installer's name"),
    ],
)
def test_a_script_has_to_name_every_point_too(file, words, said):
    done = lobbycount("privacy", "acknowledge", "-c", file, *words)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.fixture
def confirmed(file):
    done = lobbycount("privacy", "acknowledge", "-c", file, "--by", "张三", *EVERY)
    assert done.returncode == 0, done.stderr
    return file


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"contact": "021-2"}, "changed since it was confirmed: contact"),
        ({"source": "rtsp://admin:hunter2@192.0.2.2/live"}, "confirmed: camera address"),
    ],
)
def test_a_change_of_what_it_covers_ends_it(confirmed, change, said):
    write(confirmed, **change)
    with pytest.raises(AcknowledgementError, match=said):
        require_acknowledgement(load(confirmed))
    assert lobbycount("run", "-c", confirmed).returncode == 2


def test_another_password_of_the_camera_does_not_end_it(confirmed):
    write(confirmed, source="rtsp://admin:another@192.0.2.1/live")
    assert what_is_missing(load(confirmed)) is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("021-1", "021-2", "damaged or was edited"),
        ("张三", "李四", "damaged or was edited"),
        ('"v": "1.0"', '"v": "0.9"', "damaged or was edited"),
        ("{", "[", "damaged or was edited"),
    ],
)
def test_an_edited_record_does_not_hold(confirmed, old, new, said):
    path = confirmed.parent / "data" / "acknowledgement.json"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    missing = what_is_missing(load(confirmed))
    assert missing is not None
    assert said in missing.en


def test_a_broker_without_tls_on_the_command_line_is_refused(confirmed):
    run = lobbycount("run", "-c", confirmed, "--broker", "mqtt://127.0.0.1:1")
    assert run.returncode == 2
    assert "production needs a broker with TLS" in run.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_one_sentence(file):
    file.parent.chmod(0o500)
    done = lobbycount("privacy", "acknowledge", "-c", file, "--by", "张三", *EVERY)
    file.parent.chmod(0o700)
    assert done.returncode == 1
    assert "cannot be written" in done.stderr


def test_the_sign_and_the_statement_are_written_from_the_same_config(file, tmp_path):
    done = lobbycount("privacy", "sign", "-c", file, "--out", tmp_path / "sign.html")
    assert done.returncode == 0
    assert "街道办" in (tmp_path / "sign.html").read_text("utf-8")
    assert done.stderr == ""
    assert "责任单位：街道办" in lobbycount("privacy", "statement", "-c", file).stdout
    english = lobbycount("privacy", "statement", "-c", file, "--lang", "en").stdout
    assert "Responsible unit: 街道办" in english
    wrong = lobbycount("privacy", "sign", "-c", file, "--out", tmp_path / "no" / "sign.html")
    assert wrong.returncode == 2
    assert "cannot be written" in wrong.stderr
    assert lobbycount("privacy", "statement", "-c", file, "--lang", "de").returncode == 2


@pytest.mark.parametrize(("before", "mode"), [("production", "production"), ("lab", None)])
def test_after_a_power_cut_the_last_good_config_stands_in_unless_it_is_of_the_lab(
    confirmed, before, mode
):
    text = confirmed.read_text("utf-8").replace("mode: production", f"mode: {before}")
    save_last_good(confirmed.parent / "data", confirmed, text)
    write(confirmed, contact="021-2")
    start = configured(confirmed, None)
    if mode is None:
        with pytest.raises(AcknowledgementError):
            require_acknowledgement(start.config)
    else:
        require_acknowledgement(start.config)
        assert start.config.privacy.contact == "021-1"
        assert "changed since it was confirmed: contact" in start.state.errors[0]
