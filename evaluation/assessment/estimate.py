"""What probably happened while nobody was looking: the centre's own weekday and hour profile.

A slot that was covered for a share c lacks the share 1 - c of what its weekday and hour usually
bring, see `evaluation.assessment.profile`, times how busy that day was as far as it was seen. Of
a day with `expected` visits in its covered time that is (k + seen) / (k + expected), where k is
1 / spread**2: days differ by `spread`, and a few visits do not tell much (the mean of a gamma
distribution after a Poisson count). A day that was not seen at all is a usual one.

The range is 1.96 standard deviations of four errors that add up as independent ones do:
- days differ: what is missing of one day is off by one share, which does not cancel out inside
  the day; it is `spread` where nothing was seen, and less the more was seen of the day;
- the profile of a weekday is the mean of a few such days; as far as a day was seen this cancels
  out, because what was expected of it is off by the same;
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


@dataclass(frozen=True, slots=True)
class _Busy:
    """How busy days were, by day: a factor of the profile, and the variance of it.

    unknown: the share of the factor that was not seen; as far as a day was seen, an error of the
    profile is in what was expected as well, and cancels out. spread: of days, relative.
    """

    factor: Floats
    variance: Floats
    unknown: Floats
    spread: float


def estimate(of: Counted, is_open: Bools, month: Month) -> Estimate:
    """Return a month's count in the opening hours; the unseen part from the profile."""
    seen = int(of.count[is_open].sum())
    least, most = int(of.low[is_open].sum()), int(of.high[is_open].sum())
    lacking = np.where(is_open, 1 - of.cov, 0.0)
    if not lacking.any():
        return Estimate(seen, min(seen, least), max(seen, most), seen, 0.0)
    profile = profile_of(of.count, of.cov, is_open, month)
    busy = _busy(of, is_open, month, profile)
    missing = lacking * profile.rate * busy.factor[month.day]
    filled, borrowed = float(missing.sum()), float(missing[~profile.is_own].sum())
    margin = Z95 * sqrt(_variance(of, is_open, month, profile, busy))
    value = seen + filled
    # Who was seen was there: the unseen part is not less than nobody.
    lowest = min(seen, least) + max(0.0, filled - margin)
    highest = max(seen, most) + filled + margin
    return Estimate(value, min(value, lowest), highest, seen, filled, borrowed)


def _busy(of: Counted, is_open: Bools, month: Month, profile: Profile) -> _Busy:
    """Return how busy each day was, from its covered part."""
    seen = np.where(is_open & (of.cov > 0), of.count, 0)
    observed = np.bincount(month.day, seen, minlength=month.days)
    covered = np.where(is_open, of.cov, 0.0) * profile.rate
    expected: Floats = np.bincount(month.day, covered, minlength=month.days).astype(np.float64)
    spread = _spread(of, is_open, month, profile)
    if not spread:
        return _Busy(np.ones(month.days), np.zeros(month.days), np.ones(month.days), 0.0)
    alike = 1 / spread**2
    factor: Floats = (alike + observed) / (alike + expected)
    return _Busy(factor, factor / (alike + expected), alike / (alike + expected), spread)


def _variance(of: Counted, is_open: Bools, month: Month, profile: Profile, busy: _Busy) -> float:
    """Return the sum of the four errors' variances, see the module."""
    lacking = np.where(is_open, 1 - of.cov, 0.0)
    usual, weekday = lacking * profile.rate, weekdays(month)
    looked = np.bincount(month.day, np.where(is_open, of.cov, 0.0), minlength=month.days) > 0
    days_seen = np.maximum(1, np.bincount(weekday, looked, minlength=7))
    by_day = np.bincount(month.day, usual, minlength=month.days)
    by_weekday = np.bincount(weekday, by_day * busy.unknown, minlength=7)
    of_days = float((by_day**2 * busy.variance).sum())
    of_few = busy.spread**2 * float((by_weekday**2 / days_seen).sum())
    group = group_of(month)
    lacked, noise = np.bincount(group, lacking), np.zeros(int(group.max()) + 1)
    noise[group] = profile.noise
    of_chance = float((by_day * busy.factor).sum() + (lacked**2 * noise).sum())
    borrowed = np.bincount(month.weekday, usual * profile.doubt, minlength=7)
    return of_days + of_few + of_chance + float((borrowed**2).sum())


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
