"""Counting a person once: tracks in, crossings out.

The rule (design, "Counting a person once"): a track is *settled* once its anchor has
been clear of the line's dead-band for the hold time; a crossing is a change of
settled side whose path passed between the ends of the line. Someone who stands on
the line, flickers or peeks over it therefore counts nothing.

A crossing on one track that is undone within the U-turn time is booked as one
`uturn` instead of one in and one out.

What cannot be known is said. A crossing is in doubt where the track was unseen while it
passed, was covered by somebody, or was first seen in the dead-band. A track that ends in
the dead-band after a passage, or close to the line it was walking towards, is
`ambiguous`; one that begins close behind the line is `born_past_line`. Both may have
been a crossing, and the direction it would have had is kept as its doubt.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf

from edge.geometry import anchor_of, box_iou, isotropic, passage, signed_distance
from edge.vocabulary import Anchor, Counted, Crossing, Line, Outcome, Point, Track, Tracks


@dataclass(frozen=True, slots=True)
class CountingSettings:
    """Thresholds of the crossing rule, in seconds and person-heights.

    near_heights: a track that begins or ends nearer than this may have passed unseen.
    crowd_iou, unseen_s: a passage is in doubt while the box overlaps another by so much,
    or when the track had been unseen for so long.
    """

    anchor: Anchor = Anchor.BOTTOM_CENTRE
    dead_band_heights: float = 0.08
    hold_s: float = 0.30
    uturn_s: float = 5.0
    near_heights: float = 0.5
    crowd_iou: float = 0.5
    unseen_s: float = 0.5


@dataclass(slots=True)
class _Walk:
    """What is known of one track near one line since it last settled."""

    last: Point
    born_at: float
    born_offset: float
    offset: float = 0.0
    farthest: float = 0.0
    net: int = 0
    passed_at: float = -inf
    passed_in_doubt: bool = False
    seen_at: float = 0.0
    settled_side: int | None = None
    clear_side: int = 0
    clear_since: float = 0.0
    pending: list[Crossing] = field(default_factory=list)


class Counter:
    """Books the passages of all tracks over all lines of one camera."""

    def __init__(self, lines: Sequence[Line], settings: CountingSettings | None = None) -> None:
        self._lines = tuple(lines)
        self._settings = settings or CountingSettings()
        self._walks: dict[int, dict[str, _Walk]] = {}
        self._settled_until = -inf
        self._path: dict[tuple[str, float], tuple[Point, ...]] = {}

    def __len__(self) -> int:
        """Count the tracks for which state is held."""
        return len(self._walks)

    def update(self, tracks: Tracks) -> Counted:
        """Follow every observed track over every line; book what has become final."""
        live: list[Crossing] = []
        for track in tracks.live:
            if track.observed:
                live += self._follow(track, tracks)
        booked: list[Crossing] = []
        for gone in tracks.ended:
            walks = self._walks.pop(gone, {})
            for line in self._lines:
                if line.id in walks:
                    live += self._end(line, walks[line.id])
                    booked += walks[line.id].pending
        booked += self._ripe(tracks.at)
        return self._answer(booked, live, tracks.at)

    def hand_over(self, to: "Counter", at: float) -> Counted:
        """Give the walks over every line that stays as it is to the next counter; end the others.

        Who is on their way over such a line, or may still turn round, is counted there as if
        nothing had happened; `at` is now. Returns what the end of the other lines books.
        """
        kept = {
            old.id
            for old in self._lines
            for new in to._lines
            if (old.id, old.points, old.entry) == (new.id, new.points, new.entry)
            and self._settings == to._settings
        }
        for track, walks in self._walks.items():
            if handed := {line: walks.pop(line) for line in kept & walks.keys()}:
                to._walks[track] = handed
        to._settled_until = self._settled_until
        return self.finish(at)

    def finish(self, at: float) -> Counted:
        """End every track at a shutdown, so that nothing pending is lost."""
        return self.update(Tracks(at, 1.0, ended=tuple(self._walks)))

    def _follow(self, track: Track, tracks: Tracks) -> list[Crossing]:
        anchor = isotropic(anchor_of(track.box, self._settings.anchor), tracks.aspect)
        height = max(track.box[3] - track.box[1], 1e-6)
        walks = self._walks.setdefault(track.id, {})
        seen: list[Crossing] = []
        for line in self._lines:
            path = self._isotropic_path(line, tracks.aspect)
            offset = signed_distance(anchor, path) / height
            walk = walks.get(line.id)
            if walk is None:
                walk = walks[line.id] = _Walk(anchor, tracks.at, offset, seen_at=tracks.at)
            step = passage(walk.last, anchor, path)
            if step:
                walk.net += step
                walk.passed_at = tracks.at
                unseen = tracks.at - walk.seen_at > self._settings.unseen_s
                walk.passed_in_doubt = unseen or self._is_covered(track, tracks)
            walk.seen_at = tracks.at
            walk.last, walk.offset = anchor, offset
            walk.farthest = max(walk.farthest, abs(offset))
            seen += self._settle(walk, line, tracks.at)
        return seen

    def _settle(self, walk: _Walk, line: Line, at: float) -> list[Crossing]:
        """Advance the settled side by one observation; return a crossing seen now."""
        s = self._settings
        clear = abs(walk.offset) >= s.dead_band_heights
        side = (1 if walk.offset > 0 else -1) if clear else 0
        if side != walk.clear_side:
            walk.clear_side, walk.clear_since = side, at
        # Where a track is first clear it came from, unless it has passed the line before;
        # only a change has to prove itself.
        came_from = walk.settled_side
        if came_from is None and walk.net * side > 0:
            came_from, walk.passed_in_doubt = -side, True
        held = came_from is None or at - walk.clear_since >= s.hold_s
        if side == 0 or not held:
            return []
        if side != walk.settled_side:
            walk.settled_side, walk.farthest = side, abs(walk.offset)
        net, walk.net = walk.net, 0
        if came_from in (None, side) or net == 0:
            return []
        return [self._cross(walk, line, net)]

    def _cross(self, walk: _Walk, line: Line, net: int) -> Crossing:
        way = _direction(net, line)
        crossing = Crossing(line.id, way, walk.passed_at, way if walk.passed_in_doubt else None)
        self._net_out(walk, crossing)
        return crossing

    def _is_covered(self, track: Track, tracks: Tracks) -> bool:
        """Whether somebody else's box lies over the track's: two may have changed places."""
        limit = self._settings.crowd_iou
        return any(
            other.id != track.id and box_iou(track.box, other.box) >= limit for other in tracks.live
        )

    def _net_out(self, walk: _Walk, crossing: Crossing) -> None:
        """Add a crossing to those that may still be undone, or undo the last of them."""
        last = walk.pending[-1] if walk.pending else None
        undone = (
            last is not None
            and last.outcome is not crossing.outcome
            and last.outcome is not Outcome.UTURN
        )
        if undone:
            walk.pending[-1] = Crossing(crossing.line, Outcome.UTURN, crossing.at)
        else:
            walk.pending.append(crossing)

    def _end(self, line: Line, walk: _Walk) -> list[Crossing]:
        """Judge a track that ended, and return the crossing it still made, if any.

        Clear on the other side but too short for the hold time: it left the scene
        after crossing. In the dead-band with a passage behind it, or close to the line it
        was walking towards: doubtful. Never on the other side, yet begun close to the line
        and gone away from it: it may have crossed before it was first seen.
        """
        side = 1 if walk.offset > 0 else -1
        was_elsewhere = walk.settled_side is not None or walk.net * walk.clear_side > 0
        if walk.net != 0 and was_elsewhere:
            if walk.clear_side not in (0, walk.settled_side):
                return [self._cross(walk, line, walk.net)]
            if walk.clear_side == 0:
                self._doubt(walk, line, Outcome.AMBIGUOUS, walk.net, walk.passed_at)
        elif walk.passed_at == -inf and self._has_gone(walk.born_offset, walk.offset):
            self._doubt(walk, line, Outcome.BORN_PAST_LINE, side, walk.born_at)
        elif self._has_gone(walk.offset, walk.farthest):
            self._doubt(walk, line, Outcome.AMBIGUOUS, -side, walk.seen_at)
        return []

    def _has_gone(self, near: float, far: float) -> bool:
        """Whether one end of a walk is close to the line and the other well away from it."""
        limit = self._settings.near_heights
        return abs(near) < limit and abs(far) - abs(near) > limit

    def _doubt(self, walk: _Walk, line: Line, outcome: Outcome, net: int, at: float) -> None:
        walk.pending.append(Crossing(line.id, outcome, at, _direction(net, line)))

    def _ripe(self, at: float) -> list[Crossing]:
        """Take the pending crossings that can no longer be undone."""
        ripe: list[Crossing] = []
        limit = at - self._settings.uturn_s - self._settings.hold_s
        for walks in self._walks.values():
            for walk in walks.values():
                while walk.pending and walk.pending[0].at < limit:
                    ripe.append(walk.pending.pop(0))
        return ripe

    def _answer(self, booked: list[Crossing], live: list[Crossing], at: float) -> Counted:
        """Date late bookings no earlier than what was promised as settled."""
        delay = self._settings.uturn_s + self._settings.hold_s
        dated = tuple(
            sorted(
                (replace(c, at=max(c.at, self._settled_until)) for c in booked),
                key=lambda c: (c.at, c.line, c.outcome),
            )
        )
        self._settled_until = max(self._settled_until, at - delay)
        return Counted(dated, tuple(live), self._settled_until)

    def _isotropic_path(self, line: Line, aspect: float) -> tuple[Point, ...]:
        key = (line.id, aspect)
        if key not in self._path:
            self._path = {k: v for k, v in self._path.items() if k[1] == aspect}
            self._path[key] = tuple(isotropic(p, aspect) for p in line.points)
        return self._path[key]


def _direction(net: int, line: Line) -> Outcome:
    return Outcome.IN if net * line.entry > 0 else Outcome.OUT
