"""Boots the virt image on a larger card in qemu, counts, pulls its power, holds records together.

python boot.py IMAGE FOLDER --pulls N
FOLDER gets boot-test.img (a copy, its data partition given a config and the bundled clip),
boot-NN.log (the serial console) and received.jsonl (what the broker on this machine was sent).
"""

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from imaging.card import not_grown, on_card, provisioned, seed, sh, taken_out
from imaging.received import Received, verdict

FIRMWARE = "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd"
PORT = 21885
LIMIT_S = 900.0
INTERVAL_S = 300
FIRST_LEAD_S = 150.0
SETTLED_S = 10.0
# When the power goes: so many seconds after the interval closed, after its records usually reach
# the broker, or after they did. Usually: some ten seconds, a picture takes seconds here.
MOMENTS = (
    ("closed", 1.0), ("arrived", 0.0), ("usually", -0.5), ("arrived", 0.3), ("usually", -1.5),
    ("arrived", 0.0), ("usually", 0.0), ("arrived", 1.0), ("closed", 4.0), ("arrived", 0.1),
)  # fmt: skip
USUAL_AT_MOST_S = 40.0  # later: not by the closing
HOST_SEEN_FROM_QEMU = "10.0.2.2"


def wait(what: str, condition: Callable[[], bool], machine: subprocess.Popen[bytes]) -> float:
    """Wait until it is so and return how long that took; a machine that is gone ends the test."""
    began = time.monotonic()
    while not condition():
        if machine.poll() is not None:
            sys.exit(f"qemu ended while waiting for {what}")
        if time.monotonic() - began > LIMIT_S:
            sys.exit(f"{what}: not within {LIMIT_S:.0f} s; see boot.log")
        time.sleep(0.05)
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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("image", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pulls", type=int, default=10)
    options = parser.parse_args()
    folder = options.folder
    card, conf = folder / "boot-test.img", folder / "boot-test-mosquitto.conf"
    sh("cp", "--sparse=always", options.image, card)
    seed(card, folder, f"host: {HOST_SEEN_FROM_QEMU}, port: {PORT}")
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
        faults = campaign(card, folder, received, options.pulls, children)
    finally:
        for child in children:
            child.kill()
    partition = taken_out(card, folder)
    rows = on_card(partition, folder)
    faults += verdict(received.records(), rows) + not_grown(card, partition)
    partition.unlink()
    streams = {record["stream"] for record in received.records()}
    print(f"{len(received.records())} records received, {len(rows)} on the card, "
          f"{len(streams)} stream(s)")  # fmt: skip
    if faults or not rows:
        sys.exit("\n".join(faults) or "nothing was counted")
    print(f"{options.pulls} power pulls: no record lost, none that differs")


def campaign(
    card: Path, folder: Path, received: Received, pulls: int, children: list[Any]
) -> list[str]:
    """Boot once for the evidence, then pull the power while it counts, then boot a last time.

    The machine's clock begins so that an interval closes while it counts, each time the next
    one; the power goes around that: before, while and after its records are written, sent and
    confirmed. Returns what the first start left undone.
    """
    faults: list[str] = []
    first = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    lead_s, usual_s = FIRST_LEAD_S, SETTLED_S
    for boot in range(pulls + 1):
        closes = first + timedelta(seconds=INTERVAL_S * boot)
        births, known = len(received.births()), len(received.records())
        machine = start(card, folder / f"boot-{boot:02}.log", closes - timedelta(seconds=lead_s))
        children.append(machine)
        up_s = wait("the service", lambda births=births: len(received.births()) > births, machine)
        closes_at = time.monotonic() + (closes - received.births()[-1]).total_seconds()
        began = closes - timedelta(seconds=INTERVAL_S)
        moment = MOMENTS[boot % len(MOMENTS)] if 0 < boot < pulls else ("arrived", 0.0)
        arrived = partial(received.since, began, known)
        arrives_s = until(moment, closes_at, usual_s, arrived, machine)
        if boot == pulls:
            wait("an empty outbox", lambda: received.queue() == 0, machine)
        machine.send_signal(signal.SIGKILL)
        pulled_s = time.monotonic() - closes_at
        machine.wait()
        print(
            f"boot {boot}: online after {up_s:.0f} s; power pulled {pulled_s:.1f} s after the"
            f" interval closed, its records {'had' if arrived() else 'had not'} arrived;"
            f" {len(received.records())} so far",
            flush=True,
        )
        faults += provisioned(card) if boot == 0 else []
        lead_s, usual_s = up_s + SETTLED_S, arrives_s or usual_s
    return faults


def until(
    moment: tuple[str, float],
    closes_at: float,
    usual_s: float,
    arrived: Callable[[], bool],
    machine: subprocess.Popen[bytes],
) -> float | None:
    """Wait for the moment; return how long after the closing records arrived, if that was it."""
    event, after_s = moment
    # A machine that came up late closes nothing: then its records come at the end of the clip.
    if event != "arrived" and time.monotonic() < closes_at:
        after_s += usual_s if event == "usually" else 0.0
        time.sleep(max(0.0, closes_at + after_s - time.monotonic()))
        return None
    wait("records", arrived, machine)
    arrived_s = time.monotonic() - closes_at
    time.sleep(max(0.0, after_s))
    return arrived_s if arrived_s < USUAL_AT_MOST_S else None


if __name__ == "__main__":
    main()
