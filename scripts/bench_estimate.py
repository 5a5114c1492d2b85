#!/usr/bin/env python3
"""How often the range of an estimated month holds the truth, and what choosing the outage gains.

Months are made up: a weekday and hour profile whose hours differ between weekdays as well
(gamma, relative spread 0.2), days that are busier or quieter as a whole (gamma, relative spread
given), and chance in every slot (Poisson). Then a part of the opening
time is taken away, in one of several ways, and the rest is estimated as any month is. The truth
is what was taken away and what was left.

The ways of `CHOSEN` look at the truth before they take away: nobody can promise a range against
that. What they gain is given in percent of the truth, beside how often a flag says so.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

import numpy as np
from numpy.random import Generator

from evaluation.assessment.estimate import Counted, estimate
from evaluation.assessment.observed import Bools, DoorMonth, Floats, Ints
from evaluation.assessment.opening import Month, Opening, month_of
from evaluation.assessment.outages import outages
from evaluation.assessment.site import SiteMonth

ROOT = Path(__file__).resolve().parent.parent
WEEK = Opening(dict.fromkeys(range(5), ((9 * 60, 17 * 60),)) | {5: ((9 * 60, 12 * 60),)})
WEEKDAYS = np.array([1.3, 1.0, 0.9, 1.0, 1.1, 0.6, 0.0])
HOURS = np.array([1.4, 1.5, 1.2, 0.5, 0.6, 1.0, 1.1, 0.7])
SHARES = (0.05, 0.15, 0.30)
Outage = Callable[[Generator, Ints, Bools, Month, float], Bools]


@dataclass(frozen=True)
class Result:
    """How a kind of outage went. Shares are 0..1, the bias and the width relative to the truth."""

    kind: str
    lost: float
    months: int
    held: float
    bias: float
    width: float
    flagged: float


def rates_of(month: Month, is_open: Bools, per_slot: float) -> Floats:
    """Return the expected visits of every slot."""
    hour = np.clip(month.minute // 60 - 9, 0, 7)
    return np.where(is_open, per_slot * WEEKDAYS[month.weekday] * HOURS[hour], 0.0)


def truth_of(random: Generator, rates: Floats, month: Month, spread: float) -> Ints:
    """Return a month of visits: factors of weekday and hour, and of the day; then chance."""
    of_hours = _factors(random, 0.2, 7 * 24)[month.weekday * 24 + month.minute // 60]
    return random.poisson(rates * of_hours * _factors(random, spread, month.days)[month.day])


def _factors(random: Generator, spread: float, many: int) -> Floats:
    return random.gamma(1 / spread**2, spread**2, many)


def single_slots(random: Generator, _: Ints, is_open: Bools, __: Month, share: float) -> Bools:
    """Any slot, each by itself."""
    return is_open & (random.random(len(is_open)) < share)


def hours_at_a_time(random: Generator, _: Ints, is_open: Bools, __: Month, share: float) -> Bools:
    """Spells of two to six hours."""
    lost = np.zeros_like(is_open)
    while (lost & is_open).sum() < share * is_open.sum():
        begin = random.choice(np.flatnonzero(is_open))
        lost[begin : begin + random.integers(8, 25)] = True
    return lost & is_open


def whole_days(random: Generator, _: Ints, is_open: Bools, month: Month, share: float) -> Bools:
    """Days as chance has it."""
    days = np.unique(month.day[is_open])
    return is_open & np.isin(
        month.day, random.choice(days, max(1, round(share * len(days))), replace=False)
    )


def monday_mornings(_: Generator, __: Ints, is_open: Bools, month: Month, share: float) -> Bools:
    """Every Monday before noon, and with a larger share more mornings."""
    mornings = [0] if share < 0.1 else [0, 1] if share < 0.2 else [0, 1, 2, 3]
    return is_open & np.isin(month.weekday, mornings) & (month.minute < 12 * 60)


def quietest_days(_: Generator, truth: Ints, is_open: Bools, month: Month, share: float) -> Bools:
    """The days on which, by the truth, fewest came for their weekday."""
    by_day = np.bincount(month.day, truth, minlength=month.days)
    slots = np.bincount(month.day, is_open, minlength=month.days)
    weekday = np.zeros(month.days, dtype=int)
    weekday[month.day] = month.weekday
    usual = np.bincount(weekday, by_day, minlength=7) / np.maximum(
        1, np.bincount(weekday, slots > 0, minlength=7)
    )
    quiet = np.where(slots > 0, by_day - usual[weekday], np.inf)
    chosen = np.argsort(quiet)[: max(1, round(share * (slots > 0).sum()))]
    return is_open & np.isin(month.day, chosen)


def after_quiet_mornings(
    _: Generator, truth: Ints, is_open: Bools, month: Month, share: float
) -> Bools:
    """From eleven on, on the days whose mornings were the quietest for their weekday."""
    morning = is_open & (month.minute < 11 * 60)
    days = quietest_days(_, np.where(morning, truth, 0), is_open, month, min(1.0, share * 4 / 3))
    return days & ~morning


def quietest_hours(_: Generator, truth: Ints, is_open: Bools, month: Month, share: float) -> Bools:
    """The weekdays and hours to which fewest come, every week."""
    group = month.weekday * 24 + month.minute // 60
    count, slots = np.bincount(group, truth), np.bincount(group, is_open)
    mean = np.where(slots > 0, count / np.maximum(1, slots), np.inf)
    chosen, lost = [], 0.0
    for each in np.argsort(mean):
        if lost >= share * is_open.sum():
            break
        chosen.append(each)
        lost += slots[each]
    return is_open & np.isin(group, chosen)


BY_CHANCE: dict[str, Outage] = {
    "single slots": single_slots,
    "hours at a time": hours_at_a_time,
    "whole days": whole_days,
    "Monday (and more) mornings": monday_mornings,
}
CHOSEN: dict[str, Outage] = {
    "quietest days, chosen": quietest_days,
    "quietest hours, chosen": quietest_hours,
    "after quiet mornings, chosen": after_quiet_mornings,
}


def back_test(
    kind: str, share: float, months: int, seed: int, *, per_slot: float = 3.0, spread: float = 0.25
) -> Result:
    """Return how an outage of some kind and share goes in so many months."""
    random = np.random.default_rng(seed)
    month = month_of(2026, 3, UTC)
    is_open = month.open_slots(WEEK)
    usual, outage = rates_of(month, is_open, per_slot), (BY_CHANCE | CHOSEN)[kind]
    held, flagged, lost, bias, width = 0, 0, 0.0, 0.0, 0.0
    for _ in range(months):
        truth = truth_of(random, usual, month, spread)
        unseen = outage(random, truth, is_open, month, share)
        cov = np.where(unseen | ~is_open, 0.0, 1.0)
        count = np.where(cov > 0, truth, 0)
        found, total = estimate(Counted(count, count, count, cov), is_open, month), truth.sum()
        held += found.low <= total <= found.high
        bias += found.value / total - 1
        width += (found.high - found.low) / total
        lost += unseen.sum() / is_open.sum()
        nothing = np.zeros_like(count)
        door = DoorMonth(count, count, nothing, count, count, cov, {})
        flagged += any(outages(SiteMonth("site", month, is_open, 1000, {"door": door})))
    shares = [each / months for each in (lost, held, bias, width, flagged)]
    return Result(kind, shares[0], months, *shares[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--months", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--per-slot", type=float, default=3.0, help="visits in a usual slot")
    parser.add_argument("--spread", type=float, default=0.25, help="of days, relative")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    results = [
        back_test(
            kind, share, given.months, given.seed, per_slot=given.per_slot, spread=given.spread
        )
        for kind in BY_CHANCE | CHOSEN
        for share in SHARES
    ]
    if given.json:
        print(json.dumps([vars(each) for each in results], indent=1))
        return
    print(f"{'outage':28}{'lost':>7}{'in range':>10}{'bias':>8}{'width':>8}{'flagged':>9}")
    for each in results:
        print(
            f"{each.kind:28}{each.lost:7.1%}{each.held:10.1%}{each.bias:+8.1%}"
            f"{each.width:8.1%}{each.flagged:9.1%}"
        )


if __name__ == "__main__":
    main()
