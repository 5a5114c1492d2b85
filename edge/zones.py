"""Who is in a zone: tracks in; headcounts, arrivals and departures out.

The headcount is of the picture: everybody whose anchor is inside the outline, as long as
they were seen a moment ago. Who flickers over the outline counts half of the time, which
is as often as they are inside; so presence, a sum of headcounts, needs no dead-band. A
box that was seen in one picture only is nobody yet.

Arrivals and departures need one. A visit begins once a track's anchor has been inside for
the hold time, and ends once it has been clear outside, beyond the dead-band, for as long;
whoever stands on the outline or flickers over it stays where they were. Who is lost from
sight when already clear outside has left.

A track that begins or ends in the middle of a zone is mostly the tracker's doing: a
person hidden for a moment comes back under another id. An appearance and a vanishing
close to each other in time and place are therefore one person who stayed; only what
finds no partner is an arrival or a departure. Nobody needs an id that lives longer.

Who is first seen inside just after the video began was there before: they are in the
headcount and no arrival. Who is lost while there was no video is no departure.
"""

from collections import Counter as Tally
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import dist, inf

from edge.geometry import anchor_of, depth_inside, isotropic
from edge.vocabulary import Anchor, Occupancy, Point, Track, Tracks, Zone


@dataclass(frozen=True, slots=True)
class ZoneSettings:
    """Thresholds, in seconds and person-heights.

    unseen_s: how long somebody who is not found by the detector is still in the headcount.
    """

    anchor: Anchor = Anchor.BOTTOM_CENTRE
    dead_band_heights: float = 0.08
    hold_s: float = 0.5
    unseen_s: float = 1.0
    reappear_s: float = 3.0
    reappear_heights: float = 1.0


@dataclass(slots=True)
class _Visit:
    """Where one track is with respect to one zone."""

    within: bool = False
    """Whether the anchor was inside the outline when last seen."""
    inside: bool = False
    """Whether a visit has begun and not ended."""
    was_outside: bool = False
    clear_side: int = 0
    clear_since: float = -inf


@dataclass(slots=True)
class _Walk:
    """What is known of one track."""

    born_at: float
    last: Point
    height: float
    seen_at: float
    visits: dict[str, _Visit] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, order=True)
class _Doubt:
    """An appearance or a vanishing that waits for its partner."""

    at: float
    place: Point
    height: float


@dataclass(slots=True)
class _Ledger:
    """The books of one zone."""

    arrivals: int = 0
    departures: int = 0
    appeared: list[_Doubt] = field(default_factory=list)
    vanished: list[_Doubt] = field(default_factory=list)
    watched_since: float | None = None


class _Outline:
    """A zone in picture-heights."""

    def __init__(self, zone: Zone, aspect: float) -> None:
        self._corners = tuple(isotropic(p, aspect) for p in zone.polygon)
        xs, ys = zip(*self._corners, strict=True)
        self._left, self._right, self._top, self._bottom = min(xs), max(xs), min(ys), max(ys)

    def side(self, place: Point, dead_band: float) -> int:
        """Return +1 inside, −1 clear outside, 0 outside but in the dead-band."""
        x, y = place
        beside = max(self._left - x, x - self._right, self._top - y, y - self._bottom)
        if beside > dead_band:  # most people are far from most zones
            return -1
        depth = depth_inside(place, self._corners)
        return 1 if depth > 0 else 0 if depth > -dead_band else -1


class ZoneCounter:
    """Books the visits of all tracks to all zones of one camera."""

    def __init__(self, zones: Sequence[Zone], settings: ZoneSettings | None = None) -> None:
        self._zones = tuple(zones)
        self._settings = settings or ZoneSettings()
        self._walks: dict[int, _Walk] = {}
        self._ledgers = {zone.id: _Ledger() for zone in self._zones}
        self._aspect = 0.0
        self._outlines: dict[str, _Outline] = {}

    @property
    def tracks_held(self) -> int:
        """Count the tracks for which state is held."""
        return len(self._walks)

    def update(self, tracks: Tracks, *, watched: bool = True) -> tuple[Occupancy, ...]:
        """Follow every track; answer for every zone in order.

        watched: whether there was healthy video since the last call.
        """
        if not self._zones:
            return ()
        for ledger in self._ledgers.values():
            if ledger.watched_since is None or not watched:
                ledger.watched_since = tracks.at
            self._settle_doubts(ledger, tracks.at)
        for track in tracks.live:
            self._follow(track, tracks)
        for gone in tracks.ended:
            self._end(gone, tracks.at)
        for ledger in self._ledgers.values():
            self._pair(ledger)
        return self._answer(self._headcounts(tracks.at))

    def hand_over(self, to: "ZoneCounter") -> tuple[Occupancy, ...]:
        """Give the visits to every zone that stays as it is to the next counter; end the others.

        What waits there for its partner goes on waiting. Returns what the others still book.
        """
        kept = {
            old.id
            for old in self._zones
            for new in to._zones
            if (old.id, old.polygon) == (new.id, new.polygon) and self._settings == to._settings
        }
        for track, walk in self._walks.items():
            visits = {zone: visit for zone, visit in walk.visits.items() if zone in kept}
            if visits:
                to._walks[track] = replace(walk, visits=visits)
        for zone in kept:
            to._ledgers[zone], self._ledgers[zone] = self._ledgers[zone], _Ledger()
        return self.finish()

    def finish(self) -> tuple[Occupancy, ...]:
        """Book what is in doubt and forget every track: a shutdown is nobody's departure."""
        self._walks.clear()
        for ledger in self._ledgers.values():
            self._settle_doubts(ledger, inf)
        return self._answer(Tally())

    def _headcounts(self, at: float) -> Tally[str]:
        """Count per zone who is inside now, or was when last seen, a moment ago."""
        found: Tally[str] = Tally()
        for walk in self._walks.values():
            is_somebody = walk.born_at < walk.seen_at
            if is_somebody and at - walk.seen_at <= self._settings.unseen_s:
                found.update(zone for zone, visit in walk.visits.items() if visit.within)
        return found

    def _follow(self, track: Track, tracks: Tracks) -> None:
        if track.observed:
            self._see(track, tracks)
        if walk := self._walks.get(track.id):
            self._settle(track, walk, tracks.at)

    def _see(self, track: Track, tracks: Tracks) -> None:
        """Note on which side of every outline a track is."""
        place = isotropic(anchor_of(track.box, self._settings.anchor), tracks.aspect)
        height = max(track.box[3] - track.box[1], 1e-6)
        walk = self._walks.setdefault(track.id, _Walk(track.born_at, place, height, tracks.at))
        walk.last, walk.height, walk.seen_at = place, height, tracks.at
        for zone in self._zones:
            side = self._outline(zone, tracks.aspect).side(
                place, self._settings.dead_band_heights * height
            )
            visit = walk.visits.setdefault(zone.id, _Visit())
            visit.within = side > 0
            if not visit.inside:  # only a visit that has begun needs care to end
                side = side or -1
            if side != visit.clear_side:
                visit.clear_side, visit.clear_since = side, tracks.at

    def _settle(self, track: Track, walk: _Walk, at: float) -> None:
        """Take the sides a track has proved to be on; book what that changes."""
        for zone, visit in walk.visits.items():
            if not visit.clear_side or at - visit.clear_since < self._settings.hold_s:
                continue
            ledger = self._ledgers[zone]
            if visit.clear_side < 0:
                if visit.inside:
                    self._leave(ledger, visit)
                visit.was_outside = True
            elif track.observed and not visit.inside:
                visit.inside = True
                if visit.was_outside:
                    ledger.arrivals += 1
                elif not self._was_there_before(ledger, track.born_at):
                    ledger.appeared.append(_Doubt(at, walk.last, walk.height))

    @staticmethod
    def _leave(ledger: _Ledger, visit: _Visit) -> None:
        visit.inside = False
        ledger.departures += 1

    def _end(self, gone: int, at: float) -> None:
        walk = self._walks.pop(gone, None)
        if walk is None:
            return
        for zone, visit in walk.visits.items():
            ledger = self._ledgers[zone]
            since = ledger.watched_since
            if visit.inside and visit.clear_side < 0:
                self._leave(ledger, visit)
            elif visit.inside and since is not None and walk.seen_at >= since:
                ledger.vanished.append(_Doubt(at, walk.last, walk.height))

    def _was_there_before(self, ledger: _Ledger, born_at: float) -> bool:
        since = ledger.watched_since
        return since is None or born_at <= since + self._settings.reappear_s

    def _settle_doubts(self, ledger: _Ledger, now: float) -> None:
        """Book the appearances and vanishings that have waited long enough for a partner."""
        limit = now - self._settings.reappear_s
        ledger.arrivals += sum(d.at < limit for d in ledger.appeared)
        ledger.departures += sum(d.at < limit for d in ledger.vanished)
        ledger.appeared = [d for d in ledger.appeared if d.at >= limit]
        ledger.vanished = [d for d in ledger.vanished if d.at >= limit]

    def _pair(self, ledger: _Ledger) -> None:
        """Take the nearest appearances and vanishings for one person each, who stayed."""
        near = sorted(
            (apart, came, went)
            for came, went in product(ledger.appeared, ledger.vanished)
            if (apart := _heights_apart(came, went)) <= self._settings.reappear_heights
        )
        for _, came, went in near:
            if came in ledger.appeared and went in ledger.vanished:
                ledger.appeared.remove(came)
                ledger.vanished.remove(went)

    def _answer(self, headcounts: Tally[str]) -> tuple[Occupancy, ...]:
        return tuple(
            _taken(zone.id, headcounts[zone.id], self._ledgers[zone.id]) for zone in self._zones
        )

    def _outline(self, zone: Zone, aspect: float) -> _Outline:
        if aspect != self._aspect:
            self._aspect, self._outlines = aspect, {}
        if zone.id not in self._outlines:
            self._outlines[zone.id] = _Outline(zone, aspect)
        return self._outlines[zone.id]


def _heights_apart(one: _Doubt, other: _Doubt) -> float:
    return dist(one.place, other.place) / max(one.height, other.height)


def _taken(zone: str, headcount: int, ledger: _Ledger) -> Occupancy:
    """Take the bookings since the last answer out of the books."""
    occupancy = Occupancy(zone, headcount, ledger.arrivals, ledger.departures)
    ledger.arrivals = ledger.departures = 0
    return occupancy
