"""Counts the bundled clip with the product inside the arm64 root, and here, and compares.

python selftest.py TREE      needs root, and arm64 programs that start (scripts/image sees to it)
"""

import json
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CLIP, CONFIG = ROOT / "tests" / "data" / "vtest.mp4", ROOT / "config" / "demo.yaml"
INSIDE = "/opt/selftest"


def counted(command: list[str], cwd: Path = ROOT) -> tuple[Any, float]:
    """Return what `replay --json` printed and how many seconds it took."""
    began = time.monotonic()
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed ({done.returncode}):\n{done.stderr[-2000:]}")
    return json.loads(done.stdout), time.monotonic() - began


def inside(tree: Path) -> tuple[Any, float]:
    """Return the same from inside the tree; what was put there for it is taken out again."""
    place = tree / INSIDE.lstrip("/")
    mounts = [tree / "proc", tree / "dev"]
    (place / "tests" / "data").mkdir(parents=True, exist_ok=True)
    (place / "config").mkdir(exist_ok=True)
    shutil.copy(CLIP, place / "tests" / "data")
    shutil.copy(CONFIG, place / "config")
    subprocess.run(["mount", "-t", "proc", "proc", mounts[0]], check=True)
    subprocess.run(["mount", "--bind", "/dev", mounts[1]], check=True)
    try:
        return counted([
            "chroot", str(tree), "/opt/lobbycount/bin/lobbycount", "replay",
            f"{INSIDE}/tests/data/vtest.mp4", "--config", f"{INSIDE}/config/demo.yaml",
            "--interval", "20", "--json",
        ])  # fmt: skip
    finally:
        for mount in mounts:
            subprocess.run(["umount", mount], check=False)
        shutil.rmtree(place)


def numbers(answer: Any) -> Any:
    """Return what has to be equal: every record's line, interval and counts."""
    return [
        {name: value for name, value in record.items() if name in COMPARED}
        for record in answer["records"]
    ]


COMPARED = ("line", "t0", "t1", "in", "out", "uturn", "ambiguous", "born_past_line", "cov")


def main(tree: str) -> None:
    here, here_s = counted([
        sys.executable, "-m", "edge", "replay", str(CLIP), "--config", str(CONFIG),
        "--interval", "20", "--json",
    ])  # fmt: skip
    there, there_s = inside(Path(tree))
    ours, theirs = numbers(here), numbers(there)
    print(f"{platform.machine()}: {here_s:.1f} s; arm64 under emulation: {there_s:.1f} s")
    for record in theirs:
        print(json.dumps(record))
    if not ours or ours != theirs:
        sys.exit(f"the counts differ; {platform.machine()} has\n{json.dumps(ours, indent=1)}")
    print(f"{len(ours)} records, equal on both")


if __name__ == "__main__":
    main(sys.argv[1])
