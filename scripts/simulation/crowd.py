"""The people of one centre, from a seed: who comes in, stays, waits and goes home again.

Times are simulated seconds since the start of the run. The numbers are invented but plausible
for a public-service centre: a few hundred visitors on a working day, two peaks, a quiet lunch,
closed evenings.
"""

import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from edge.vocabulary import Outcome

SLOT_S = 900
"""The rate of arrivals is constant for so long."""
OPENS_H, CLOSES_H = 9.0, 17.5
_WEEKDAY = (1.1, 1.0, 0.95, 0.95, 1.05, 0.4, 0.15)
"""Monday to Sunday, as a share of a working day."""
_HOURS = {9: 1.3, 10: 1.6, 11: 1.1, 12: 0.5, 13: 0.7, 14: 1.2, 15: 1.3, 16: 1.0, 17: 0.6}
_OPEN_HOURS = sum(_HOURS.values())
MEDIAN_VISITORS = 220.0
LEAST_VISITORS, MOST_VISITORS = 30.0, 1800.0
MEAN_STAY_S, LONGEST_STAY_S = 900.0, 3 * 3600.0
MEAN_WAIT_S = 240.0
_UTURN, _AMBIGUOUS, _BORN_PAST, _DOUBTED = 0.03, 0.008, 0.005, 0.02


@dataclass(frozen=True, slots=True, order=True)
class Passage:
    """One person at a line. doubt: as in `Crossing`."""

    at: float
    line: str
    outcome: Outcome
    doubt: Outcome | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, order=True)
class Waiting:
    """Somebody joins the queue (+1) or leaves it (-1)."""

    at: float
    change: int


Happening = Passage | Waiting


class Crowd:
    """What happens in one centre. Ask for spans that follow each other."""

    def __init__(
        self,
        rng: random.Random,
        lines: Sequence[str],
        start_s: float,
        zone: tzinfo,
        *,
        has_queue: bool,
    ) -> None:
        """Draw the size of the centre; the first line is its main door.

        start_s: when the simulation begins, seconds of UTC.
        """
        self._rng, self._lines, self._has_queue = rng, tuple(lines), has_queue
        self._start_s, self._zone = start_s, zone
        size = rng.lognormvariate(0, 0.7) * MEDIAN_VISITORS
        self.visitors_per_day = min(max(size, LEAST_VISITORS), MOST_VISITORS)
        self._weights = [1.0, *(0.3 for _ in self._lines[1:])]
        self._staff_at_home = rng.randint(3, 12)
        self._to_come: list[tuple[float, int, Happening]] = []
        self._drawn = 0

    def between(self, t0: float, t1: float) -> list[Happening]:
        """Return what happens in [t0, t1), in order."""
        at = t0
        while at < t1:
            end = min(t1, (at // SLOT_S + 1) * SLOT_S)
            self._arrive(at, end)
            at = end
        found = []
        while self._to_come and self._to_come[0][0] < t1:
            found.append(heapq.heappop(self._to_come)[2])
        return found

    def _arrive(self, t0: float, t1: float) -> None:
        local = datetime.fromtimestamp(self._start_s + (t0 + t1) / 2, self._zone)
        hour = local.hour + local.minute / 60
        rate = self._rate_per_s(local, hour)
        at = t0
        while rate > 0 and (at := at + self._rng.expovariate(rate)) < t1:
            self._visit(at, hour)
        if 8.5 <= hour < OPENS_H and self._staff_at_home and local.weekday() < 5:
            self._staff_comes(t0, t1, hour)

    def _rate_per_s(self, local: datetime, hour: float) -> float:
        if not OPENS_H <= hour < CLOSES_H:
            return 0.0
        share = _HOURS[local.hour] / _OPEN_HOURS * (2 if local.hour == 17 else 1)
        return self.visitors_per_day * _WEEKDAY[local.weekday()] * share / 3600

    def _visit(self, at: float, hour: float) -> None:
        rng = self._rng
        line = rng.choices(self._lines, self._weights)[0]
        kind = rng.random()
        if kind < _UTURN:
            self._will(Passage(_ms(at), line, Outcome.UTURN))
            return
        until_closing_s = (CLOSES_H - hour) * 3600 + 900
        stay_s = min(rng.expovariate(1 / MEAN_STAY_S) + 60, LONGEST_STAY_S, until_closing_s)
        wait_s = min(rng.expovariate(1 / MEAN_WAIT_S), stay_s - 45)
        self._will(self._passage(at, line, Outcome.IN, kind))
        if self._has_queue and wait_s > 5:
            self._will(Waiting(_ms(at + 15), +1))
            self._will(Waiting(_ms(at + 15 + wait_s), -1))
        home = line if rng.random() < 0.85 else rng.choice(self._lines)
        self._will(self._passage(at + stay_s, home, Outcome.OUT, rng.random()))

    def _staff_comes(self, t0: float, t1: float, hour: float) -> None:
        rng = self._rng
        slots_left = max(1, round((OPENS_H - hour) * 3600 / SLOT_S))
        come = self._staff_at_home if slots_left == 1 else self._staff_at_home // 2
        self._staff_at_home -= come
        for _ in range(come):
            at = rng.uniform(t0, t1)
            day_s = (CLOSES_H - hour) * 3600 + rng.uniform(0, 1200)
            self._will(Passage(_ms(at), self._lines[0], Outcome.IN))
            self._will(Passage(_ms(at + day_s), self._lines[0], Outcome.OUT))
        if slots_left == 1:
            self._staff_at_home = rng.randint(3, 12)

    def _passage(self, at: float, line: str, way: Outcome, kind: float) -> Passage:
        if kind > 1 - _AMBIGUOUS:
            return Passage(_ms(at), line, Outcome.AMBIGUOUS, doubt=way)
        if kind > 1 - _AMBIGUOUS - _BORN_PAST:
            return Passage(_ms(at), line, Outcome.BORN_PAST_LINE, doubt=way)
        return Passage(_ms(at), line, way, doubt=way if self._rng.random() < _DOUBTED else None)

    def _will(self, what: Happening) -> None:
        self._drawn += 1  # so that two at one moment keep their order
        heapq.heappush(self._to_come, (what.at, self._drawn, what))


def _ms(at: float) -> float:
    return round(at, 3)
