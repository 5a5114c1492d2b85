"""Thresholds in a peer's own favour: the best of a grid on the very clips that are reported.

One value after the other is changed, birth score first, the best kept (fewest misses and
false counts over all clips of the detector at that frame rate). It is generous: the product
gets no such search, and the peers' figures are those of the clips they were tuned on.
"""

from collections.abc import Iterator, Sequence

from accuracy import peers
from accuracy.detections import Footage
from accuracy.peers import Peer, Values
from accuracy.rows import TUNED, Row, rows_of, wrong_events

_BIRTHS = (0.3, 0.4, 0.5, 0.6, 0.7)
_RULE_ONLY = ("threshold", "anchor")


def candidates(peer: Peer) -> Iterator[list[dict[str, float | str]]]:
    """Yield, one after the other, the changes to choose among at each step of the search."""
    if peer.tracker == "norfair":
        yield [{"birth": b} for b in (0.0, *_BIRTHS)]
        yield [{"delay": d} for d in (0, 1, 3, 7)]
        yield [{"distance": d} for d in (0.5, 0.7, 0.9)]
    else:
        highest = float(peer.defaults["high"])
        whole = peer.tracker == "ocsort"  # it has one threshold for both
        yield [{"birth": b, "high": b if whole else min(b, highest)} for b in _BIRTHS]
        yield [{"confirm": n} for n in (1, 2, 3)]
        yield [{"iou": i} for i in (0.1, 0.2, 0.3)]
    if "threshold" in peer.defaults:
        yield [{"threshold": n} for n in (1, 2, 3)]
    if "anchor" in peer.defaults:
        yield [{"anchor": a} for a in ("centre", "bottom-centre")]


def default_and_tuned(peer: Peer, clips: Sequence[Footage]) -> tuple[list[Row], list[Row], Values]:
    """Return the peer's rows with its defaults, with its best values, and those values."""
    counter = _Counted(peer, clips)
    best = dict(peer.defaults)
    first = counter.rows(best)
    least = wrong_events(first)
    for changes in candidates(peer):
        start = dict(best)
        for change in changes:
            values = {**start, **change}
            if values != start and (wrong := wrong_events(counter.rows(values))) < least:
                best, least = values, wrong
    tuned = [{**row, "system": peer.name + TUNED} for row in counter.rows(best)]
    return first, tuned, best


class _Counted:
    """Counts all clips with given values; what the tracker said is kept for rules to share."""

    def __init__(self, peer: Peer, clips: Sequence[Footage]) -> None:
        self._peer, self._clips = peer, clips
        self._tracked: dict[str, list[list[peers.Tracked]]] = {}
        self._rows: dict[str, list[Row]] = {}

    def rows(self, values: Values) -> list[Row]:
        key = repr(sorted(values.items()))
        if key not in self._rows:
            following = repr(sorted((k, v) for k, v in values.items() if k not in _RULE_ONLY))
            if following not in self._tracked:
                self._tracked[following] = [
                    peers.track(self._peer, values, clip) for clip in self._clips
                ]
            self._rows[key] = [
                row
                for clip, tracked in zip(self._clips, self._tracked[following], strict=True)
                for row in rows_of(
                    clip, self._peer.name, peers.count(self._peer, values, clip, tracked)
                )
            ]
        return self._rows[key]
