"""Months that are closed: late data until D+3, frozen at D+7, later only numbered revisions.

D is the first day after the month, local time. Until D+3 a report is `open`: data comes in.
Then it is `in_review`, for people to look at flags and registers. At D+7 it is frozen as
revision 0, as it is. What comes later changes nothing by itself: a person makes a revision,
with a reason, and every revision stays.
"""

import time
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, insert, select

from edge.errors import BadInputError
from evaluation.copies import refuse_change
from evaluation.database import Database
from evaluation.month_report import Report, as_text, digest
from evaluation.month_tables import REVISIONS

LATE_DATA_DAYS = 3
FREEZE_DAYS = 7
BY_ITSELF = "freeze"
"""Who makes revision 0 when nobody does."""


class State(StrEnum):
    """Where a month is between data and a figure that stays."""

    RUNNING = "running"
    OPEN = "open"
    IN_REVIEW = "in_review"
    FROZEN = "frozen"


@dataclass(frozen=True, slots=True)
class Revision:
    """A closed month as it was. number 0 is the freeze."""

    tenant: str
    month: str
    number: int
    made_ms: int
    made_by: str
    reason: str
    digest: str
    body: str


def state_of(year: int, month: int, today: date, *, is_closed: bool) -> State:
    """Return the state of a month on a local date."""
    after = date(year + month // 12, month % 12 + 1, 1)
    if is_closed or today >= after + timedelta(days=FREEZE_DAYS):
        return State.FROZEN
    if today >= after + timedelta(days=LATE_DATA_DAYS):
        return State.IN_REVIEW
    return State.OPEN if today >= after else State.RUNNING


def close(database: Database, of: Report, *, made_by: str, reason: str) -> Revision:
    """Keep a month as it is now, under the next number. Raises BadInputError, StoreError.

    A revision after the freeze needs a reason, and a difference.
    """
    text = as_text(of)
    with database.writing() as connection:
        refuse_change(connection)
        before = revisions(connection, of["tenant"], of["month"])
        if before and not reason.strip():
            raise BadInputError(
                "a revision needs a reason, e.g. --reason 'ratings of the kiosk came late'"
                " 修订必须写明原因"
            )
        if before and before[-1].digest == digest(text):
            raise BadInputError(
                f"{of['month']}: is the same as revision {before[-1].number}"
                f" 与修订 {before[-1].number} 相同"
            )
        made = Revision(
            of["tenant"], of["month"], len(before), time.time_ns() // 1_000_000,
            made_by, reason.strip(), digest(text), text,
        )  # fmt: skip
        values: dict[str, Any] = {
            "tenant": made.tenant, "month": made.month, "revision": made.number,
            "made_ms": made.made_ms, "made_by": made.made_by, "reason": made.reason,
            "digest": made.digest, "body": made.body,
        }  # fmt: skip
        connection.execute(insert(REVISIONS).values(values))
    return made


def revisions(connection: Connection, tenant: str, month: str) -> list[Revision]:
    """Return the revisions of a month in order."""
    c = REVISIONS.c
    query = select(REVISIONS).where(c.tenant == tenant, c.month == month).order_by(c.revision)
    return [Revision(*row) for row in connection.execute(query)]
