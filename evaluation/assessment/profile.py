"""What a centre's weekdays and hours usually bring, from what was seen of the month itself.

Counts over covered time of the same weekday and hour (a ratio estimator). Where that was hardly
seen it is borrowed: how busy the weekday is, times what the hour brings, both fitted to all that
was seen so that the sums of every weekday and every hour come out (iterative proportional
fitting; W. E. Deming, F. F. Stephan, Annals of Mathematical Statistics 11, 1940, 427-444).
"""

from dataclasses import dataclass
from math import hypot

import numpy as np

from evaluation.assessment.observed import Bools, Floats, Ints
from evaluation.assessment.opening import Month

ENOUGH_SLOTS = 2.0
"""Slots' worth of covered time from which on a weekday and hour has a profile of its own."""
UNKNOWN_SPREAD = 0.35
"""Relative spread of what is not known well enough; wide on purpose."""
_ROUNDS = 10
_HOURS = 24


@dataclass(frozen=True, slots=True)
class Profile:
    """What a wholly covered slot usually counts; arrays of `slots` elements.

    noise: variance of it by chance. is_own: whether the weekday and hour were seen enough.
    doubt: relative error of what is borrowed; 0 where nothing is.
    """

    rate: Floats
    noise: Floats
    is_own: Bools
    doubt: Floats


def profile_of(count: Ints, cov: Floats, is_open: Bools, month: Month) -> Profile:
    """Return what a wholly covered slot usually counts."""
    group = group_of(month)
    # Where nothing was covered a count has no time to be divided by.
    counted = _table(group, np.where(is_open & (cov > 0), count, 0))
    time = _table(group, np.where(is_open, cov, 0.0))
    fitted, factors = _fitted(counted, time)
    is_own = time >= ENOUGH_SLOTS
    own, noise = _ratio(counted, time), _ratio(_ratio(counted, time), time)
    noise = np.where(is_own, noise, _ratio(fitted, time.sum(axis=0, keepdims=True)))
    doubt = np.where(is_own, 0.0, _doubt(own, fitted, is_own, factors)[:, None])
    rate = np.where(is_own, own, fitted)
    return Profile(
        rate.ravel()[group], noise.ravel()[group], is_own.ravel()[group], doubt.ravel()[group]
    )


def group_of(month: Month) -> Ints:
    """Return the number of each slot's weekday and hour."""
    return month.weekday * _HOURS + month.minute // 60


def _fitted(counted: Floats, time: Floats) -> tuple[Floats, Floats]:
    """Return weekday factor times hour rate, and the factors; those of unseen weekdays are 1."""
    overall = float(counted.sum() / time.sum()) if time.any() else 0.0
    weekday: Floats = np.ones(7)
    hour = np.full(_HOURS, overall)
    for _ in range(_ROUNDS):
        hour = _ratio(counted.sum(axis=0), weekday @ time, overall)
        weekday = _ratio(counted.sum(axis=1), time @ hour, 1.0)
    return np.outer(weekday, hour), np.where(time.sum(axis=1) > 0, weekday, np.nan)


def _doubt(own: Floats, fitted: Floats, is_own: Bools, factors: Floats) -> Floats:
    """Return by weekday how far what is borrowed may be off, relative to it.

    As far as the hours that were seen lie from their fit; of a weekday that was never seen, as
    far as weekdays lie from each other as well.
    """
    tells = is_own & (fitted > 0)
    of_hours = float(np.std(own[tells] / fitted[tells])) if tells.sum() > 1 else UNKNOWN_SPREAD
    seen = ~np.isnan(factors)
    of_days = float(np.std(factors[seen], ddof=1)) if seen.sum() > 1 else UNKNOWN_SPREAD
    return np.where(seen, of_hours, hypot(of_hours, of_days))


def _table(group: Ints, values: Floats | Ints) -> Floats:
    return np.bincount(group, values, minlength=7 * _HOURS).reshape(7, _HOURS).astype(np.float64)


def _ratio(above: Floats, below: Floats, otherwise: float = 0.0) -> Floats:
    above, below = np.broadcast_arrays(above, below)
    ratio: Floats = np.full(above.shape, otherwise)
    np.divide(above, below, out=ratio, where=below > 0)
    return ratio
