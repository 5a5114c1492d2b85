"""Who comes: arrivals by slot, how long they stay, what a line and two zones see of it.

Days differ by a gamma factor (spread 0.2), arrivals are Poisson around the hour's profile,
people stay about half an hour. A cheat walks in and out 30 times a slot on some afternoons.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.assessment.opening import SLOT_MS, Month

from .plan import Centre, Story

Ints = NDArray[np.int64]
DAY_SPREAD = 0.2
STAY_SLOTS = (0.25, 0.3, 0.25, 0.12, 0.08)
"""Share of people who leave after so many quarters of an hour."""
ROOM_SHARE = 0.3
CHEAT_DAYS = (5, 6, 12, 13, 19, 20, 26, 27)
CHEAT_SLOTS = range(58, 64)
CHEAT_PASSES = 45
_HOURS = {8: 0.5, 9: 1.2, 10: 1.5, 11: 1.1, 12: 0.4, 13: 0.6, 14: 1.2, 15: 1.3, 16: 1.0, 17: 0.7,
          18: 0.9, 19: 0.8}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Crowd:
    """What happens in a month; arrays of the month's slots."""

    entered: Ints
    left: Ints
    uturn: Ints
    inside_ms: Ints
    room_ms: Ints
    room_used_ms: Ints


def crowd_of(centre: Centre, month: Month, is_open: NDArray[np.bool_]) -> Crowd:
    """Return a month of a centre, the same for the same seed."""
    random = np.random.default_rng([centre.seed, centre.number, 1])
    day_factor = random.gamma(1 / DAY_SPREAD**2, DAY_SPREAD**2, month.days)
    hour = np.array([_HOURS.get(h, 0.0) for h in range(24)])[month.minute // 60]
    weekend = np.where(month.weekday >= 5, 0.7, 1.0)
    mean = np.where(is_open, centre.rate * hour * weekend * day_factor[month.day], 0.0)
    entered = random.poisson(mean)
    stays = np.array([random.multinomial(n, STAY_SLOTS) for n in entered])
    left, inside = np.zeros_like(entered), np.zeros_like(entered)
    for after in range(len(STAY_SLOTS)):
        shifted = np.zeros_like(entered)
        shifted[after:] = stays[: len(entered) - after, after]
        left += shifted
        inside += _stayed(stays[:, after], after)
    uturn = random.poisson(entered * 0.04)
    if centre.story is Story.CHEAT:
        passes = _cheating(month, random)
        entered, left = entered + passes, left + passes
    is_used = random.random(month.slots) < ROOM_SHARE
    room_ms = np.where(is_used, inside // 3, 0)
    used = np.minimum(room_ms, SLOT_MS)
    return Crowd(entered, left, uturn, inside, room_ms, used)


def _stayed(people: Ints, after: int) -> Ints:
    """Return the person-milliseconds in each slot of those who stay so many slots."""
    inside = np.zeros_like(people)
    inside += people * (SLOT_MS // 2)
    for later in range(1, after + 1):
        shifted = np.zeros_like(people)
        shifted[later:] = people[: len(people) - later]
        inside += shifted * (SLOT_MS if later < after else SLOT_MS // 2)
    return inside


def _cheating(month: Month, random: np.random.Generator) -> Ints:
    passes = np.zeros(month.slots, dtype=np.int64)
    slot = month.minute // 15
    for day in CHEAT_DAYS:
        for each in CHEAT_SLOTS:
            passes[(month.day == day) & (slot == each)] = random.integers(
                CHEAT_PASSES - 10, CHEAT_PASSES + 10
            )
    return passes
