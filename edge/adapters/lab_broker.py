"""A real MQTT broker on a loopback port, for the demo and the tests. Never for production.

`mosquitto` when it is installed, else the broker of the PyPI package `iotcore`
(rumqttd), which serves MQTT 5 only when its config has a `[v5.…]` listener.
"""

import getpass
import importlib.util
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal

from edge.errors import BrokerError

Kind = Literal["mosquitto", "iotcore"]
HOST = "127.0.0.1"
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0
POLL_S = 0.02

_IOTCORE_CONFIG = """\
id = 0

[router]
max_connections = 100
max_outgoing_packet_count = 200
max_segment_size = 1048576
max_segment_count = 10

[v5.lab]
name = "lab"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[v5.lab.connections]
connection_timeout_ms = 60000
max_payload_size = 1048576
max_inflight_count = 100
"""
_IOTCORE_SERVE = (
    "import logging, sys; logging.disable(); from iotcore import IotCoreBroker; "
    "IotCoreBroker(config_path=sys.argv[1]).run_forever()"
)


def available_kinds() -> list[Kind]:
    """Return the brokers this machine can start, the preferred one first."""
    kinds: list[Kind] = []
    if _mosquitto() is not None:
        kinds.append("mosquitto")
    if importlib.util.find_spec("iotcore") is not None:
        kinds.append("iotcore")
    return kinds


class LabBroker:
    """A broker in a child process. It keeps nothing on disk but its config.

    After `stop` or `kill`, `start` brings it up again on the same port.
    """

    def __init__(
        self, kind: Kind | None = None, port: int = 0, mosquitto_lines: Sequence[str] = ()
    ) -> None:
        """Choose the kind (None: the best there is), the port (0: a free one) and extra config."""
        available = available_kinds()
        if not available or (kind is not None and kind not in available):
            raise BrokerError(
                f"there is no {kind or 'MQTT broker'} on this machine; install mosquitto, "
                "or the Python package with its extra: pip install 'lobbycount[broker]'"
            )
        self.kind: Kind = kind or available[0]
        self.host = HOST
        self.port = port
        self._mosquitto_lines = mosquitto_lines
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def pid(self) -> int | None:
        """The process that is running now, for measurements."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it and wait until it accepts a connection. Raises BrokerError."""
        if self._process is not None:
            return
        # Asked before, because rumqttd does not end when its port is taken.
        self.port = _free_port(self.port)
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="lab-broker-")
        self._process = subprocess.Popen(  # noqa: S603
            self._command(Path(self._folder.name)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._wait_until_accepting(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop it and clean up; idempotent."""
        self._end(kill=False)
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def kill(self) -> None:
        """End it as a power cut does: everything it held in memory is gone."""
        self._end(kill=True)

    def __enter__(self) -> "LabBroker":
        """Start it."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it."""
        self.stop()

    def _command(self, folder: Path) -> list[str]:
        config = folder / "broker.toml"  # rumqttd goes by the ending, mosquitto does not care
        mosquitto = _mosquitto()
        if self.kind == "mosquitto" and mosquitto is not None:
            config.write_text(self._mosquitto_config(), encoding="utf-8")
            return [mosquitto, "-c", str(config)]
        config.write_text(_IOTCORE_CONFIG.format(host=HOST, port=self.port), encoding="utf-8")
        return [sys.executable, "-c", _IOTCORE_SERVE, str(config)]

    def _mosquitto_config(self) -> str:
        lines = [f"listener {self.port} {HOST}", "persistence false", *self._mosquitto_lines]
        if not any(line.startswith("allow_anonymous") for line in lines):
            lines.append("allow_anonymous true")
        # Started by root it would change to a user who cannot read files in our folder.
        lines.append(f"user {getpass.getuser()}")
        return "\n".join(lines) + "\n"

    def _wait_until_accepting(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                code = process.wait(timeout=POLL_S)
            except subprocess.TimeoutExpired:
                if _accepts(self.port):
                    return
            else:
                raise BrokerError(
                    f"{HOST}:{self.port}: {self.kind} ended at once with code {code}; "
                    "check the extra lines of its config"
                )
        raise BrokerError(
            f"{HOST}:{self.port}: {self.kind} does not answer after {START_TIMEOUT_S:.0f} s"
        )

    def _end(self, *, kill: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if kill:
            process.kill()
        else:
            process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _mosquitto() -> str | None:
    # Debian puts it where the PATH of an ordinary user does not look.
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def _free_port(wanted: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError as error:
            raise BrokerError(
                f"{HOST}:{wanted}: the lab broker cannot listen there ({error.strerror}); "
                "choose another port, or 0 for a free one"
            ) from error
        return int(probe.getsockname()[1])


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1.0):
            return True
    except OSError:
        return False
