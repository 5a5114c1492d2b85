"""The other side of the fleet: a broker, and the reference receiver with its database."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from edge.adapters.lab_broker import LabBroker
from edge.adapters.mqtt_connection import Connection
from edge.adapters.mqtt_settings import MqttSettings
from edge.messages import iso_utc, topic
from edge.vocabulary import Message
from evaluation.database import Database
from evaluation.lab_database import LabDatabase

from .machine import Watch
from .options import Options

MOSQUITTO = (
    "max_connections -1",
    # Else it drops what comes for a receiver that is busy, beyond 1000 messages, without a word.
    "max_queued_messages 0",
    "max_queued_bytes 0",
    "set_tcp_nodelay true",
)
READY_S = 30.0
STOP_S = 30.0
POLL_S = 0.05


class Receiver:
    """`evaluation receive` in a process of its own; its log is where it says what it did."""

    def __init__(self, url: str, database: str, tenant: str, log: Path) -> None:
        self._command = [
            sys.executable, "-m", "evaluation", "receive", "--insecure-lab",
            "--broker", url, "--database", database, "--tenant", tenant,
            "--client-id", f"simulate-{tenant}",
        ]  # fmt: skip
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.watch = Watch()

    def start(self) -> None:
        """Start it and wait until it listens. Raises RuntimeError when it does not."""
        begun = len(self._said("receiving"))
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + READY_S
        while len(self._said("receiving")) == begun:
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = self._log.read_text(encoding="utf-8")[-2000:]
                raise RuntimeError(f"the receiver did not start:\n{tail}")
            time.sleep(POLL_S)

    def look(self) -> None:
        """Note what it has used."""
        if self._process is not None:
            self.watch.look(self._process.pid)

    def kill(self) -> None:
        """End it as a power cut does."""
        self._end(kill=True)

    def close(self) -> None:
        """End it in order; idempotent."""
        self._end(kill=False)
        if os.environ.get("SIMULATE_DEBUG") and self._log.exists():
            print(self._log.read_text(encoding="utf-8")[-10_000:], file=sys.stderr)

    @property
    def repeated(self) -> int:
        """How many records it says came once more; what a killed one had not said is not in it."""
        return sum(int(line.get("repeated", 0)) for line in self._said("received"))

    def _end(self, *, kill: bool) -> None:
        self.look()
        process, self._process = self._process, None
        if process is None:
            return
        if kill:
            process.kill()
        else:
            process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _said(self, event: str) -> list[dict[str, object]]:
        if not self._log.exists():
            return []
        found = []
        for text in self._log.read_text(encoding="utf-8").splitlines():
            if text.startswith("{") and f'"{event}"' in text:
                line = json.loads(text)
                if line.get("event") == event:
                    found.append(line)
        return found


class Services:
    """Starts what is not given, and ends it. `broker_url` and `database` say where they are."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._stack = ExitStack()
        self.lab: LabBroker | None = None
        self.broker_watch = Watch()
        self.receiver: Receiver | None = None
        self.broker_url = options.broker or ""
        self.database: str | None = None

    def __enter__(self) -> Self:
        """Start everything. Raises LobbyCountError or RuntimeError."""
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End everything that was started here."""
        self.look()
        self._stack.close()

    @property
    def port(self) -> int:
        return urlsplit(self.broker_url).port or 1883

    def ask_again(self, devices: Sequence[str], t0_s: float, t1_s: float) -> None:
        """Ask devices, as a backend does, for their records of a time once more."""
        wish = {
            "v": "1.0", "id": f"simulate-{t1_s:g}",
            "from": iso_utc(round(t0_s * 1000)), "to": iso_utc(round(t1_s * 1000)),
        }  # fmt: skip
        connection = Connection(
            MqttSettings("127.0.0.1", self.port, insecure_lab=True),
            "simulate-backend", clean_start=True,
        )  # fmt: skip
        for dev in devices:
            place = topic(self._options.tenant, dev, "cmd/backfill")
            connection.publish(Message(place, json.dumps(wish).encode(), qos=1, retain=False))
        connection.leave()

    def look(self) -> None:
        """Note what the processes have used."""
        if self.lab is not None:
            self.broker_watch.look(self.lab.pid)
        if self.receiver is not None:
            self.receiver.look()

    def _start(self) -> None:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="simulate-")))
        if not self.broker_url:
            self.lab = self._stack.enter_context(LabBroker("mosquitto", mosquitto_lines=MOSQUITTO))
            self.broker_url = f"mqtt://{self.lab.host}:{self.lab.port}"
        self.database = self._new_database(folder)
        if self.database is not None:
            with closing(Database(self.database)) as database:
                database.prepare()
            self.receiver = Receiver(
                self.broker_url, self.database, self._options.tenant, folder / "receiver.log"
            )
            self._stack.callback(self.receiver.close)
            self.receiver.start()

    def _new_database(self, folder: Path) -> str | None:
        match self._options.database:
            case "sqlite":
                return f"sqlite:///{folder}/records.db"
            case "postgresql":
                lab = self._stack.enter_context(LabDatabase(durable=True))
                return lab.new_database()
            case given:
                return given
