"""Every system over every clip, detector and frame rate.

The peers' results are kept under out/bench, by a hash of all that goes into them (their
versions, detections, lines, truth, the code that runs them), because their grids take
long; `ours` is counted anew each time.
"""

import hashlib
import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

from accuracy import clips as clip_list
from accuracy import ours, peers
from accuracy.blame import Event, events
from accuracy.detections import Footage, detectors_of, footage, kind_of
from accuracy.peers import PEERS, Peer, Values
from accuracy.rows import Row, rows_of
from accuracy.tuning import default_and_tuned
from edge import geometry, scoring

HERE = Path(__file__).parent
_SOURCES = ("peers.py", "peer_types.py", "peer_trackers.py", "peer_rules.py", "tuning.py")
KEPT = clip_list.CACHE / "peers"


@dataclass(frozen=True, slots=True)
class Part:
    """All clips of one detector at one frame rate: what a peer is tuned on at once."""

    detector: str
    fps: float
    model: str
    only: tuple[str, ...] = ()
    strict: bool = False

    def footage(self) -> list[Footage]:
        """Prepare the clips of this part."""
        known = clip_list.known()
        return [
            footage(clip, self.detector, self.fps, known, strict=self.strict)
            for clip in known
            if self.detector in detectors_of(clip, self.model)
            and (not self.only or clip.name in self.only)
        ]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one peer did with one part."""

    rows: list[Row]
    tuned: list[Row]
    values: Values


Tuned = tuple[Part, str, Values]
"""The values that were best for a peer on a part."""


def parts(
    fps: Sequence[float], model: str, only: Sequence[str] = (), strict: bool = False
) -> list[Part]:
    """List what there is to count, the frame rates in the given order."""
    names = dict.fromkeys(
        name
        for clip in clip_list.known()
        if not only or clip.name in only
        for name in detectors_of(clip, model)
    )
    return [Part(name, f, model, tuple(only), strict) for f in fps for name in names]


def count_ours(part: Part) -> list[Row]:
    """Rows of the product for one part."""
    return [r for clip in part.footage() for r in rows_of(clip, ours.NAME, ours.count(clip))]


def blamed(wanted: Sequence[Part]) -> dict[str, list[Event]]:
    """Say for every miss and false count of `ours` which part is to blame; not for harms."""
    known = {clip.name: clip for clip in clip_list.known()}
    return {
        f"{clip.clip}, {clip.detector}": events(known[clip.clip], clip)
        for part in wanted
        if kind_of(part.detector) != "degraded"
        for clip in part.footage()
    }


def count_peer(peer: Peer, clips: Sequence[Footage]) -> Answer:
    """Rows of one peer, from the last time if nothing has changed since."""
    kept = kept_at(peer, clips)
    if kept.exists():
        return Answer(**json.loads(kept.read_text(encoding="utf-8")))
    rows, tuned, values = default_and_tuned(peer, clips)
    KEPT.mkdir(parents=True, exist_ok=True)
    content = json.dumps({"rows": rows, "tuned": tuned, "values": values})
    fresh = kept.with_suffix(".part")
    fresh.write_text(content, encoding="utf-8")
    fresh.replace(kept)
    return Answer(rows, tuned, values)


def kept_at(peer: Peer, clips: Sequence[Footage]) -> Path:
    """Where the answer of a peer is kept."""
    sha = hashlib.sha256(f"{peer} {_code()}".encode())
    for clip in clips:
        sha.update(f"{clip.clip} {clip.detector} {clip.digest}".encode())
    return KEPT / f"{peer.name}-{sha.hexdigest()[:16]}.json"


@cache
def _code() -> str:
    versions = [f"{name} {version(name)}" for name in peers.PACKAGES]
    used = (geometry.passage, geometry.isotropic, geometry.anchor_of, scoring.score, scoring.pair)
    text = [inspect.getsource(function) for function in used]
    text += [(HERE / name).read_text(encoding="utf-8") for name in _SOURCES]
    sha = hashlib.sha256("".join(text).encode())
    return f"{versions} {sha.hexdigest()}"


def _job(part: Part) -> list[tuple[str, Answer]]:
    import cv2  # noqa: PLC0415 - one thread for each process, the machine is shared

    cv2.setNumThreads(1)
    clips = part.footage()
    return [(peer.name, count_peer(peer, clips)) for peer in PEERS]


def count_peers(
    wanted: Sequence[Part], workers: int, on_done: Callable[[int, int], None]
) -> Iterator[tuple[Part, str, Answer]]:
    """Count every part with every peer; parts come as they are ready."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        jobs = {pool.submit(_job, part): part for part in wanted}
        for done, job in enumerate(as_completed(jobs), 1):
            on_done(done, len(jobs))
            for name, answer in job.result():
                yield jobs[job], name, answer
