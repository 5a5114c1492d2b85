"""What `lobbycount run` costs on the bundled clip at its own pace: memory and processor time.

    scripts/bench run [--json] [--fps 8] [--threads 2]

Memory is the peak of the proportional set size summed over the whole process tree, so
that pages shared between the service and its camera process count once; the sum of the
peak resident sizes is printed too. Processor time includes start and model load.
"""

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

from speed.meter import tree

from edge.adapters.lab_broker import LabBroker

ROOT = Path(__file__).resolve().parent.parent
CLIP = ROOT / "tests" / "data" / "vtest.mp4"
SAMPLE_S = 0.25

CONFIG = """
device: {{tenant: bench, id: bench-run}}
camera: {{source: {clip}, fps: {fps}}}
model: {{threads: {threads}}}
lines: [{{id: door, points: [[0.52, 0.32], [0.52, 0.70]], in: right}}]
records: {{data_dir: {folder}}}
mqtt: {{host: {host}, port: {port}, insecure_lab: true}}
"""


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as name, LabBroker() as broker:
        folder = Path(name)
        config = folder / "lobby.yaml"
        config.write_text(
            CONFIG.format(
                clip=CLIP, fps=options.fps, threads=options.threads, folder=folder,
                host=broker.host, port=broker.port,
            ),
            encoding="utf-8",
        )  # fmt: skip
        port = _free_port()
        config.write_text(
            f"{config.read_text('utf-8')}health: {{prometheus_port: {port}}}\n", "utf-8"
        )
        command = [sys.executable, "-m", "edge", "run", "--config", str(config)]
        before = _children_cpu_s()
        began = time.perf_counter()
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            start_s = _first_picture(process, port, began)
            peak_pss, peak_rss = _watch(process)
        if process.returncode:
            raise SystemExit(f"lobbycount run failed with exit code {process.returncode}")
        wall_s = time.perf_counter() - began
        # The broker's own time is not in it: it is still running.
        cpu_s = _children_cpu_s() - before
        frames = json.loads((folder / "health.json").read_text(encoding="utf-8"))["frames"]
    row = {
        "clip": CLIP.name, "fps": options.fps, "threads": options.threads, "frames": frames,
        "start_s": round(start_s, 2), "wall_s": round(wall_s, 1), "cpu_s": round(cpu_s, 2),
        "cpu_ms_per_frame": round(1000 * cpu_s / frames, 2),
        "cores_busy": round(cpu_s / wall_s, 3),
        "peak_pss_mb": round(peak_pss / 1024, 1), "peak_rss_mb": round(peak_rss / 1024, 1),
    }  # fmt: skip
    print(json.dumps(row) if options.json else "\n".join(f"{k:18} {v}" for k, v in row.items()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--fps", type=float, default=8.0)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _first_picture(process: subprocess.Popen[bytes], port: int, began: float) -> float:
    """Return how long it took from the start until the first picture was counted, in seconds."""
    while process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
            text = page.read().decode()
            if "lobbycount_frames_total 0.0" not in text and "lobbycount_frames_total" in text:
                return time.perf_counter() - began
        time.sleep(0.01)
    raise SystemExit("lobbycount run ended before the first picture")


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _watch(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Sample the process tree until it ends; return peak summed PSS and RSS in KiB."""
    peak_pss = peak_rss = 0
    while process.poll() is None:
        pss, rss = sizes_of_tree(process.pid)
        peak_pss, peak_rss = max(peak_pss, pss), max(peak_rss, rss)
        time.sleep(SAMPLE_S)
    return peak_pss, peak_rss


def sizes_of_tree(pid: int | None = None) -> tuple[int, int]:
    """Return the summed PSS and RSS of a process, or this one, and its children, in KiB."""
    sizes = [_sizes(each) for each in tree(pid or os.getpid())]
    return sum(pss for pss, _ in sizes), sum(rss for _, rss in sizes)


def _sizes(pid: int) -> tuple[int, int]:
    try:
        rows = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0, 0
    values = {row.split(":")[0]: int(row.split()[1]) for row in rows[1:]}
    return values.get("Pss", 0), values.get("Rss", 0)


if __name__ == "__main__":
    main()
