"""The month of a record: the one in which its interval begins (`t0`)."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from edge.errors import BadInputError


@dataclass(frozen=True, slots=True)
class Month:
    """A half-open month [t0_ms, t1_ms) in UTC milliseconds; `name` as in 2026-11."""

    name: str
    t0_ms: int
    t1_ms: int

    def holds(self, at_ms: int) -> bool:
        """Whether a moment is in the month."""
        return self.t0_ms <= at_ms < self.t1_ms


def month_of(text: str, zone: tzinfo = UTC) -> Month:
    """Read a month written as 2026-11, by the clocks of a zone. Raises BadInputError."""
    if re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", text, re.ASCII) is None:
        raise BadInputError(f"{text!r} is not a month; write year and month, e.g. 2026-11")
    first = datetime(int(text[:4]), int(text[5:]), 1, tzinfo=zone)
    after = (first + timedelta(days=32)).replace(day=1)
    return Month(text, round(first.timestamp() * 1000), round(after.timestamp() * 1000))
