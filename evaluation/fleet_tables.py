"""The tables of the fleet: what devices said last, and alerts with their history."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Table, Text

from evaluation.tables import METADATA

DEVICE_STATES = Table(
    "device_states",
    METADATA,
    Column("dev", Text, primary_key=True),
    Column("leaf", Text, primary_key=True),  # of the topic: status, info, health, …
    Column("tenant", Text, nullable=False),  # as the topic says
    Column("body", Text, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("is_live", Boolean, nullable=False),  # else the broker had kept it
    Column("until_ms", BigInteger),  # when it expires; NULL: never
)

ALERTS = Table(
    "alerts",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("dev", Text, primary_key=True),  # or '' for all of the tenant's
    Column("code", Text, primary_key=True),
    Column("noted_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("since_ms", BigInteger, nullable=False),
    Column("severity", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("raised_ms", BigInteger),  # NULL: it may be nothing
    Column("gone_ms", BigInteger),
    Column("closed_ms", BigInteger),
    Column("told", Text),  # handed to the command: raised or closed
)
Index("alerts_closed", ALERTS.c.closed_ms)
