"""What is in store for each device: its place, its equipment, and the faults that befall it."""

import random
from dataclasses import dataclass

from edge.vocabulary import TimeQuality

from .options import Options

ZONES = ("Asia/Shanghai",) * 9 + ("Asia/Urumqi",)
LINE_IDS = ("door", "side", "yard", "stairs", "lift", "north", "south", "garage")
QUEUE_ID = "waiting"
NEVER_SET_UTC = 946_684_800.0  # 2000-01-01, where a clock without a battery begins
CUT_SHARE = 0.05
"""Of the PUBACKs for counts, with the fault `duplicates`."""


@dataclass(frozen=True, slots=True)
class ClockStep:
    """At a simulated second the wall clock jumps, and is of this quality from then on."""

    at: float
    by_s: float
    quality: TimeQuality = TimeQuality.NTP


@dataclass(frozen=True, slots=True)
class Plan:
    """One device. Moments are simulated seconds since the start of the run."""

    index: int
    dev: str
    stream: str
    zone: str
    lines: tuple[str, ...]
    has_queue: bool
    begins_at: float = 0.0
    network_at: float = 0.0
    clock_error_s: float = 0.0
    quality: TimeQuality = TimeQuality.NTP
    steps: tuple[ClockStep, ...] = ()
    cut_share: float = 0.0

    def rng(self, options: Options, of: str) -> random.Random:
        """Return the randomness of one part of this device."""
        return random.Random(f"{options.seed}:{self.index}:{of}")  # noqa: S311  not a secret


def name_of(index: int) -> str:
    """Return the name of a device."""
    return f"sim-{index:05}"


def plan_of(options: Options, index: int) -> Plan:
    """Return the plan of one device; the same options always give the same one."""
    rng = random.Random(f"{options.seed}:{index}:plan")  # noqa: S311  not a secret
    lasts_s = options.ends_at if options.days else 86_400.0
    lines = options.lines or rng.choices((1, 2, 3), (6, 3, 1))[0]
    stream = f"{rng.getrandbits(64):016x}"
    zone, has_queue = rng.choice(ZONES), rng.random() < 0.3
    faults = options.faults
    is_late = "late" in faults and index % 5 == 2
    begins_at = float(rng.randrange(1, max(2, int(lasts_s / 2)))) if is_late else 0.0
    error_s, quality, steps = 0.0, TimeQuality.NTP, ()
    if "clock" in faults and 0 < index % 10 < 5:
        error_s, quality, steps = _clock(index % 10, rng, options, begins_at, lasts_s)
    is_away = "backfill" in faults and index % 2 == 1
    return Plan(
        index=index,
        dev=name_of(index),
        stream=stream,
        zone=zone,
        lines=LINE_IDS[:lines],
        has_queue=has_queue,
        begins_at=begins_at,
        network_at=max(begins_at, 0.8 * lasts_s) if is_away else begins_at,
        clock_error_s=error_s,
        quality=quality,
        steps=steps,
        cut_share=CUT_SHARE if "duplicates" in faults else 0.0,
    )


def _clock(
    kind: int, rng: random.Random, options: Options, begins_at: float, lasts_s: float
) -> tuple[float, TimeQuality, tuple[ClockStep, ...]]:
    at = float(int(rng.uniform(begins_at + 60, max(begins_at + 120, 0.9 * lasts_s))))
    match kind:
        case 1:  # a clock that nobody has set yet, and then NTP
            error_s = NEVER_SET_UTC - options.start_s
            return error_s, TimeQuality.UNSYNCED, (ClockStep(at, -error_s),)
        case 2:
            by_s = float(rng.randrange(30, 7200))
        case 3:
            by_s = -float(rng.randrange(2, options.interval_min * 60))
        case _:
            by_s = -float(rng.randrange(options.interval_min * 60 + 60, 5 * 3600))
    return 0.0, TimeQuality.NTP, (ClockStep(at, by_s),)
