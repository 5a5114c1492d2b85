"""Times as people write them: ISO 8601, or as a spreadsheet saves them."""

import re
from datetime import UTC, datetime, timedelta, tzinfo

EXAMPLE = "2026-03-02T09:15:04+08:00"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = datetime(2000, 1, 2, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_SPREADSHEET = re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2}) (\d{1,2}):(\d\d)(?::(\d\d))?")
_NO_SECONDS = re.compile(r"[T ]\d{1,2}:\d\d(?!\d*:\d)")


def utc_ms(text: str, local: tzinfo | None = None, *, to_the_second: bool = False) -> int:
    """Read a date and time as UTC milliseconds; without an offset it is on the `local` clock.

    Raises ValueError saying what is wrong and what works.
    """
    moment = _parsed(text.strip())
    if moment is None:
        raise ValueError(f"{text!r} is not a date and time; e.g. {EXAMPLE}")
    if to_the_second and _NO_SECONDS.search(text):
        raise ValueError(
            f"{text!r} has no seconds; e.g. {EXAMPLE}, and in a spreadsheet give the column"
            " the format yyyy-mm-dd hh:mm:ss before saving"
        )
    if moment.tzinfo is None:
        moment = _on_clock(text, moment, local)
    if not _EARLIEST < moment < _LATEST:
        raise ValueError(f"{text!r} is not in this century; e.g. {EXAMPLE}")
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def is_local(text: str) -> bool:
    """Say whether a readable time has no offset, so that it depends on a clock."""
    moment = _parsed(text.strip())
    return moment is not None and moment.tzinfo is None


def _parsed(text: str) -> datetime | None:
    spreadsheet = _SPREADSHEET.fullmatch(text)
    try:
        if spreadsheet:
            year, month, day, hour, minute, second = (int(n or 0) for n in spreadsheet.groups())
            return datetime(year, month, day, hour, minute, second)
        return datetime.fromisoformat(text) if re.search(r"\d[T ]\d", text) else None
    except ValueError:
        return None


def _on_clock(text: str, moment: datetime, local: tzinfo | None) -> datetime:
    if local is None:
        raise ValueError(
            f"{text!r} has no time zone; add the offset or Z, e.g. {EXAMPLE}"
            " or 2026-03-02T01:15:04Z"
        )
    first, second = (moment.replace(tzinfo=local, fold=fold) for fold in (0, 1))
    if first.utcoffset() != second.utcoffset():
        raise ValueError(
            f"{text!r} is there twice or not at all, because the clocks were changed;"
            f" add the offset, e.g. {EXAMPLE}"
        )
    return first
