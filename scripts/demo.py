"""The main job, end to end: clip → counts → MQTT broker → subscriber → ground truth.

Everything is the product's own commands; the broker is mosquitto where it is installed,
else the embedded one of the `iotcore` package. Where `mosquitto_sub` is installed it
listens too, as a witness that shares no code with this project.
"""

import argparse
import json
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.table import Table

from edge.adapters.lab_broker import LabBroker
from edge.errors import LobbyCountError
from edge.readings import RANGE_FIELDS
from edge.records import parse_counts
from edge.tables import RECORD_HEADER, record_row
from edge.vocabulary import Outcome

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "tests" / "data"
OUT = ROOT / "out" / "demo"
LOBBYCOUNT = [sys.executable, "-m", "edge"]
COUNTS = "pc/v1/+/+/counts"
READY = "lobbycount-demo/ready"
INTERVAL_S = "20"
WAIT_S = 20.0

Records = list[dict[str, Any]]


class Subscriber:
    """A child process that prints what it receives, one line a message."""

    def __init__(self, command: list[str], on_line: Callable[[str], None]) -> None:
        self._changed = threading.Condition()
        self._on_line = on_line
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for stream in (self._process.stdout, self._process.stderr):
            threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            with self._changed:
                self._on_line(line.rstrip("\n"))
                self._changed.notify_all()

    def wait_for(self, condition: Callable[[], bool]) -> bool:
        """Wait a bounded time until something received makes the condition true."""
        with self._changed:
            return self._changed.wait_for(condition, WAIT_S)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


class Listener(Subscriber):
    """`lobbycount listen`, its records printed as a live table."""

    def __init__(self, url: str) -> None:
        self.records: Records = []
        self.ready = False
        super().__init__([*LOBBYCOUNT, "listen", "--json", "--broker", url], self._line)
        if not self.wait_for(lambda: self.ready):
            raise SystemExit("error: the subscriber did not come up")

    def _line(self, line: str) -> None:
        if line.startswith("{"):
            record = json.loads(line)
            self.records.append(record)
            head = {"v": "1.0", "dev": record["dev"], "stream": record["stream"]}
            envelope = json.dumps(head | {"records": [record]})
            print(record_row(parse_counts(envelope.encode())[0]), flush=True)
        else:
            self.ready = self.ready or line.startswith("listening")


class Witness(Subscriber):
    """`mosquitto_sub` on the same topic."""

    def __init__(self, host: str, port: int) -> None:
        self.records: Records = []
        self.ready = False
        where = ["-h", host, "-p", str(port), "-V", "mqttv5"]
        subprocess.run(
            ["mosquitto_pub", *where, "-t", READY, "-r", "-q", "1", "-m", "ready"], check=True
        )
        super().__init__(
            ["mosquitto_sub", *where, "-q", "1", "-t", COUNTS, "-t", READY], self._line
        )
        if not self.wait_for(lambda: self.ready):
            raise SystemExit("error: mosquitto_sub did not come up")

    def _line(self, line: str) -> None:
        if line == "ready":
            self.ready = True
        else:
            self.records += json.loads(line)["records"]


def main() -> int:
    options = _options()
    OUT.mkdir(parents=True, exist_ok=True)
    with LabBroker(options.broker, port=options.port) as broker:
        url = f"mqtt://{broker.host}:{broker.port}"
        print(f"Broker: {broker.kind} at {url} (plain text, this machine only)")
        print(f"Records of {INTERVAL_S} s as a subscriber receives them:\n\n{RECORD_HEADER}")
        listener = Listener(url)
        witness = None
        if shutil.which("mosquitto_sub"):
            witness = Witness(broker.host, broker.port)
        try:
            result = _replay(url)
            subscribers = [s for s in (listener, witness) if s]
            complete = all(
                s.wait_for(lambda s=s: _sums(s.records) == result["lines"]) for s in subscribers
            )
        finally:
            listener.stop()
            if witness:
                witness.stop()
    return _report(result, listener, witness, complete)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broker", choices=["mosquitto", "iotcore"], help="default: what there is")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    return parser.parse_args()


def _replay(url: str) -> dict[str, Any]:
    command = [
        *LOBBYCOUNT, "replay", str(DATA / "vtest.mp4"),
        "--config", str(ROOT / "config" / "demo.yaml"),
        "--truth", str(DATA / "vtest.demo-truth.json"),
        "--annotate", str(OUT / "annotated.mp4"),
        "--interval", INTERVAL_S, "--publish", "--broker", url, "--json",
    ]  # fmt: skip
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


def _sums(records: Records) -> dict[str, dict[str, int]]:
    sums: dict[str, Counter[str]] = {}
    for record in records:
        sums.setdefault(record["line"], Counter()).update(
            {field: record[field] or 0 for field in (*map(str, Outcome), *RANGE_FIELDS)}
        )
    return {line: dict(tally) for line, tally in sums.items()}


def _report(
    result: dict[str, Any], listener: Listener, witness: Witness | None, complete: bool
) -> int:
    table = Table("line", title="\nReceived, beside the ground truth", title_justify="left")
    for head in ("in", "out", "u-turn", "all in", "true", "all out", "true", "F1"):
        table.add_column(head, justify="right")
    received = _sums(listener.records)
    for s in result["truth"]:
        got = received.get(s["line"], Counter())
        every_in, every_out = (got[k] + got["uturn"] for k in ("in", "out"))
        cells = (
            got["in"],
            got["out"],
            got["uturn"],
            every_in,
            s["true_in"],
            every_out,
            s["true_out"],
        )
        table.add_row(s["line"], *map(str, cells), f"{s['f1']:.3f}")
    console = Console()
    console.print(table)
    console.print("all = with U-turns as one in and one out, as in the ground truth")
    console.print(
        f"count error {100 * result['count_error']:.1f} %, event F1 {result['f1']:.3f};"
        f" {result['frames']} frames, {result['frames_per_s']} frames/s,"
        f" {result['cpu_ms_per_frame']} CPU-ms per frame, drawing the video included",
        highlight=False,
    )
    same = witness is None or witness.records == listener.records
    if witness:
        words = "the same" if same else "NOT the same"
        console.print(f"mosquitto_sub received {len(witness.records)} records, {words} as above")
    console.print(f"annotated video: {OUT / 'annotated.mp4'}", soft_wrap=True, highlight=False)
    if not (same and complete):
        console.print("error: what was received is not what was counted", style="bold red")
        return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LobbyCountError as error:
        sys.exit(f"error: {error}")
