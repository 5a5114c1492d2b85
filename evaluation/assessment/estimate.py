"""What probably happened while nobody was looking: the centre's own weekday and hour profile.

A slot that was covered for a share c lacks the share 1 - c of what its weekday and hour usually
bring. The profile is a ratio estimator, counts over covered time, of the same weekday and hour
in the same month; where that was hardly seen, of the same hour on any day; else of all hours.

The range: whole days are busier or quieter than the profile says, so the error of the missing
part of one day is one error, not many that cancel out. Its spread is taken from the days that
were seen (observed over expected), and what is missing on different days adds up as independent
errors do; a Poisson term for the small numbers; and the profile itself is known no better than
its days are many.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from evaluation.assessment.observed import Bools, Floats, Ints
from evaluation.assessment.opening import Month

Z95 = 1.96
ENOUGH_SLOTS = 2.0
"""Slots' worth of covered time from which on a weekday and hour has a profile of its own."""
SEEN_DAY = 0.95
FEWEST_DAYS = 5
UNKNOWN_SPREAD = 0.35
"""Relative spread of days where fewer than FEWEST_DAYS were seen; wide on purpose."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A sum over open slots with the part that was not seen filled in.

    value, low, high: persons; seen: what was counted; filled: value - seen.
    """

    value: float
    low: float
    high: float
    seen: int
    filled: float


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted in the covered part of each slot of a month; arrays of `slots` elements.

    low, high: the range of the count as the device told it. cov: 0..1.
    """

    count: Ints
    low: Ints
    high: Ints
    cov: Floats


def estimate(of: Counted, is_open: Bools, month: Month) -> Estimate:
    """Return a month's count in the opening hours; the unseen part from the profile."""
    count, cov = of.count, of.cov
    seen = int(count[is_open].sum())
    least, most = int(of.low[is_open].sum()), int(of.high[is_open].sum())
    lacking = np.where(is_open, 1 - cov, 0.0)
    if not lacking.any():
        return Estimate(seen, min(seen, least), max(seen, most), seen, 0.0)
    profile = profile_of(count, cov, is_open, month)
    expected = np.bincount(month.day, lacking * profile, minlength=month.days)
    filled = float(expected.sum())
    spread, days = _spread(count, cov, is_open, profile, month)
    variance = float((expected**2).sum()) * spread**2 + filled + (filled * spread) ** 2 / days
    margin = Z95 * sqrt(variance)
    value = seen + filled
    # Who was seen was there: the unseen part is not less than nobody.
    lowest = min(seen, least) + max(0.0, filled - margin)
    return Estimate(value, min(value, lowest), max(seen, most) + filled + margin, seen, filled)


def profile_of(count: Ints, cov: Floats, is_open: Bools, month: Month) -> Floats:
    """Return what a wholly covered slot usually counts; array of `slots` elements."""
    hour = month.minute // 60
    rates, enough = _rates(count, cov, is_open, month.weekday * 24 + hour)
    by_hour, enough_of_hour = _rates(count, cov, is_open, hour)
    overall, _ = _rates(count, cov, is_open, np.zeros_like(hour))
    return np.where(enough, rates, np.where(enough_of_hour, by_hour, overall))


def _rates(count: Ints, cov: Floats, is_open: Bools, key: Ints) -> tuple[Floats, Bools]:
    time = np.bincount(key, np.where(is_open, cov, 0.0))
    counted = np.bincount(key, np.where(is_open, count, 0))
    rate = np.divide(counted, time, out=np.zeros_like(time), where=time > 0)
    return rate[key], (time >= ENOUGH_SLOTS)[key]


def _spread(
    count: Ints, cov: Floats, is_open: Bools, profile: Floats, month: Month
) -> tuple[float, int]:
    """Return how far whole days lie from the profile, relative, and how many days tell it."""
    slots = np.bincount(month.day, is_open, minlength=month.days)
    covered = np.bincount(month.day, np.where(is_open, cov, 0.0), minlength=month.days)
    expected = np.bincount(month.day, np.where(is_open, profile, 0.0), minlength=month.days)
    observed = np.bincount(month.day, np.where(is_open, count, 0), minlength=month.days)
    seen = (slots > 0) & (covered >= SEEN_DAY * slots) & (expected > 0)
    days = int(seen.sum())
    if days < FEWEST_DAYS:
        return UNKNOWN_SPREAD, max(1, days)
    ratio = observed[seen] / expected[seen]
    # What the Poisson term says already is not said twice.
    beyond = float(np.var(ratio, ddof=1)) - float(np.mean(1 / expected[seen]))
    return sqrt(max(beyond, 0.0)), days
