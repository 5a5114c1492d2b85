"""What the devices of the ingest campaign count: it follows from the seed alone.

Device n of a fleet is one of two doors of site n // 2. Every third has a side door for staff.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from edge.vocabulary import (
    Bucket,
    CountBucket,
    Outcome,
    Provenance,
    TimeQuality,
    ZoneBucket,
    ZoneKind,
    ZoneSums,
)

TENANT = "chaos"
LINES = ("door", "side")
ZONE = "waiting"
INTERVAL_MS = 900_000
SLOTS_A_DAY = 96
MONTH, FIRST_DAY = "2026-03", 2
"""A Monday. The month is over whenever this runs, so it is also closed under fire."""
START_MS = 1_772_380_800_000  # 2026-03-02T00:00:00+08:00: every local day is of two UTC days
_FROM = Provenance("c1f0aa2293d5e8b4", "9e3b51d0aa11c2f8")


@dataclass(frozen=True, slots=True)
class Load:
    """A fleet and how many intervals each of its devices closes, whole days of them."""

    seed: int
    devices: int
    days: int

    @property
    def intervals(self) -> int:
        """How many intervals each device closes."""
        return self.days * SLOTS_A_DAY


def name_of(index: int) -> str:
    """Return the name of a device."""
    return f"lobby-{index:03}"


def is_of_staff(index: int, line: str) -> bool:
    """Return whether only staff use a line of a device."""
    return line == "side" and index % 3 == 0


def buckets(load: Load, index: int, interval: int) -> list[Bucket]:
    """Return what one device counts in one interval: its lines, then its zone."""
    rng = random.Random(f"{load.seed}:{index}:{interval}")
    t0_ms = START_MS + interval * INTERVAL_MS
    t1_ms = t0_ms + INTERVAL_MS
    found: list[Bucket] = [
        CountBucket(
            line, t0_ms, t1_ms, {Outcome.IN: rng.randrange(40), Outcome.OUT: rng.randrange(40)},
            1.0, None, TimeQuality.NTP, _FROM, is_staff=is_of_staff(index, line),
        )
        for line in LINES
    ]  # fmt: skip
    sums = ZoneSums(rng.randrange(INTERVAL_MS), rng.randrange(INTERVAL_MS), peak=3)
    kind = ZoneKind.QUEUE
    zone = ZoneBucket(ZONE, kind, t0_ms, t1_ms, sums, 1.0, None, TimeQuality.NTP, _FROM)
    return [*found, zone]


Row = tuple[str, str, int, int, int]
"""Device, line or zone, beginning, and two sums: in and out, or presence and use in ms."""


def rows(load: Load) -> Iterator[Row]:
    """Yield every record that has to be in the database, once."""
    for index in range(load.devices):
        for interval in range(load.intervals):
            for each in buckets(load, index, interval):
                yield name_of(index), *_row(each)


def _row(bucket: Bucket) -> tuple[str, int, int, int]:
    if isinstance(bucket, ZoneBucket):
        assert bucket.sums is not None
        return bucket.zone, bucket.t0_ms, bucket.sums.presence_ms, bucket.sums.used_ms
    assert bucket.counts is not None
    return bucket.line, bucket.t0_ms, bucket.counts[Outcome.IN], bucket.counts[Outcome.OUT]


def of_days(load: Load) -> Counter[tuple[str, int, str]]:
    """Return the sums of each UTC day of each device: visitors in and out, presence in ms."""
    day_ms = INTERVAL_MS * SLOTS_A_DAY
    sums: Counter[tuple[str, int, str]] = Counter()
    for dev, subject, t0_ms, first, second in rows(load):
        day = t0_ms // day_ms * day_ms
        if subject == ZONE:
            sums[dev, day, "presence_ms"] += first
        elif not is_of_staff(int(dev[-3:]), subject):
            sums[dev, day, "in"] += first
            sums[dev, day, "out"] += second
    return sums


def sites_csv(load: Load) -> bytes:
    """Return the table of sites: open around the clock, so that every visit is one."""
    sites = range(load.devices // 2)
    lines = [f"site-{n:02},中心{n},{3000 + 70 * n},每天 0:00-24:00" for n in sites]
    return "\n".join(["site,name,residents,hours", *lines]).encode()


def devices_csv(load: Load) -> bytes:
    """Return the table of devices, two doors of each site."""
    lines = [f"{name_of(n)},site-{n // 2:02},door-{n % 2}" for n in range(load.devices)]
    return "\n".join(["dev,site,place", *lines]).encode()


def closed_days_csv(load: Load) -> bytes:
    """Return the table of the days of the month on which nothing is made, closed everywhere."""
    made = range(FIRST_DAY, FIRST_DAY + load.days)
    lines = [f"*,{MONTH}-{day:02},closed" for day in range(1, 32) if day not in made]
    return "\n".join(["site,day,hours", *lines]).encode()
