"""Boots the virt image in qemu, lets it count, pulls its power, and holds the records together.

python boot.py IMAGE FOLDER --pulls N
FOLDER gets boot-test.img (a copy, its data partition given a config and the bundled clip),
boot.log (the serial console) and received.jsonl (what the broker on this machine was sent).
"""

import argparse
import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CLIP = ROOT / "tests" / "data" / "vtest.mp4"
FIRMWARE = "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd"
PORT = 21885
LIMIT_S = 900.0
INTERVAL_S = 300
FIRST_LEAD_S = 150.0
SETTLED_S = 8.0
HOST_SEEN_FROM_QEMU = "10.0.2.2"


def sh(*command: str | Path, text: str | None = None) -> str:
    """Run a command and return what it printed; ends the program when it fails."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed: {done.stderr[-500:]}")
    return done.stdout


def data_offset(image: Path) -> int:
    """Return where the data partition begins, in bytes."""
    table = json.loads(sh("sfdisk", "--json", image))["partitiontable"]
    return int(table["partitions"][2]["start"]) * int(table.get("sectorsize", 512))


def seed(image: Path, folder: Path) -> None:
    """Write a config and the clip into the data partition."""
    text = (ROOT / "config" / "demo.yaml").read_text("utf-8")
    text = text.replace("../tests/data/vtest.mp4", "/data/vtest.mp4")
    text = text.replace("../out/demo/data", "/var/lib/lobbycount")
    text = text.replace("host: 127.0.0.1, port: 1883", f"host: {HOST_SEEN_FROM_QEMU}, port: {PORT}")
    text = text.replace("id: demo-lobby", "id: boot-test").replace(
        "device: {", "device: {clock: rtc, "
    )
    text = text.replace("records:\n", "records:\n  interval_min: 5\n")
    config = folder / "boot-test.yaml"
    config.write_text(text, "utf-8")
    commands = f"write {CLIP} vtest.mp4\ncd etc\nwrite {config} lobby.yaml\n"
    commands += "sif lobby.yaml mode 0100644\n"
    sh("debugfs", "-w", "-f", "-", f"{image}?offset={data_offset(image)}", text=commands)


class Received:
    """What the broker was sent, one JSON line a message, written by mosquitto_sub."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def messages(self, topic: str) -> list[dict[str, Any]]:
        """Return the payloads of one kind of topic."""
        lines = self.file.read_text("utf-8").split("\n")[:-1]
        found = [line.split(" ", 1) for line in lines if line.count(" ")]
        return [json.loads(body) for name, body in found if name.endswith("/" + topic) and body]

    def births(self) -> int:
        """Return how often the device came online."""
        return sum(message["state"] == "online" for message in self.messages("status"))

    def queue(self) -> int | None:
        """Return how many records the device last said it still has to deliver."""
        said = self.messages("health")
        return int(said[-1]["queue"]) if said else None

    def records(self) -> list[dict[str, Any]]:
        """Return the records of all batches, in order of arrival."""
        return [record for batch in self.messages("counts") for record in batch["records"]]


def wait(what: str, condition: Callable[[], bool], machine: subprocess.Popen[bytes]) -> float:
    """Wait until it is so and return how long that took; a machine that is gone ends the test."""
    began = time.monotonic()
    while not condition():
        if machine.poll() is not None:
            sys.exit(f"qemu ended while waiting for {what}")
        if time.monotonic() - began > LIMIT_S:
            sys.exit(f"{what}: not within {LIMIT_S:.0f} s; see boot.log")
        time.sleep(0.5)
    return time.monotonic() - began


def start(image: Path, log: Path, at: datetime) -> subprocess.Popen[bytes]:
    """Start the machine at a time of its clock; its serial console goes to the log."""
    return subprocess.Popen(
        [
            "qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "2048",
            "-accel", "tcg,thread=multi", "-bios", FIRMWARE, "-nographic", "-monitor", "none",
            "-serial", f"file:{log}", "-no-reboot",
            "-rtc", f"base={at:%Y-%m-%dT%H:%M:%S},clock=vm",
            "-drive", f"if=none,id=card,format=raw,file={image}",
            "-device", "virtio-blk-pci,drive=card",
            "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net",
        ],
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def on_card(image: Path, folder: Path) -> set[tuple[str, int]]:
    """Return the stream and number of every record on the data partition, earlier streams too."""
    partition, place = folder / "data.img", folder / "card"
    sh("dd", f"if={image}", f"of={partition}", "bs=1M", "conv=sparse",
       f"skip={data_offset(image) // 2**20}", "count=1024")  # fmt: skip
    repaired = subprocess.run(["e2fsck", "-p", "-f", partition], capture_output=True, check=False)
    if repaired.returncode > 1:
        sys.exit(f"e2fsck: {repaired.stdout.decode()}")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    sh("debugfs", "-R", f"rdump state {place}", partition)
    partition.unlink()
    base = sqlite3.connect(place / "state" / "outbox.sqlite")
    (stream,) = base.execute("SELECT stream FROM head").fetchone()
    rows = {(stream, seq) for (seq,) in base.execute("SELECT seq FROM records")}
    rows |= set(base.execute("SELECT stream, seq FROM earlier"))
    base.close()
    return rows


def verdict(received: list[dict[str, Any]], card: set[tuple[str, int]]) -> list[str]:
    """Return what is wrong; nothing when every number from 1 on arrived and all on the card did."""
    wrong = []
    got: dict[str, dict[int, dict[str, Any]]] = {}
    for record in received:
        known = got.setdefault(record["stream"], {}).setdefault(record["seq"], record)
        if known != record:
            wrong.append(f"{record['stream']}/{record['seq']} arrived twice and differs")
    for stream, records in got.items():
        if missing := set(range(1, max(records) + 1)) - set(records):
            wrong.append(f"stream {stream}: never arrived: {sorted(missing)}")
        totals: dict[str, int] = {}
        for _, record in sorted(records.items()):
            totals[record["line"]] = totals.get(record["line"], 0) + (record["in"] or 0)
            if record["tot_in"] != totals[record["line"]]:
                wrong.append(f"{stream}/{record['seq']}: tot_in is not the sum of what came")
    lost = {key for key in card if key[1] not in got.get(key[0], {})}
    if lost:
        wrong.append(f"on the card and never arrived: {sorted(lost)}")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("image", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pulls", type=int, default=10)
    options = parser.parse_args()
    folder = options.folder
    card, conf = folder / "boot-test.img", folder / "boot-test-mosquitto.conf"
    sh("cp", "--sparse=always", options.image, card)
    seed(card, folder)
    conf.write_text(f"listener {PORT} 127.0.0.1\nallow_anonymous true\n")
    received = Received(folder / "received.jsonl")
    children = [subprocess.Popen(["mosquitto", "-c", conf], stderr=subprocess.DEVNULL)]
    try:
        time.sleep(1)
        with received.file.open("wb") as out:
            children.append(subprocess.Popen(
                ["mosquitto_sub", "-p", str(PORT), "-q", "1", "-F", "%t %p", "-t", "pc/v1/#"],
                stdout=out,
            ))  # fmt: skip
        campaign(card, folder, received, options.pulls, children)
    finally:
        for child in children:
            child.kill()
    rows = on_card(card, folder)
    faults = verdict(received.records(), rows)
    streams = {record["stream"] for record in received.records()}
    print(f"{len(received.records())} records received, {len(rows)} on the card, "
          f"{len(streams)} stream(s)")  # fmt: skip
    if faults or not rows:
        sys.exit("\n".join(faults) or "nothing was counted")
    print(f"{options.pulls} power pulls: no record lost, none that differs")


def campaign(card: Path, folder: Path, received: Received, pulls: int, children: list[Any]) -> None:
    """Boot once for the evidence, then pull the power while it counts, then boot a last time.

    The machine's clock begins so that an interval closes while it counts, each time the next
    one; the power goes within seconds of that: before, while and after its records are written,
    sent and confirmed.
    """
    rng = random.Random(7)  # noqa: S311 (repeatable moments, no secrets)
    first = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    lead_s = FIRST_LEAD_S
    for boot in range(pulls + 1):
        log = folder / f"boot-{boot:02}.log"
        closes = first + timedelta(seconds=INTERVAL_S * boot)
        online = received.births()
        before = len(received.records())
        machine = start(card, log, closes - timedelta(seconds=lead_s))
        children.append(machine)
        began = time.monotonic()
        up_s = wait("the service", lambda online=online: received.births() > online, machine)
        if boot in {0, pulls}:
            wait("records", lambda before=before: len(received.records()) > before, machine)
        else:
            left_s = lead_s - (time.monotonic() - began)
            time.sleep(max(0.0, left_s) + rng.uniform(0.0, 8.0))
        if boot == pulls:
            wait("an empty outbox", lambda: received.queue() == 0, machine)
        machine.send_signal(signal.SIGKILL)
        machine.wait()
        print(
            f"boot {boot}: online after {up_s:.0f} s, power pulled after"
            f" {time.monotonic() - began:.0f} s, {len(received.records())} records so far",
            flush=True,
        )
        lead_s = up_s + SETTLED_S


if __name__ == "__main__":
    main()
