"""Daily windows of local time as intervals of UTC.

A window is on the wall clock: on the day of a clock change it is as long as the
wall clock makes it. A time that comes twice means the first one; a time that is left
out means the moment of the change, so that windows which do not overlap never do.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from edge.vocabulary import DailyWindow

Span = tuple[int, int]
_MINUTE = timedelta(minutes=1)


def spans(windows: Sequence[DailyWindow], zone: tzinfo, t0_ms: int, t1_ms: int) -> tuple[Span, ...]:
    """Return what of [t0_ms, t1_ms) lies in the windows, as half-open UTC intervals in order."""
    found = (
        (max(t0_ms, _utc_ms(day, window.start_min, zone)), min(t1_ms, end_ms))
        for day in _days(zone, t0_ms, t1_ms)
        for window in windows
        if (end_ms := _utc_ms(day, window.end_min, zone)) > t0_ms
    )
    return tuple(sorted((start, end) for start, end in found if start < end))


def overlap_ms(parts: Sequence[Span], since_ms: int, until_ms: int) -> int:
    """Return how much of [since_ms, until_ms) lies in the intervals, which do not overlap."""
    return sum(max(0, min(until_ms, end) - max(since_ms, start)) for start, end in parts)


def _days(zone: tzinfo, t0_ms: int, t1_ms: int) -> Iterator[date]:
    first, last = (
        datetime.fromtimestamp(ms / 1000, UTC).astimezone(zone).date() for ms in (t0_ms, t1_ms)
    )
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)


def _utc_ms(day: date, minutes: int, zone: tzinfo) -> int:
    """Date a time of day; 1440 minutes are the midnight that ends it."""
    wall = datetime.combine(day, time()) + timedelta(minutes=minutes)
    moment = wall.replace(tzinfo=zone).astimezone(UTC)
    offset = moment.astimezone(zone).utcoffset()
    if moment.astimezone(zone).replace(tzinfo=None) != wall:  # left out: go back to the change
        while (moment - _MINUTE).astimezone(zone).utcoffset() == offset:
            moment -= _MINUTE
    return round(moment.timestamp() * 1000)
