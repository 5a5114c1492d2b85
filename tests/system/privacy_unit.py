"""A real counting service in production that tests may break from the inside, and its check."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import cv2

from edge.acknowledgement import acknowledgement
from edge.adapters.acknowledgement_file import write_acknowledgement
from edge.adapters.health import read_report
from edge.answered_for import covered_by
from edge.config import load
from edge.errors import BadInputError
from edge.privacy_check import look_at_unit
from edge.privacy_settings import look_at_settings
from edge.privacy_verdicts import Outcome, verdicts

WAIT_S = 60.0
CLIP = Path("tests/data/vtest.mp4").absolute()
PASSWORD = "camera-hunter2"
CONFIG = """
device: {{tenant: t, id: lobby-a, name: 幸福里党群服务中心, clock: rtc}}
camera: {{source: {folder}/slow.mp4, fps: 10}}
lines: [{{id: door, points: [[0.52, 0.32], [0.52, 0.70]], in: right}}]
zones: [{{id: hall, polygon: [[0.5, 0.5], [0.9, 0.5], [0.9, 0.9]]}}]
records: {{data_dir: {folder}/data}}
mqtt:
  host: 127.0.0.1
  port: {port}
  username: lobby-a
  password_file: {folder}/password
  tls: {{ca: {ca}/ca.pem, cert: {folder}/device.pem, key: {folder}/device-tls.key}}
health: {{prometheus_port: {prometheus}}}
setup_page: {{port: {setup}}}
privacy: {{mode: production, unit: 幸福里街道办事处, purpose: 统计到访人次, contact: 021-12345678}}
"""
# Executes what comes on a socket inside the service, and answers with the error or with "ok".
INSIDE = """
import os, sys, threading
address = os.environ.pop("BREAK_ME", None)
if address:
    import socket, traceback
    door = socket.socket(socket.AF_UNIX)
    door.bind(address)
    door.listen()
    names = {}
    def serve():
        while True:
            with door.accept()[0] as caller, caller.makefile("rw") as talk:
                code = "".join(iter(talk.readline, "END\\n"))
                try:
                    exec(code, names)
                    talk.write("ok")
                except Exception:
                    talk.write(traceback.format_exc())
    threading.Thread(target=serve, daemon=True).start()
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Unit:
    """The service, started; `break_it` runs code inside it, `broken` tells what the check finds."""

    def __init__(self, folder, port, ca):
        self.folder, self.data, self.log = folder, folder / "data", folder / "log"
        self.file = folder / "lobby.yaml"
        self._door = str(folder / "door")
        slow_clip(folder / "slow.mp4")
        for name, source in (("device.pem", "lobby-a.pem"), ("device-tls.key", "lobby-a.key")):
            (folder / name).write_bytes((ca / "devices" / source).read_bytes())
        (folder / "password").write_text(PASSWORD, "utf-8")
        for name in ("password", "device-tls.key"):
            (folder / name).chmod(0o600)
        ports = {"prometheus": free_port(), "setup": free_port()}
        text = CONFIG.format(folder=folder, port=port, ca=ca, **ports)
        self.file.write_text(text, "utf-8")
        self.config = load(self.file)
        record = acknowledgement(covered_by(self.config), "张三", "2026-01-01T00:00:00Z")
        write_acknowledgement(self.data, record)
        inside = folder / "inside"
        inside.mkdir()
        (inside / "sitecustomize.py").write_text(INSIDE, "utf-8")
        path = os.pathsep.join([str(inside), str(Path.cwd())])
        environment = {**os.environ, "PYTHONPATH": path, "BREAK_ME": self._door}
        command = [sys.executable, "-m", "edge", "run", "-c", str(self.file)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        self._wait_until_counting()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            assert self.process.wait(WAIT_S) == 0
        finally:
            self.process.kill()

    def _wait_until_counting(self):
        self.wait_for(lambda r: r.frames and r.video == "ok" and r.broker == "connected")

    def wait_for(self, ask):
        """Return the first answer about the health report that is not empty."""
        pause, until = threading.Event(), time.monotonic() + WAIT_S
        while time.monotonic() < until:
            assert self.process.poll() is None, self.log.read_text("utf-8")
            try:
                if answer := ask(read_report(self.data)[0]):
                    return answer
            except BadInputError:
                pass  # not written yet
            pause.wait(0.1)
        raise AssertionError(self.log.read_text("utf-8"))

    def wait_for_log(self, word):
        """Return the first log line with a word in it."""

        def lines(_report):
            return [line for line in self.log.read_text("utf-8").splitlines() if word in line]

        return self.wait_for(lines)[0]

    def frames(self):
        """Return how many pictures have been looked at."""
        address = f"http://127.0.0.1:{self.config.health.prometheus_port}/metrics"
        with urllib.request.urlopen(address, timeout=WAIT_S) as answer:
            text = answer.read().decode()
        return float(re.search(r"^lobbycount_frames_total (\S+)", text, re.M)[1])

    def inside(self, code):
        """Run code in the service."""
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(self._door)
            with caller.makefile("rw") as talk:
                talk.write(code + "\nEND\n")
                talk.flush()
                answer = talk.read()
        assert answer == "ok", answer

    @contextmanager
    def broken_by(self, code, repair):
        """Have code run in the service for a while."""
        self.inside(code)
        try:
            yield
        finally:
            self.inside(repair)

    def found(self, config=None):
        """Return (promises that are broken, what was found), without software and probe."""
        config = config or self.config
        looks = [*look_at_settings(config, self.file), *look_at_unit(config, watch_s=0.3)]
        return broken(verdicts(looks))


def broken(found):
    """Return the ids of the broken promises, and all that was said about them."""
    bad = [verdict for verdict in found if verdict.outcome is Outcome.BROKEN]
    said = [p.en for verdict in bad for look in verdict.looks for p in look.problems]
    return {verdict.promise.id for verdict in bad}, " | ".join(said)


def slow_clip(path):
    """Write real footage that plays for five minutes: one picture a second."""
    capture = cv2.VideoCapture(str(CLIP))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 1.0, (768, 576))
    for _ in range(300):
        writer.write(capture.read()[1])
    writer.release()
