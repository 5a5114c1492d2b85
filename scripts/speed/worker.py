"""The process of one job: threads and cores first, then the system; one line of JSON at the end."""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence

import cv2

from edge.vocabulary import Crossing
from speed import library, networks, ours, ultralytics_track
from speed.job import Job
from speed.machine import versions
from speed.meter import Meter
from speed.stages import Stopwatch, quantiles

System = Callable[[Job, Meter, Stopwatch], Sequence[Crossing]]
_SYSTEMS: dict[str, System] = {
    "ours": ours.run,
    "library-fp32": library.run,
    "ultralytics-onnx": ultralytics_track.run,
    "ultralytics-torch": ultralytics_track.run,
}


def main() -> None:
    job = Job.from_text(sys.argv[1])
    os.sched_setaffinity(0, job.cores)
    cv2.setNumThreads(job.threads)
    if job.task in networks.TASKS:
        networks.TASKS[job.task](job)
        print(json.dumps({"done": job.task}))
        return
    meter, stopwatch = Meter(), Stopwatch()
    began = time.perf_counter()
    counted = _SYSTEMS[job.task](job, meter, stopwatch)
    meter.look()
    stages = stopwatch.quantiles()
    if job.task == "ours":  # its pictures are decoded in a process of their own
        stages = {"decode": quantiles(meter.children_ms), **stages}
    print(
        json.dumps(
            {
                "pictures": meter.pictures,
                "cpu_s": meter.cpu_s,
                "wall_s": meter.wall_s,
                "rss_mb": meter.rss_mb,
                "start_cpu_s": meter.start_cpu_s,
                "run_s": time.perf_counter() - began,
                "stages": stages,
                "counted": [[c.line, str(c.outcome), c.at] for c in counted],
                "versions": versions(),
            }
        )
    )


if __name__ == "__main__":
    main()
