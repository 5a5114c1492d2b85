"""Many cameras at once, for real: so many of the product's pipes, each at its camera's own pace.

Every process plays the clip over and over as a camera does, begins to count once all are
up, and says afterwards how many pictures were due, how many it used and how many it was
too slow for.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import Any

import cv2
import structlog

from edge.adapters.camera_channel import Kind
from edge.adapters.camera_opencv import LiveSource
from edge.adapters.clock import RecordingClock, SystemClock
from edge.assembly import build_pipeline
from edge.testing import MemoryOutbox
from edge.timeline import Timeline
from edge.vocabulary import Frame
from speed.job import Job, environment
from speed.meter import Meter

_START_S = 180.0


@dataclass(frozen=True, slots=True)
class Held:
    """What came of it, summed over all cameras."""

    cameras: int
    seconds: float
    used: int
    dropped: int
    cpu_s: float

    @property
    def used_per_second(self) -> float:
        """Pictures counted a second and camera."""
        return self.used / self.cameras / self.seconds

    @property
    def dropped_share(self) -> float:
        """Of the pictures that were due, those that nobody took in time."""
        return self.dropped / max(1, self.used + self.dropped)

    @property
    def cores_busy(self) -> float:
        """Cores that all of them together kept busy."""
        return self.cpu_s / self.seconds

    def as_row(self) -> dict[str, float]:
        """Return what `--json` prints."""
        return {
            "cameras": self.cameras,
            "seconds": self.seconds,
            "used_per_second": round(self.used_per_second, 3),
            "dropped_share": round(self.dropped_share, 5),
            "cores_busy": round(self.cores_busy, 3),
        }


def hold(job: Job, cameras: int, seconds: float) -> Held:
    """Run so many at once on the cores of the job and add up what they say."""
    with tempfile.TemporaryDirectory(prefix="bench-speed-") as name:
        folder = Path(name)
        command = [sys.executable, "-m", "speed.capacity", job.to_text(), str(seconds)]
        processes = [
            subprocess.Popen(
                command,
                cwd=folder,
                env=environment(job.threads, folder),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            for _ in range(cameras)
        ]
        try:
            for process in processes:
                _said(process)
            for process in processes:
                assert process.stdin
                print("go", file=process.stdin, flush=True)
            answers = [json.loads(_said(process)) for process in processes]
        finally:
            for process in processes:
                process.kill()
                process.communicate()
    used, dropped, cpu_s = (sum(a[key] for a in answers) for key in ("used", "dropped", "cpu_s"))
    return Held(cameras, seconds, used, dropped, cpu_s)


def _said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    line = process.stdout.readline()
    if not line:
        raise SystemExit("error: one of the cameras ended; try fewer")
    return line


def watch(job: Job, seconds: float) -> dict[str, Any]:
    """Count as a camera's process does; the first picture is waited for before the others go."""
    config = job.clip.config(job.fps, job.threads)
    clock = SystemClock()
    source = LiveSource(job.clip.path, job.fps, (), clock, kind=Kind.FILE)
    timeline = Timeline(RecordingClock(clock.utc()), waits=False)
    outbox = MemoryOutbox(config.device.id, "0" * 16)
    pipeline = build_pipeline(config, outbox, timeline, interval_s=900.0)
    guard = Timer(_START_S + seconds, source.close)
    guard.daemon = True
    guard.start()
    meter, used, until = Meter(), 0, 0.0
    dropped, cpu_s = 0, 0.0
    for item in source.frames():
        pipeline.step(item)
        if not isinstance(item, Frame):
            continue
        if not until:
            print("ready", flush=True)
            sys.stdin.readline()
            meter.look()
            until = time.monotonic() + seconds
            dropped, cpu_s = source.dropped, meter.total_s()
        else:
            used += 1
        if time.monotonic() >= until:
            break
    cpu_s = meter.total_s() - cpu_s
    source.close()
    return {"used": used, "dropped": source.dropped - dropped, "cpu_s": cpu_s}


def main() -> None:
    # What is printed is the answer; the camera's log is not.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    job = Job.from_text(sys.argv[1])
    os.sched_setaffinity(0, job.cores)
    cv2.setNumThreads(job.threads)
    print(json.dumps(watch(job, float(sys.argv[2]))), flush=True)


if __name__ == "__main__":
    main()
