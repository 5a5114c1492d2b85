"""The tables of sites, devices and registers.

Days are local dates as text, `2026-01-31`, which sort as they are. `hours` is JSON, a list of
[from, to) in minutes after midnight; an empty one is closed. What is dated holds from its
`from_day` until the next one.
"""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, Table, Text

from evaluation.tables import METADATA

EVERY_SITE = "*"


def _site() -> Column[str]:
    return Column("site", Text, ForeignKey("sites.site"), primary_key=True)


SITES = Table(
    "sites",
    METADATA,
    Column("site", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("area", Text, nullable=False),  # the street office, or what one looks for
    Column("time_zone", Text, nullable=False),
)

SITE_RESIDENTS = Table(
    "site_residents",
    METADATA,
    _site(),
    Column("from_day", Text, primary_key=True),
    Column("residents", BigInteger, nullable=False),
)

SITE_HOURS = Table(
    "site_hours",
    METADATA,
    _site(),
    Column("from_day", Text, primary_key=True),
    Column("weekday", Integer, primary_key=True, autoincrement=False),  # 0 is Monday
    Column("hours", Text, nullable=False),
)

SPECIAL_DAYS = Table(
    "special_days",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("site", Text, primary_key=True),  # or EVERY_SITE of the tenant
    Column("day", Text, primary_key=True),
    Column("hours", Text, nullable=False),
)

DEVICES = Table(
    "devices",
    METADATA,
    Column("dev", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("lines", Text),  # JSON, those visitors pass; NULL: all that are not for staff
)

DEVICE_SITES = Table(
    "device_sites",
    METADATA,
    Column("dev", Text, ForeignKey("devices.dev"), primary_key=True),
    Column("from_day", Text, primary_key=True),
    Column("to_day", Text),  # the day it is not there any more
    Column("site", Text, ForeignKey("sites.site"), nullable=False),
    Column("place", Text, nullable=False),  # of the camera; a board that follows takes its place
)

ACTIVITIES = Table(
    "activities",
    METADATA,
    _site(),
    Column("activity", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("t0_ms", BigInteger, nullable=False),
    Column("t1_ms", BigInteger, nullable=False),
    Column("is_held", Boolean, nullable=False),
    Column("expected", BigInteger),
    Column("attended", BigInteger),
    Column("zone", Text),
    Column("audiences", Text, nullable=False),  # JSON
    Column("brand", Text),
    Column("received_ms", BigInteger, nullable=False),
)
Index("activities_t0", ACTIVITIES.c.t0_ms)

ACTIVITY_MONTHS = Table(
    "activity_months",
    METADATA,
    _site(),
    Column("activity", Text, primary_key=True),
    Column("since_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("month", Text, nullable=False),
)
"""In which month an activity was to be, since when; only added to."""
Index("activity_months_month", ACTIVITY_MONTHS.c.month)

RATINGS = Table(
    "ratings",
    METADATA,
    _site(),
    Column("rating", Text, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("level", Integer, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
)
Index("ratings_at", RATINGS.c.at_ms)

CASES = Table(
    "cases",
    METADATA,
    _site(),
    Column("case_id", Text, primary_key=True),
    Column("due_ms", BigInteger, nullable=False),
    Column("done_ms", BigInteger),
    Column("received_ms", BigInteger, nullable=False),
)
Index("cases_due", CASES.c.due_ms)

REGISTERS_RECEIVED = Table(
    "registers_received",
    METADATA,
    _site(),
    Column("month", Text, primary_key=True),
    Column("kind", Text, primary_key=True),  # activities, ratings or cases
    Column("received_ms", BigInteger, nullable=False),
)
"""Which registers there are, so that one without an entry is not taken for one that is missing."""
