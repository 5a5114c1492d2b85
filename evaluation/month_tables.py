"""The tables between records and reports: days by slots, and months that are closed."""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from evaluation.tables import METADATA

DIRTY_DAYS = Table(
    "dirty_days",
    METADATA,
    Column("dev", Text, primary_key=True),
    Column("day_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("changes", BigInteger, nullable=False),
)
"""UTC days of devices that got records since they were last rolled up."""

DEVICE_DAYS = Table(
    "device_days",
    METADATA,
    Column("dev", Text, primary_key=True),
    Column("day_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),
    Column("made_ms", BigInteger, nullable=False),
)
Index("device_days_day", DEVICE_DAYS.c.day_ms)
"""One UTC day of one device by slots, see `evaluation.rollup`; can be made anew at any time."""

REVISIONS = Table(
    "revisions",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("month", Text, primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("made_ms", BigInteger, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("body", Text, nullable=False),
)
"""Months as they were closed. 0 is the freeze; what comes later has a number and a reason."""
