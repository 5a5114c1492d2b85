"""Time of tracker and counter for one frame, ours beside the peers', in one run on one thread."""

import time
from collections.abc import Sequence
from statistics import fmean, median, quantiles

from rich.table import Table

from accuracy import ours, peers
from accuracy.detections import Footage
from edge.counting import Counter
from edge.tracking import Tracker, TrackerSettings

ROUNDS = 3


def ours_timed(footage: Footage) -> list[float]:
    """Seconds of `ours` for each frame."""
    tracker = Tracker(TrackerSettings(sure_score=footage.sure_score))
    counter = Counter(footage.lines)
    spent = []
    for sample in footage.samples:
        begin = time.perf_counter()
        counter.update(tracker.update(sample.detections, sample.at))
        spent.append(time.perf_counter() - begin)
    return spent


def timed(footage: Footage, with_peers: bool) -> dict[str, list[float]]:
    """Best of some rounds for each frame, the systems taking turns."""
    systems = {ours.NAME: lambda: ours_timed(footage)}
    if with_peers:
        for peer in peers.PEERS:
            systems[peer.name] = lambda peer=peer: peers.timed(peer, footage)
    best: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name, run in systems.items():
            spent = run()
            best[name] = [min(a, b) for a, b in zip(best.get(name, spent), spent, strict=True)]
    return best


def table(footage: Footage, spent: dict[str, Sequence[float]]) -> Table:
    """Milliseconds a frame, the quickest first."""
    people = fmean(len(s.detections) for s in footage.samples)
    found = Table(
        title=f"tracker + counter, ms a frame: {footage.clip} at {footage.fps:g} fps,"
        f" {people:.1f} detections and {len(footage.lines)} lines, best of {ROUNDS} rounds",
        title_justify="left",
    )
    found.add_column("system")
    for head in ("mean", "median", "95 %", "longest"):
        found.add_column(head, justify="right")
    for name in sorted(spent, key=lambda n: fmean(spent[n])):
        ms = [1000 * s for s in spent[name]]
        numbers = (fmean(ms), median(ms), quantiles(ms, n=20)[-1], max(ms))
        found.add_row(name, *(f"{n:.3f}" for n in numbers))
    return found
