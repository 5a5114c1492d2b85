"""How time and memory grow with people, lines and hours: tracker, counter, zones and outbox.

    scripts/bench growth [--hours 24] [--json] [--plot docs/growth.png]

Made-up people walk up and down before a real pipeline (tracker, counter, aggregator, outbox on
disk); the detector and the camera are left out, their cost does not depend on any of this.
Processor time is of `Pipeline.step`, without what the stand-in for the detector takes. Hours are
accelerated: eight pictures of every second, a crowd as of a lobby, people coming and going.
"""

import argparse
import importlib.util
import json
import os
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from edge.adapters.outbox_sqlite import SqliteOutbox
from edge.assembly import build_stages
from edge.config import Config
from edge.pipeline import Pipeline
from edge.regions import Interest
from edge.testing import ManualClock
from edge.timeline import Timeline
from edge.tracking import Tracker
from edge.vocabulary import Detections, Frame

FPS = 8.0
WARM_UP, STEPS = 80, 400
PEOPLE = (0, 1, 5, 10, 20, 50, 100, 200)
LINES = (1, 2, 4, 8, 16, 32)
USUAL_PEOPLE, USUAL_LINES = 10, 2
NOON = 1_767_268_800.0
PICTURE = np.zeros((9, 16, 3), np.uint8)
VISIT_S = 12.0
SPEED = 0.12
"""Shares of the picture in a second."""

Row = dict[str, Any]


class Crowd:
    """A detector that sees made-up people; each stays for a while, then another one comes."""

    def __init__(self, people: int, seed: int = 1) -> None:
        self._random = np.random.default_rng(seed)
        self._places = self._random.uniform(0.05, 0.95, (people, 2))
        self._ways = self._random.uniform(-SPEED, SPEED, (people, 2))
        self._until = self._random.uniform(0, VISIT_S, people)
        self.seconds = 0.0

    def detect(self, frame: Frame) -> Detections:
        began = time.process_time()
        gone = self._until <= frame.at
        self._places[gone] = self._random.uniform(0.05, 0.95, (int(gone.sum()), 2))
        self._until[gone] = frame.at + self._random.exponential(VISIT_S, int(gone.sum()))
        self._places += self._ways / FPS
        out = (self._places < 0.05) | (self._places > 0.95)
        self._ways[out] *= -1
        half, tall = 0.02, 0.12
        boxes = np.concatenate(
            [self._places - np.array([half, tall]), self._places + np.array([half, 0.0])], axis=1
        ) + self._random.normal(0, 0.002, (len(self._places), 4))
        boxes = np.clip(boxes, 0, 1).astype(np.float32)
        found = Detections(boxes, np.full(len(boxes), 0.8, np.float32), 16 / 9)
        self.seconds += time.process_time() - began
        return found

    def attend(self, interest: Interest) -> None:
        """Everything is in sight."""

    def forget(self) -> None:
        """There are no pictures."""


def main() -> None:
    options = _options()
    rows = [_step_cost(people, USUAL_LINES) | {"grows": "people"} for people in PEOPLE]
    rows += [_step_cost(USUAL_PEOPLE, lines) | {"grows": "lines"} for lines in LINES]
    rows += [row | {"grows": "hours"} for row in _hours(options.hours)]
    if options.plot is not None:
        _draw(rows, options.plot)
    print(json.dumps(rows)) if options.json else Console().print(_table(rows))


def _pipeline(people: int, lines: int, folder: Path) -> tuple[Pipeline, Crowd, SqliteOutbox]:
    config = Config.model_validate(
        {
            "device": {"tenant": "bench", "id": "growth"},
            "camera": {"source": "clip.mp4"},
            "lines": [
                {"id": f"line-{n}", "points": [[x, 0.0], [x, 1.0]], "in": "right"}
                for n, x in enumerate(np.linspace(0.1, 0.9, lines).round(3).tolist())
            ],
            "mqtt": {"host": "127.0.0.1", "insecure_lab": True},
        }
    )
    crowd, outbox = Crowd(people), SqliteOutbox(folder / "outbox.sqlite", "growth")
    pipeline = Pipeline(
        detector=crowd,
        tracker=Tracker(first_id=1),
        stages=build_stages(config, "model", 900.0),
        outbox=outbox,
        timeline=Timeline(ManualClock(NOON)),
    )
    return pipeline, crowd, outbox


def _step_cost(people: int, lines: int) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        pipeline, crowd, outbox = _pipeline(people, lines, Path(folder))
        costs = []
        for index in range(WARM_UP + STEPS):
            others = crowd.seconds
            began = time.process_time()
            pipeline.step(Frame((index + 1) / FPS, index, PICTURE))
            costs.append(time.process_time() - began - (crowd.seconds - others))
        outbox.close()
    used = np.array(costs[WARM_UP:]) * 1000
    return {
        "people": people, "lines": lines, "step_ms_p50": round(float(np.median(used)), 3),
        "step_ms_p95": round(float(np.quantile(used, 0.95)), 3),
    }  # fmt: skip


def _hours(hours: float) -> list[Row]:
    """A day in a lobby, as fast as it goes; memory and cost at every full hour."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        pipeline, crowd, outbox = _pipeline(USUAL_PEOPLE, USUAL_LINES, Path(folder))
        an_hour = round(3600 * FPS)
        before = _used(crowd)
        for index in range(round(hours * an_hour)):
            pipeline.step(Frame((index + 1) / FPS, index, PICTURE))
            if (index + 1) % an_hour == 0:
                now = _used(crowd)
                size = sum(file.stat().st_size for file in Path(folder).iterdir())
                rows.append({
                    "hours": (index + 1) // an_hour, "rss_mb": round(_rss_mb(), 1),
                    "outbox_mb": round(size / 1e6, 3),
                    "step_ms_mean": round((now - before) * 1000 / an_hour, 3),
                })  # fmt: skip
                before = now
        outbox.close()
    return rows


def _used(crowd: Crowd) -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime - crowd.seconds


def _rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _table(rows: Sequence[Row]) -> Table:
    table = Table(title="Pipeline.step without camera and detector, one thread")
    for name in ("grows", "to", "step ms p50", "p95", "mean", "RSS MB", "outbox MB"):
        table.add_column(name, justify="left" if name == "grows" else "right")
    for row in rows:
        names = ("step_ms_p50", "step_ms_p95", "step_ms_mean", "rss_mb", "outbox_mb")
        values = [str(row.get(name, "")) for name in names]
        table.add_row(row["grows"], str(row[row["grows"]]), *values)
    return table


def _draw(rows: Sequence[Row], path: Path) -> None:
    """Draw three panels: cost over people, cost over lines, memory over hours."""
    if importlib.util.find_spec("matplotlib") is None:
        raise SystemExit("--plot needs matplotlib, which scripts/bench accuracy installs.")
    import matplotlib as mpl  # noqa: PLC0415 - only the bench has it

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, (people, lines, hours) = plt.subplots(1, 3, figsize=(13, 3.8))
    for axis, name in ((people, "people"), (lines, "lines")):
        of = [row for row in rows if row["grows"] == name]
        at = [row[name] for row in of]
        axis.plot(at, [row["step_ms_p95"] for row in of], "o--", color="#9aa7b3", label="p95")
        axis.plot(at, [row["step_ms_p50"] for row in of], "o-", color="#c1272d", label="median")
        axis.set(xlabel=name, ylabel="ms per picture", ylim=(0, None), title=f"time over {name}")
        axis.legend(frameon=False)
    of = [row for row in rows if row["grows"] == "hours"]
    at = [row["hours"] for row in of]
    hours.plot(at, [row["rss_mb"] for row in of], "o-", color="#c1272d", label="RSS")
    hours.plot(at, [row["outbox_mb"] for row in of], "o-", color="#1f77b4", label="outbox")
    hours.set(xlabel="hours", ylabel="MB", ylim=(0, None), title="memory and disk over hours")
    hours.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plot", type=Path, help="write a PNG here")
    return parser.parse_args()


if __name__ == "__main__":
    main()
