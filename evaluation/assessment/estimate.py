"""What probably happened while nobody was looking: the centre's own weekday and hour profile.

A slot that was covered for a share c lacks the share 1 - c of what its weekday and hour usually
bring, see `evaluation.assessment.profile`.

The range is 1.96 standard deviations of four errors that add up as independent ones do:
- days differ: a whole day is busier or quieter than the profile says, so what is missing of one
  day is off by one share, which does not cancel out inside the day;
- the profile of a weekday is the mean of a few such days;
- chance: small numbers scatter (Poisson), both those that are missing and those that were seen;
- what is borrowed from other weekdays and hours is off by as much as these lie from their fit.

It does not hold against somebody who chooses: days that are left out because they are quiet are
filled up as usual ones. `evaluation.assessment.outages` looks for that; `scripts/bench estimate`
says how often the range holds, and what such a choice gains.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from evaluation.assessment.observed import Bools, Floats, Ints
from evaluation.assessment.opening import Month
from evaluation.assessment.profile import UNKNOWN_SPREAD, Profile, group_of, profile_of

Z95 = 1.96
SEEN_DAY = 0.5
"""Share of its open time from which on a day tells how far days differ."""
FEWEST_DAYS = 5
"""So many days beyond those that the profile itself was fitted to."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A sum over open slots with the part that was not seen filled in.

    value, low, high: persons; seen: what was counted; filled: value - seen.
    borrowed: the part of `filled` whose weekday and hour were hardly seen.
    """

    value: float
    low: float
    high: float
    seen: int
    filled: float
    borrowed: float = 0.0


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
    seen = int(of.count[is_open].sum())
    least, most = int(of.low[is_open].sum()), int(of.high[is_open].sum())
    lacking = np.where(is_open, 1 - of.cov, 0.0)
    if not lacking.any():
        return Estimate(seen, min(seen, least), max(seen, most), seen, 0.0)
    profile = profile_of(of.count, of.cov, is_open, month)
    missing = lacking * profile.rate
    filled, borrowed = float(missing.sum()), float(missing[~profile.is_own].sum())
    margin = Z95 * sqrt(_variance(of, is_open, month, profile))
    value = seen + filled
    # Who was seen was there: the unseen part is not less than nobody.
    lowest = min(seen, least) + max(0.0, filled - margin)
    highest = max(seen, most) + filled + margin
    return Estimate(value, min(value, lowest), highest, seen, filled, borrowed)


def _variance(of: Counted, is_open: Bools, month: Month, profile: Profile) -> float:
    """Return the sum of the four errors' variances, see the module."""
    lacking = np.where(is_open, 1 - of.cov, 0.0)
    missing, weekday = lacking * profile.rate, weekdays(month)
    spread = _spread(of, is_open, month, profile)
    looked = np.bincount(month.day, np.where(is_open, of.cov, 0.0), minlength=month.days) > 0
    days_seen = np.maximum(1, np.bincount(weekday, looked, minlength=7))
    by_day = np.bincount(month.day, missing, minlength=month.days)
    by_weekday = np.bincount(weekday, by_day, minlength=7)
    of_days = spread**2 * float((by_day**2).sum() + (by_weekday**2 / days_seen).sum())
    group = group_of(month)
    lacked, noise = np.bincount(group, lacking), np.zeros(int(group.max()) + 1)
    noise[group] = profile.noise
    of_chance = float(missing.sum() + (lacked**2 * noise).sum())
    borrowed = np.bincount(month.weekday, missing * profile.doubt, minlength=7)
    return of_days + of_chance + float((borrowed**2).sum())


def _spread(of: Counted, is_open: Bools, month: Month, profile: Profile) -> float:
    """Return how far days lie from the profile, relative to it: what chance does not explain."""
    slots = np.bincount(month.day, is_open, minlength=month.days)
    seen = np.where(is_open, of.cov, 0.0)
    covered = np.bincount(month.day, seen, minlength=month.days)
    expected = np.bincount(month.day, seen * profile.rate, minlength=month.days)
    observed = np.bincount(month.day, np.where(is_open, of.count, 0), minlength=month.days)
    tells = (slots > 0) & (covered >= SEEN_DAY * slots) & (expected > 0)
    # The profile was fitted to these days: so many weekdays, so many fewer days that are free.
    free = int(tells.sum()) - len(set(weekdays(month)[tells].tolist()))
    if free < FEWEST_DAYS:
        return UNKNOWN_SPREAD
    off = (observed[tells] / expected[tells] - 1) ** 2
    # What the Poisson term says already is not said twice.
    return sqrt(max(0.0, float(off.sum()) / free - float(np.mean(1 / expected[tells]))))


def weekdays(month: Month) -> Ints:
    """Return the weekday of each day of the month."""
    weekday = np.zeros(month.days, dtype=np.int64)
    weekday[month.day] = month.weekday
    return weekday
