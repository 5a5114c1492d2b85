"""What the log looks like, and what is never in it."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

CLIP = Path("tests/data/vtest.mp4").absolute()
SPEAK = """
import logging, structlog
from edge.terminal import log_to_stderr
log_to_stderr(logging.DEBUG)
log = structlog.get_logger()
log.debug("one", where="大厅")
log.info("two")
log.warning("three\\nlines\\nof text")
log.error("four")
log.critical("five")
try:
    raise ValueError("six")
except ValueError:
    log.exception("failed")
"""
CONFIG = """
device: {{tenant: t, id: quiet, clock: rtc}}
camera: {{source: "{source}", fps: 10}}
lines: [{{id: door, points: [[0.52, 0.32], [0.52, 0.70]], in: right}}]
records: {{data_dir: {folder}/data}}
mqtt:
  {{host: 127.0.0.1, port: 1, insecure_lab: true, username: quiet,
   password_file: {folder}/password}}
"""
PASSWORD, CAMERA_PASSWORD = "mqtt-hunter2", "camera-hunter2"


def spoken(path, stream):
    """Return the lines of a process whose standard error is a file; stream: what systemd says."""
    with path.open("w", encoding="utf-8") as log:
        status = os.fstat(log.fileno())
        says = stream.format(dev=status.st_dev, ino=status.st_ino, other=status.st_ino + 1)
        environment = {k: v for k, v in os.environ.items() if k != "JOURNAL_STREAM"}
        if says:
            environment["JOURNAL_STREAM"] = says
        command = [sys.executable, "-c", SPEAK]
        subprocess.run(command, stderr=log, env=environment, check=True, timeout=60)
    return path.read_text("utf-8").splitlines()


def test_lines_for_the_journal_begin_with_their_priority_and_have_no_time(tmp_path):
    lines = spoken(tmp_path / "log", "{dev}:{ino}")
    assert [line[:3] for line in lines] == ["<7>", "<6>", "<4>", "<3>", "<2>", "<3>"]
    events = [json.loads(line[3:]) for line in lines]
    assert events[0] == {"event": "one", "where": "大厅", "level": "debug"}
    assert events[2]["event"].count("\n") == 2
    assert "ValueError: six" in events[5]["exception"]
    assert not any("timestamp" in event for event in events)


@pytest.mark.parametrize("stream", ["", "{dev}:{other}", "{ino}", "x"])
def test_lines_for_anything_else_are_json_with_the_time(tmp_path, stream):
    events = [json.loads(line) for line in spoken(tmp_path / "log", stream)]
    assert [event["level"] for event in events][:5] == [
        "debug", "info", "warning", "error", "critical",
    ]  # fmt: skip
    assert all(event["timestamp"].endswith("Z") for event in events)


@pytest.mark.parametrize(
    ("source", "sign"),
    [
        (str(CLIP), '"video": "ok"'),
        (f"rtsp://admin:{CAMERA_PASSWORD}@127.0.0.1:1/stream", '"video": "no_camera"'),
    ],
)
def test_no_password_is_in_what_the_service_says_or_writes(tmp_path, source, sign):
    (tmp_path / "password").write_text(PASSWORD + "\n", "utf-8")
    config = tmp_path / "lobby.yaml"
    config.write_text(CONFIG.format(folder=tmp_path, source=source), "utf-8")
    command = [sys.executable, "-m", "edge", "run", "-c", str(config)]
    health = tmp_path / "data" / "health.json"
    with (
        (tmp_path / "log").open("w", encoding="utf-8") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as run,
    ):
        try:
            said, until = "", time.monotonic() + 60
            while sign not in said and time.monotonic() < until:
                with suppress(subprocess.TimeoutExpired):
                    run.wait(0.05)
                with suppress(OSError):
                    said = health.read_text("utf-8")
            run.send_signal(signal.SIGTERM)
            assert run.wait(60) == 0
        finally:
            run.kill()
    assert sign in said
    log_text = (tmp_path / "log").read_text("utf-8")
    assert "cannot connect" in log_text, "it has logged what it was up to"
    copy = tmp_path / "data" / "config.last-good.yaml"  # of the file, for the service alone
    assert copy.stat().st_mode & 0o777 == 0o600
    assert PASSWORD.encode() not in copy.read_bytes()
    given = {"lobby.yaml", "password", copy.name}
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.name not in given:
            content = path.read_bytes()
            assert PASSWORD.encode() not in content, path.name
            assert CAMERA_PASSWORD.encode() not in content, path.name
