"""`lobbycount run` with its page, and `lobbycount setup`, as an operator meets them."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge.cli import cli
from edge.setup_page.audit_log import AuditLog
from tests.system.setup_page_device import LOCAL, WAIT_S, Browser, wait_until

CLIP = Path("tests/data/vtest.mp4").absolute()
CONFIG = """
device: {{tenant: t, id: d, clock: rtc}}
camera: {{source: {source}, fps: 10}}
lines: [{{id: door, points: [[0.52, 0.32], [0.52, 0.70]], in: right}}]
records: {{data_dir: {folder}/data}}
mqtt: {{host: 127.0.0.1, port: 1, insecure_lab: true}}
setup_page: {{enabled: {enabled}, port: {port}}}
"""


def free_port():
    with socket.create_server((LOCAL, 0)) as probe:
        return probe.getsockname()[1]


def config(folder, enabled="true", port=8090):
    path = folder / "lobby.yaml"
    text = CONFIG.format(source=CLIP, folder=folder, enabled=enabled, port=port)
    path.write_text(text, "utf-8")
    return path


def setup(*arguments):
    return CliRunner().invoke(cli, ["setup", *map(str, arguments)])


def test_the_pin_is_shown_once_a_new_one_ends_the_logins_and_nothing_is_in_the_log(tmp_path):
    port = free_port()
    path, data = config(tmp_path, port=port), tmp_path / "data"
    log = tmp_path / "log"
    command = [sys.executable, "-m", "edge", "run", "-c", str(path)]
    with log.open("w") as file, subprocess.Popen(command, stderr=file) as service:
        try:
            wait_until(lambda: answers(port), "the page", 60.0)
            said = log.read_text("utf-8")
            (pin,) = re.findall(r"note it: (\d+)", said)
            visitor = Browser(port)
            assert visitor.login(pin).status == 204
            made = setup("pin", "--new", "-c", path)
            assert made.exit_code == 0
            (new,) = re.findall(r"note it: (\d+)", made.stdout)
            assert visitor.get("/api/state").status == 401
            assert visitor.login(new).status == 204
            assert visitor.get("/api/state").json["lines"][0]["id"] == "door"
            assert setup("open", "-c", path).exit_code == 0
            wait_until(lambda: not (data / "setup-open").exists(), "it seen")
        finally:
            service.send_signal(signal.SIGINT)
            service.wait(WAIT_S)
    assert service.returncode == 0
    said = log.read_text("utf-8")
    assert said.count(pin) == 1
    for secret in (new, visitor.cookie, visitor.csrf):
        assert secret not in said
    shown = setup("audit", "-c", path).stdout
    assert f"{LOCAL}  login  ok" in shown
    assert pin not in shown
    assert new not in shown


def answers(port):
    try:
        return Browser(port).get("/").status == 200
    except (ConnectionError, http.client.HTTPException):
        return False


def test_a_pin_there_is_already_is_not_replaced_unasked(tmp_path):
    path = config(tmp_path)
    missing = setup("pin", "-c", path)
    assert (missing.exit_code, "no such folder" in str(missing.exception)) == (1, True)
    (tmp_path / "data").mkdir()
    assert setup("pin", "-c", path).exit_code == 0
    kept = (tmp_path / "data" / "setup-pin.json").read_bytes()
    refused = setup("pin", "-c", path)
    assert "setup pin --new" in str(refused.exception)
    assert (tmp_path / "data" / "setup-pin.json").read_bytes() == kept


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_pin_made_by_root_belongs_to_the_user_of_the_service(tmp_path):
    path, data = config(tmp_path), tmp_path / "data"
    data.mkdir()
    os.chown(data, 65534, 65534)
    assert setup("pin", "-c", path).exit_code == 0
    assert (data / "setup-pin.json").stat().st_uid == 65534


def test_opening_a_page_that_is_off_is_refused_with_what_works(tmp_path):
    (tmp_path / "data").mkdir()
    refused = setup("open", "-c", config(tmp_path, enabled="false"))
    assert "setup_page: {enabled: true}" in str(refused.exception)
    assert not (tmp_path / "data" / "setup-open").exists()


def test_who_used_it_is_shown_and_printed_for_programs(tmp_path):
    path, data = config(tmp_path), tmp_path / "data"
    data.mkdir()
    log = AuditLog(data, lambda: 1_767_225_600_000)
    log.note("192.168.1.7", "still", "ok")
    assert setup("audit", "-c", path).stdout == "2026-01-01T00:00:00Z  192.168.1.7  still  ok\n"
    (line,) = setup("audit", "-c", path, "--json").stdout.splitlines()
    assert json.loads(line)["what"] == "still"
