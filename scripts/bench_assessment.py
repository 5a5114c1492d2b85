#!/usr/bin/env python3
"""What a month of many centres costs: from stored days to points, flags and ranks, on one core.

A centre has one device, its door in 96 slots a day, a hall, a queue and a room, and registers.
The days are read from the JSON in which they are stored; laying records onto days is done when
they come in, and timed apart. Processor time, because other work on the machine is not ours.
"""

import argparse
import json
from datetime import timedelta
from pathlib import Path
from time import process_time
from zoneinfo import ZoneInfo

import numpy as np
from numpy.random import Generator

from evaluation.assessment.composite import assess
from evaluation.assessment.flags import flags
from evaluation.assessment.observed import door_month, zone_month
from evaluation.assessment.opening import SLOT_MS, Month, Opening, month_of
from evaluation.assessment.ranking import ranks
from evaluation.assessment.registers import Activity, Cases, Ratings, Registers
from evaluation.assessment.site import SiteMonth
from evaluation.assessment.slots import (
    DAY_MS,
    DoorDay,
    LineReading,
    ZoneDay,
    as_json,
    door_day,
    door_of,
    zone_of,
)
from evaluation.scheme_file import read_scheme

ROOT = Path(__file__).resolve().parent.parent
OPENING = Opening(dict.fromkeys(range(5), ((540, 720), (840, 1020))))
KINDS = ("plain", "queue", "activity")
LINES = 8
DIFFERENT = 20
"""Different centres; the others are their likes, so that making them up costs nothing."""
Stored = dict[str, dict[int, str]]


def stored(random: Generator, starts: list[int]) -> Stored:
    """Return the days of a centre as they are stored, by what was watched."""
    door = {at: json.dumps(as_json(_door(random))) for at in starts}
    zones = {
        kind: {at: json.dumps(as_json(_zone(random, kind))) for at in starts} for kind in KINDS
    }
    return {"door": door, **zones}


def _door(random: Generator) -> DoorDay:
    count = random.integers(0, 9, 96).tolist()
    cov = (random.random(96) > 0.06).astype(float).tolist()
    return DoorDay(entered=count, left=count, low=count, high=count, cov=cov)


def _zone(random: Generator, kind: str) -> ZoneDay:
    return ZoneDay(
        kind,
        presence_ms=random.integers(0, 3_000_000, 96).tolist(),
        used_ms=random.integers(0, SLOT_MS, 96).tolist(),
        arrivals=random.integers(0, 9, 96).tolist(),
        cov=[1.0] * 96,
    )


def site_of(name: str, days: Stored, month: Month) -> SiteMonth:
    """Return a centre's month, read from what is stored."""
    door = door_month({at: door_of(json.loads(text)) for at, text in days["door"].items()}, month)
    zones = {
        ("dev", kind): zone_month(
            {at: zone_of(json.loads(text)) for at, text in days[kind].items()}, month
        )
        for kind in KINDS
    }
    registers = Registers(
        (Activity("a", month.t0_ms, month.t0_ms + SLOT_MS, True, 10, 8),),
        Ratings((1, 1, 1, 5, 9)),
        Cases(10, 9),
    )
    is_open = month.open_slots(OPENING)
    return SiteMonth(name, month, is_open, 3000, {"dev": door}, zones, registers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sites", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    random = np.random.default_rng(1)
    scheme = read_scheme(ROOT / "config" / "schemes" / "neutral-2026.yaml")
    month = month_of(2026, 3, ZoneInfo("Asia/Shanghai"))
    starts = list(range(month.t0_ms // DAY_MS * DAY_MS, month.t1_ms, DAY_MS))
    centres = [stored(random, starts) for _ in range(min(DIFFERENT, given.sites))]
    begin, raised, assessments = process_time(), 0, []
    for number in range(given.sites):
        of = site_of(str(number), centres[number % len(centres)], month)
        assessments.append(assess(of, scheme))
        raised += len(flags(of, scheme))
    places = ranks(assessments, scheme.fewest_to_rank)
    took_s = process_time() - begin
    readings = [
        LineReading(f"l{line}", at, at + SLOT_MS, 3, 3, 0, None, None, 1.0)
        for line in range(LINES)
        for at in range(starts[0], starts[0] + DAY_MS, SLOT_MS)
    ]
    begin = process_time()
    for _ in range(20):
        door_day(readings, starts[0])
    day_ms = (process_time() - begin) / 20 * 1000
    figures = {
        "sites": given.sites,
        "cpu_s": round(took_s, 2),
        "cpu_ms_a_site": round(took_s / given.sites * 1000, 2),
        "cpu_ms_a_day_of_8_lines": round(day_ms, 2),
        "ranked": len(places),
        "flags": raised,
    }
    if given.json:
        print(json.dumps(figures))
        return
    print(f"{given.sites} centres, {timedelta(milliseconds=month.slots * SLOT_MS).days} days each")
    for name, value in figures.items():
        print(f"  {name:26}{value:>10}")


if __name__ == "__main__":
    main()
