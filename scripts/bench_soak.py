"""An hour of the whole service, as fast as it goes, and whether its memory grows.

    scripts/bench soak [--hours 1] [--json]

The service as `lobbycount run` makes it (camera process, detector with its gate, tracker,
counter, outbox on disk, delivery to a real broker on loopback, health), on the bundled clip over
and over; each round begins with a new camera process, as after a camera that was lost. Memory is
of both processes: PSS counts what they share once, RSS twice. The first round warms up; growth is
the slope of a line through the others.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from bench_run import sizes_of_tree
from rich.console import Console
from rich.table import Table

import edge.app
from edge.adapters.camera_clip import ClipSource
from edge.adapters.lab_broker import LabBroker
from edge.config import Config
from edge.vocabulary import Frame, NoFrame

ROOT = Path(__file__).resolve().parent.parent
CLIP = ROOT / "tests" / "data" / "vtest.mp4"
FPS = 8.0
SAMPLE_AT_S = 60.0

Row = dict[str, Any]


class Rounds(ClipSource):
    """The clip again and again until the time is over, nothing dropped."""

    def __init__(self, seconds: float) -> None:
        super().__init__(CLIP, FPS, "max")
        self._seconds = seconds
        self.rows: list[Row] = []

    def frames(self) -> Iterator[Frame | NoFrame]:
        at, index, began = 0.0, 0, time.perf_counter()
        while at < self._seconds:
            clip, offset, sampled = ClipSource(CLIP, FPS, "max"), at, False
            for item in clip.frames():
                at = offset + item.at + 1 / FPS
                yield replace(item, at=at, index=index)
                index += 1
                if not sampled and item.at > SAMPLE_AT_S:  # while both processes are there
                    sampled = True
                    self._sample(at, index, time.perf_counter() - began)
            clip.close()

    def _sample(self, at: float, pictures: int, taken_s: float) -> None:
        pss, rss = sizes_of_tree()
        self.rows.append(
            {
                "minutes": round(at / 60, 1),
                "pictures": pictures,
                "pss_mb": round(pss / 1024, 1),
                "rss_mb": round(rss / 1024, 1),
                "times_real": round(at / taken_s, 1),
            }
        )


def main() -> None:
    options = _options()
    source = Rounds(options.hours * 3600)
    with tempfile.TemporaryDirectory() as folder, LabBroker() as broker:
        config = Config.model_validate(
            {
                "device": {"tenant": "bench", "id": "bench-soak"},
                "camera": {"source": str(CLIP), "fps": FPS},
                "lines": [{"id": "door", "points": [[0.52, 0.32], [0.52, 0.70]], "in": "right"}],
                "records": {"data_dir": folder, "interval_min": 5},
                "mqtt": {"host": broker.host, "port": broker.port, "insecure_lab": True},
            }
        )
        edge.app.open_source = lambda *_, **__: source
        edge.app.run_device(config)
    rows = source.rows
    warm = rows[1:]
    minutes = np.array([row["minutes"] for row in warm])
    growth = {
        f"{kind}_mb_per_hour": round(
            float(np.polyfit(minutes, [r[kind] for r in warm], 1)[0]) * 60, 2
        )
        for kind in ("pss_mb", "rss_mb")
    }
    if options.json:
        print(json.dumps({"rows": rows, **growth}))
        return
    table = Table(title=f"{rows[-1]['times_real']:.0f} times as fast as it happens")
    for name in ("minutes", "pictures", "PSS MB", "RSS MB"):
        table.add_column(name, justify="right")
    for row in rows[:: max(1, len(rows) // 15)]:
        table.add_row(*(str(row[name]) for name in ("minutes", "pictures", "pss_mb", "rss_mb")))
    Console().print(table)
    print("growth of PSS and RSS, MB an hour: " + ", ".join(map(str, growth.values())))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
