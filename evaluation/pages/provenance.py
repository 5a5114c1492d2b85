"""Down to what the devices sealed: the records of a site's month, or of some of its hours."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Connection, func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from evaluation.assessment.opening import SLOT_MS, Month
from evaluation.copies import refuse_records
from evaluation.site_tables import DEVICE_SITES
from evaluation.tables import RECORDS

_c = RECORDS.c
COLUMNS = (
    "dev", "stream", "seq", "line", "zone", "t0_ms", "t1_ms", "count_in", "count_out", "uturn",
    "in_low", "in_high", "presence_ms", "used_ms", "arrivals", "peak", "cov", "cov_reason", "tq",
    "cfg", "model", "cal", "chain",
)  # fmt: skip
Window = tuple[int, int]
"""A time [t0, t1), UTC milliseconds."""


@dataclass(frozen=True, slots=True)
class At:
    """A device at a place of a site during a part of a month."""

    dev: str
    place: str
    window: Window


@dataclass(frozen=True, slots=True)
class Source:
    """What a device counted with. records: how many; window: from the first to the last one."""

    dev: str
    place: str
    cfg: str
    model: str
    cal: str | None
    records: int
    window: Window


def devices_at(connection: Connection, site: str, month: Month, zone: ZoneInfo) -> list[At]:
    """Return the devices that were at a site in a month, each as long as it was."""
    c = DEVICE_SITES.c
    query = select(*c["dev", "place", "from_day", "to_day"]).where(c.site == site)
    found = []
    for dev, place, from_day, to_day in connection.execute(query.order_by(c.place, c.from_day)):
        t0_ms = max(month.t0_ms, _midnight(from_day, zone))
        t1_ms = month.t1_ms if to_day is None else min(month.t1_ms, _midnight(to_day, zone))
        if t0_ms < t1_ms:
            found.append(At(dev, place, (t0_ms, t1_ms)))
    return found


def windows(
    month: Month, *, day: int | None, weekday: int | None, hour: int | None
) -> list[Window]:
    """Return the times of a month that are of a day (from 0), or of a weekday and hour."""
    wanted = np.ones(month.slots, dtype=bool)
    if day is not None:
        wanted &= month.day == day
    if weekday is not None:
        wanted &= month.weekday == weekday
    if hour is not None:
        wanted &= month.minute // 60 == hour
    edges = np.flatnonzero(np.diff(np.concatenate(([0], wanted.astype(np.int8), [0]))))
    return [
        (month.t0_ms + int(first) * SLOT_MS, month.t0_ms + int(after) * SLOT_MS)
        for first, after in edges.reshape(-1, 2)
    ]


def records_of(
    connection: Connection, places: Iterable[At], times: Sequence[Window], limit: int
) -> list[dict[str, Any]]:
    """Return the records that touch some of the times, by device and time, at most `limit`.

    Raises BadInputError where there are none because this database is a copy.
    """
    refuse_records(connection)
    found: list[dict[str, Any]] = []
    for at in places:
        spans = [(max(t0, at.window[0]), min(t1, at.window[1])) for t0, t1 in times]
        inside = [_touches(t0, t1) for t0, t1 in spans if t0 < t1]
        if not inside:
            continue
        query = select(*(_c[name] for name in COLUMNS)).where(_c.dev == at.dev, or_(*inside))
        query = query.order_by(_c.t0_ms, _c.line, _c.zone, _c.seq).limit(limit - len(found))
        found += [{"place": at.place, **row._mapping} for row in connection.execute(query)]
        if len(found) >= limit:
            break
    return found


def sources_of(connection: Connection, places: Iterable[At]) -> list[Source]:
    """Return what the devices counted with in the time they were there."""
    found = []
    for at in places:
        which = (_c.cfg, _c.model, _c.cal)
        query = select(*which, func.count(), func.min(_c.t0_ms), func.max(_c.t1_ms))
        query = query.where(_c.dev == at.dev, _c.t0_ms >= at.window[0], _c.t0_ms < at.window[1])
        for *hashes, number, t0_ms, t1_ms in connection.execute(query.group_by(*which)):
            cfg, model, cal = hashes
            found.append(Source(at.dev, at.place, cfg, model, cal, number, (t0_ms, t1_ms)))
    return sorted(found, key=lambda each: (each.place, each.window))


def _touches(t0_ms: int, t1_ms: int) -> ColumnElement[bool]:
    # The longest interval is an hour: so the index on the begin is of use.
    return (_c.t0_ms > t0_ms - 3_600_000) & (_c.t0_ms < t1_ms) & (_c.t1_ms > t0_ms)


def _midnight(day: str, zone: ZoneInfo) -> int:
    try:
        moment = datetime.combine(date.fromisoformat(day), time(), zone)
        return round(moment.astimezone(UTC).timestamp() * 1000)
    except (OverflowError, ValueError):
        return 0
