"""What the camera of one centre shows: the crowd, as far as there is video."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from edge.vocabulary import CoverageReason, Crossing, Occupancy

from .crowd import Crowd, Passage, Waiting
from .video import Video


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture, and what happened since the last one. reason: why there is none."""

    at: float
    reason: CoverageReason | None
    booked: tuple[Crossing, ...] = ()
    occupancies: tuple[Occupancy, ...] = ()


class Scene:
    """Crowd and camera together. Moments are simulated seconds; ask for spans in order."""

    def __init__(self, crowd: Crowd, video: Video, queue_id: str | None, begins_at: float) -> None:
        """queue_id: the zone in which people wait, if this centre has one."""
        self._crowd, self._video, self._queue_id = crowd, video, queue_id
        self._at = begins_at
        self._queue = 0
        self.counted: Counter[tuple[str, str]] = Counter()
        """What was shown so far, by line or zone and kind: what the records must sum up to."""

    def until(self, end: float) -> Iterator[Shown]:
        """Go on to a moment; there is a picture whenever the queue or the video changes."""
        due = iter(self._crowd.between(self._at, end))
        ahead = next(due, None)
        while self._at < end:
            until, reason = self._part(end)
            passed: list[Passage] = []
            while ahead is not None and ahead.at < until:
                if isinstance(ahead, Passage):
                    passed.append(ahead)
                else:
                    self._queue += ahead.change
                    if reason is None:
                        yield self._seen(max(self._at, ahead.at), passed, ahead)
                ahead = next(due, None)
            yield self._seen(until, passed) if reason is None else self._unseen(until, reason)

    def _part(self, end: float) -> tuple[float, CoverageReason | None]:
        """Return until when it stays as it is now: with video, or without and why."""
        blind = self._video.at(self._at)
        if blind.t0 <= self._at:
            return min(blind.t1, end), blind.reason
        return min(blind.t0, end), None

    def _seen(self, at: float, passed: list[Passage], change: Waiting | None = None) -> Shown:
        self._at = at
        for each in passed:
            self.counted[each.line, str(each.outcome)] += 1
        booked = tuple(Crossing(p.line, p.outcome, p.at, p.doubt) for p in passed)
        passed.clear()
        if change is None:
            return Shown(at, None, booked)
        return Shown(at, None, booked, self._waiting(change.change))

    def _unseen(self, at: float, reason: CoverageReason) -> Shown:
        self._at = at
        # Who waits is seen again when there is video again, and did not arrive then.
        return Shown(at, reason, (), self._waiting(0))

    def _waiting(self, change: int) -> tuple[Occupancy, ...]:
        if self._queue_id is None:
            return ()
        came, went = max(change, 0), max(-change, 0)
        self.counted[self._queue_id, "arrivals"] += came
        self.counted[self._queue_id, "departures"] += went
        return (Occupancy(self._queue_id, self._queue, came, went),)
