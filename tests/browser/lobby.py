"""A device that runs for real: `lobbycount run` on the bundled clip with its setup page on."""

import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CLIP = Path("tests/data/vtest.mp4").absolute()
WAIT_S = 40.0
POLL_S = 0.1
CONFIG = """\
# 本大厅的配置。 This comment has to survive every edit.
device: {{tenant: t, id: {dev}, name: 幸福里党群服务中心 大厅, clock: rtc}}
camera: {{source: "{source}", fps: 10}}
lines:
  - {{id: corner, name: 角落, points: [[0.99, 0.01], [0.99, 0.10]], in: right}}  # nobody walks here
records: {{data_dir: data}}
mqtt: {{host: 127.0.0.1, port: {broker}, insecure_lab: true}}
setup_page: {{enabled: true, port: {port}, still: true}}
"""


def until(condition: Callable[[], Any], what: str, limit_s: float = WAIT_S) -> Any:
    """Wait for a condition, and return what made it true."""
    end = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < end, f"not within {limit_s:.0f} s: {what}"
        time.sleep(POLL_S)
    return found


class Lobby:
    """`lobbycount run` on the bundled clip with the page enabled."""

    def __init__(self, folder: Path, broker_port: int) -> None:
        self.folder, self.path, self.log = folder, folder / "lobby.yaml", folder / "log"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        dev = f"lobby-{secrets.token_hex(3)}"  # one machine takes each only once
        text = CONFIG.format(dev=dev, source=CLIP, broker=broker_port, port=self.port)
        self.path.write_text(text, "utf-8")
        self.url = f"http://127.0.0.1:{self.port}/"
        self.opened = 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "edge", "run", "--config", str(self.path)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self.opened += 1
        until(lambda: self.said().count('"setup_page.open"') == self.opened, "the page is open")

    def stop(self) -> None:
        """Stop it as an operator does, which it has to survive in good order."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(WAIT_S) == 0, self.said()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def said(self) -> str:
        return self.log.read_text("utf-8")

    @property
    def pin(self) -> str:
        return re.findall(r"note it: (\d+)", self.said())[-1]
