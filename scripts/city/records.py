"""What a centre's device sends: sealed records of a door and two zones, as the device makes them.

A device that is off makes none; one that cannot see says so; one without a network keeps them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.messages import counts_message
from edge.testing import MemoryOutbox
from edge.vocabulary import (
    Bucket,
    CountBucket,
    CoverageReason,
    Message,
    Outcome,
    Provenance,
    TimeQuality,
    ZoneBucket,
    ZoneKind,
    ZoneSums,
)
from evaluation.assessment.opening import SLOT_MS, Month

from .crowd import Crowd
from .plan import Centre, Story

DAY_SLOTS = 96
POWER_CUT_DAYS = range(9, 13)
OUTAGE_DAYS = range(6, 19)
MOVED_FROM = 11
MOVED_UNTIL = 16
UNPAID_FROM = 19
REPLACED_ON = 14
_FROM = Provenance("5f0c1a9be2d34477", "9e3b51d0aa11c2f8")


@dataclass(frozen=True, slots=True)
class Sent:
    """The messages of one device: those that come in time, and those that come late.

    records: how many there are; in_time: how many of them the first messages hold.
    """

    dev: str
    stream: str
    records: int
    in_time: int
    messages: tuple[Message, ...]
    late: tuple[Message, ...]


def sent_by(centre: Centre, tenant: str, month: Month, crowd: Crowd) -> Iterator[Sent]:
    """Yield what the centre's device sends; two devices where it was replaced."""
    if centre.story is Story.REPLACED:
        yield _sent(
            centre.device,
            tenant,
            month,
            _buckets(centre, month, crowd, month.day < REPLACED_ON),
            month.days,
        )
        after = _buckets(centre, month, crowd, month.day >= REPLACED_ON)
        yield _sent(f"{centre.device}b", tenant, month, after, month.days)
        return
    days_in_time = UNPAID_FROM if centre.story is Story.UNPAID else month.days
    buckets = _buckets(centre, month, crowd, np.ones(month.slots, dtype=bool))
    yield _sent(centre.device, tenant, month, buckets, days_in_time)


def _sent(dev: str, tenant: str, month: Month, buckets: list[Bucket], days_in_time: int) -> Sent:
    stream = f"{int.from_bytes(dev.encode()[-7:]):016x}"[-16:]
    outbox = MemoryOutbox(dev, stream)
    outbox.append(buckets)
    records = outbox.pending(len(buckets) + 1)
    until_ms = month.t0_ms + days_in_time * DAY_SLOTS * SLOT_MS
    in_time, late, count = [], [], 0
    for first in range(0, len(records), 3 * DAY_SLOTS):
        batch = records[first : first + 3 * DAY_SLOTS]
        is_in_time = buckets[first].t0_ms < until_ms
        (in_time if is_in_time else late).append(counts_message(tenant, dev, stream, batch))
        count += len(batch) if is_in_time else 0
    return Sent(dev, stream, len(records), count, tuple(in_time), tuple(late))


def _buckets(centre: Centre, month: Month, crowd: Crowd, there: NDArray[np.bool_]) -> list[Bucket]:
    return [
        bucket
        for slot in np.flatnonzero(there & _is_on(centre, month)).tolist()
        for bucket in _of_slot(crowd, month, slot, _blind(centre, month, slot))
    ]


def _is_on(centre: Centre, month: Month) -> NDArray[np.bool_]:
    off = {Story.POWER_CUT: POWER_CUT_DAYS, Story.LONG_OUTAGE: OUTAGE_DAYS}.get(centre.story)
    if off is None:
        return np.ones(month.slots, dtype=bool)
    is_on: NDArray[np.bool_] = (month.day < off.start) | (month.day >= off.stop)
    return is_on


def _blind(centre: Centre, month: Month, slot: int) -> CoverageReason | None:
    day = int(month.day[slot])
    if centre.story is Story.MOVED and MOVED_FROM <= day < MOVED_UNTIL:
        return CoverageReason.MOVED
    return None


def _of_slot(
    crowd: Crowd, month: Month, slot: int, blind: CoverageReason | None
) -> Iterator[Bucket]:
    t0_ms = month.t0_ms + slot * SLOT_MS
    span = (t0_ms, t0_ms + SLOT_MS)
    entered, left = int(crowd.entered[slot]), int(crowd.left[slot])
    counts = {Outcome.IN: entered, Outcome.OUT: left, Outcome.UTURN: int(crowd.uturn[slot])}
    cov = 0.0 if blind else 1.0
    end = (cov, blind, TimeQuality.NTP, _FROM)
    yield CountBucket("door", *span, None if blind else counts, *end)
    inside, room = int(crowd.inside_ms[slot]), int(crowd.room_ms[slot])
    hall = ZoneSums(inside, min(inside, SLOT_MS), entered, left, -(-inside // SLOT_MS))
    used = int(crowd.room_used_ms[slot])
    held = ZoneSums(room, used, entered // 3, left // 3, -(-room // SLOT_MS))
    yield ZoneBucket("hall", ZoneKind.PLAIN, *span, None if blind else hall, *end)
    yield ZoneBucket("room", ZoneKind.ACTIVITY, *span, None if blind else held, *end)
