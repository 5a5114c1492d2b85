"""Counts the bundled clip with the product inside the arm64 root, and here, and compares.

python selftest.py TREE      needs root, and arm64 programs that start (scripts/image sees to it)

Three times, because OpenCV's builds for two processors decode and shrink the same film to pixels
that differ by one or two of 255: from detections written down, and from pictures that need neither
(lossless, as large as the network takes them), the counts have to be equal; from the film itself a
line and direction may differ by `TOLERATED` people.
"""

import json
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2

ROOT = Path(__file__).resolve().parents[2]
DATA, CONFIG = ROOT / "tests" / "data", ROOT / "config" / "demo.yaml"
INSIDE = "opt/selftest"
NETWORK_SIZE = (416, 312)  # the clip is 4:3: nothing of it has to be scaled
TOLERATED = 1
COMPARED = ("line", "t0", "t1", "in", "out", "uturn", "ambiguous", "born_past_line", "cov")
TEXT = ["--size", "768x576", "--clip-fps", "5"]


def lossless(clip: Path, to: Path) -> None:
    """Write the clip at the network's size, so that every decoder gives the same pixels."""
    film = cv2.VideoCapture(str(clip))
    fps = film.get(cv2.CAP_PROP_FPS)
    writer = cv2.VideoWriter(str(to), cv2.VideoWriter.fourcc(*"FFV1"), fps, NETWORK_SIZE)
    while (read := film.read())[0]:
        writer.write(cv2.resize(read[1], NETWORK_SIZE, interpolation=cv2.INTER_AREA))
    writer.release()


def counted(program: list[str], folder: str, clip: str, options: list[str]) -> tuple[Any, float]:
    """Return the records that `replay` printed and how many seconds it took."""
    command = [*program, "replay", f"{folder}/{clip}", "--config", f"{folder}/demo.yaml",
               "--interval", "20", "--json", *options]  # fmt: skip
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed ({done.returncode}):\n{done.stderr[-2000:]}")
    records = json.loads(done.stdout)["records"]
    kept = [{name: record[name] for name in COMPARED} for record in records]
    return kept, time.monotonic() - began


def totals(records: list[dict[str, Any]]) -> dict[str, int]:
    """Return how many people each line counted in each direction."""
    found: dict[str, int] = {}
    for record in records:
        for way in ("in", "out"):
            name = f"{record['line']} {way}"
            found[name] = found.get(name, 0) + record[way]
    return found


def compare(what: str, tree: Path, clip: str, options: list[str], tolerated: int) -> bool:
    """Count here and inside the tree, print both, and return whether they agree."""
    here, here_s = counted(
        [sys.executable, "-m", "edge"], f"{tree}/{INSIDE}", clip, options
    )  # fmt: skip
    there, there_s = counted(
        ["chroot", str(tree), "/opt/lobbycount/bin/lobbycount"], f"/{INSIDE}", clip, options
    )
    ours, theirs = totals(here), totals(there)
    far = max(abs(ours[name] - theirs.get(name, 0)) for name in ours)
    same = sum(a == b for a, b in zip(here, there, strict=False))
    print(f"{what}: {platform.machine()} {here_s:.1f} s, arm64 under emulation {there_s:.1f} s;"
          f" {same} of {len(here)} records equal, largest difference {far}\n"
          f"  {platform.machine()} {ours}\n  arm64 {theirs}", flush=True)  # fmt: skip
    return len(here) == len(there) > 0 and (here == there if tolerated == 0 else far <= tolerated)


def main(tree: Path) -> None:
    place = tree / INSIDE
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for file in (DATA / "vtest.mp4", DATA / "vtest.det.txt", CONFIG):
        shutil.copy(file, place)
    lossless(DATA / "vtest.mp4", place / "lossless.avi")
    mounts = [tree / "proc", tree / "dev"]
    subprocess.run(["mount", "-t", "proc", "proc", mounts[0]], check=True)
    subprocess.run(["mount", "--bind", "/dev", mounts[1]], check=True)
    try:
        agreed = [
            compare("detections as text", tree, "vtest.det.txt", TEXT, 0),
            compare("lossless pictures", tree, "lossless.avi", [], 0),
            compare("the clip", tree, "vtest.mp4", [], TOLERATED),
        ]
    finally:
        for mount in mounts:
            subprocess.run(["umount", mount], check=False)
        shutil.rmtree(place)
    if not all(agreed):
        sys.exit("the counts differ by more than they may")
    print("counts as here")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
