"""The card of the boot test: what is put on its data partition, and what is found there."""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CLIP = ROOT / "tests" / "data" / "vtest.mp4"
BOOT_BEGIN_BYTES = 2**20
LARGER_BYTES = 512 * 2**20
SPARE_BYTES = 4 * 2**20  # lobbycount-grow leaves less than that alone


def sh(*command: str | Path, text: str | None = None) -> str:
    """Run a command and return what it printed; ends the program when it fails."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed: {done.stderr[-500:]}")
    return done.stdout


def data_partition(image: Path) -> tuple[int, int]:
    """Return where the data partition, the last one, begins and how long it is, in bytes."""
    table = json.loads(sh("sfdisk", "--json", image))["partitiontable"]
    last, sector = table["partitions"][-1], int(table.get("sectorsize", 512))
    return int(last["start"]) * sector, int(last["size"]) * sector


def seed(image: Path, folder: Path, broker: str) -> None:
    """Write a config and the clip into the data partition, then make the card larger.

    `broker`: host and port, as the lines of config/demo.yaml say them.
    """
    text = (ROOT / "config" / "demo.yaml").read_text("utf-8")
    text = text.replace("../tests/data/vtest.mp4", "/data/vtest.mp4")
    text = text.replace("../out/demo/data", "/var/lib/lobbycount")
    text = text.replace("host: 127.0.0.1, port: 1883", broker)
    text = text.replace("id: demo-lobby", "id: boot-test").replace(
        "device: {", "device: {clock: rtc, "
    )
    text = text.replace("records:\n", "records:\n  interval_min: 5\n")
    config = folder / "boot-test.yaml"
    config.write_text(text, "utf-8")
    commands = f"write {CLIP} vtest.mp4\ncd etc\nwrite {config} lobby.yaml\n"
    commands += "sif lobby.yaml mode 0100644\n"
    sh("debugfs", "-w", "-f", "-", f"{image}?offset={data_partition(image)[0]}", text=commands)
    with image.open("r+b") as card:
        card.truncate(image.stat().st_size + LARGER_BYTES)


def provisioned(image: Path) -> list[str]:
    """Return what is wrong unless the first start wrote its result beside provision.yaml.

    The file that comes with the image names a certificate that is not there. It is taken away:
    later starts need not read it again.
    """
    boot = f"{image}@@{BOOT_BEGIN_BYTES}"
    sh("mdel", "-i", boot, "::provision.yaml")
    names = sh("mdir", "-b", "-i", boot, "::")
    if "provision-result.txt" not in names:
        return [f"provisioning left no result on the boot partition: {names.split()}"]
    told = sh("mtype", "-i", boot, "::provision-result.txt")
    return [] if "WRONG" in told and "ca.pem" in told else [f"provision-result.txt says {told}"]


def taken_out(image: Path, folder: Path) -> Path:
    """Return a copy of the data partition as the machine would find it, its journal replayed."""
    partition = folder / "data.img"
    begin, size = data_partition(image)
    sh("dd", f"if={image}", f"of={partition}", "bs=1M", "conv=sparse",
       f"skip={begin // 2**20}", f"count={size // 2**20}")  # fmt: skip
    repaired = subprocess.run(["e2fsck", "-p", "-f", partition], capture_output=True, check=False)
    if repaired.returncode > 1:
        sys.exit(f"e2fsck: {repaired.stdout.decode()}")
    return partition


def not_grown(image: Path, partition: Path) -> list[str]:
    """Return what is wrong unless partition and file system reach to the end of the card."""
    wrong = []
    begin, size = data_partition(image)
    card = image.stat().st_size
    if card - begin - size > SPARE_BYTES:
        wrong.append(f"the data partition ends at {begin + size} of {card} bytes")
    told = sh("dumpe2fs", "-h", partition)
    blocks, block = (
        int(re.findall(rf"^{name}: +(\d+)$", told, re.MULTILINE)[0])
        for name in ("Block count", "Block size")
    )
    if size - blocks * block > SPARE_BYTES:
        wrong.append(f"the data file system has {blocks * block} of the {size} bytes there are")
    return wrong


def on_card(partition: Path, folder: Path) -> set[tuple[str, int]]:
    """Return the stream and number of every record on the data partition, earlier streams too."""
    place = folder / "card"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    sh("debugfs", "-R", f"rdump state {place}", partition)
    base = sqlite3.connect(place / "state" / "outbox.sqlite")
    (stream,) = base.execute("SELECT stream FROM head").fetchone()
    rows = {(stream, seq) for (seq,) in base.execute("SELECT seq FROM records")}
    rows |= set(base.execute("SELECT stream, seq FROM earlier"))
    base.close()
    return rows
