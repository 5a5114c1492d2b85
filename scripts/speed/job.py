"""One system on one clip: what it is asked, and the process of its own that answers."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from accuracy.clips import ROOT

from edge.adapters.camera_timing import Sampler
from speed.clips import SpeedClip

OURS = "ours"
SYSTEMS = (OURS, "library-fp32", "ultralytics-onnx", "ultralytics-torch")
_STILL = 1e-3


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker does.

    task: a system of SYSTEMS, or a preparation of `networks`.
    fps: how many pictures a second are looked at; those between are only grabbed.
    given: the detections that ultralytics' tracker gets instead of its own; "" for its own.
    """

    task: str
    clip: SpeedClip
    fps: float
    threads: int
    cores: tuple[int, ...]
    network: str = ""
    given: str = ""

    def to_text(self) -> str:
        """Return what `from_text` reads."""
        return json.dumps({**asdict(self), "clip": self.clip.as_json()})

    @classmethod
    def from_text(cls, text: str) -> "Job":
        """Read what `to_text` wrote."""
        raw = json.loads(text)
        clip = SpeedClip.from_json(raw["clip"])
        return cls(**{**raw, "clip": clip, "cores": tuple(raw["cores"])})


class JobFailedError(Exception):
    """A worker ended without an answer; says what it last said."""


def used_frames(count: int, clip_fps: float, fps: float) -> list[int]:
    """Return the pictures that the product's camera process would use: the first at each tick."""
    sampler = Sampler(fps, _STILL)
    return [i for i in range(count) if sampler.wants(i / clip_fps)]


def run(job: Job, extra_path: Sequence[Path] = ()) -> dict[str, Any]:
    """Do a job in a new process and return its answer. Raises JobFailedError."""
    with tempfile.TemporaryDirectory(prefix="bench-speed-") as folder:
        done = subprocess.run(
            [sys.executable, "-m", "speed.worker", job.to_text()],
            cwd=folder,
            env=environment(job.threads, Path(folder), extra_path),
            capture_output=True,
            text=True,
            check=False,
        )
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        last = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-3:]
        raise JobFailedError(f"{job.task} on {job.clip.name}: {' / '.join(last)}")
    answer: dict[str, Any] = json.loads(lines[-1])
    return answer


def environment(threads: int, folder: Path, extra_path: Sequence[Path] = ()) -> dict[str, str]:
    """Return the environment of a worker: so many threads, and nobody asks the network."""
    pools = ("OMP", "MKL", "OPENBLAS", "NUMEXPR")
    path = [ROOT / "scripts", ROOT, *extra_path, os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        **{f"{pool}_NUM_THREADS": str(threads) for pool in pools},
        "PYTHONPATH": os.pathsep.join(str(p) for p in path if str(p)),
        "YOLO_OFFLINE": "1",
        "YOLO_AUTOINSTALL": "0",
        "YOLO_CONFIG_DIR": str(folder),
        "MPLBACKEND": "Agg",
    }
