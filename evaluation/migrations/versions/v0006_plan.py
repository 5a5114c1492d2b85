"""In which month an activity was to be, since when.

Of what is there already nobody knows when it first came: it was there from the beginning.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the table, and fill it from the register."""
    months = op.create_table(
        "activity_months",
        sa.Column("site", sa.Text, sa.ForeignKey("sites.site"), primary_key=True),
        sa.Column("activity", sa.Text, primary_key=True),
        sa.Column("since_ms", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("month", sa.Text, nullable=False),
    )
    op.create_index("activity_months_month", "activity_months", ["month"])
    found = op.get_bind().execute(
        sa.text(
            "SELECT activities.site, activity, t0_ms, time_zone FROM activities"
            " JOIN sites ON sites.site = activities.site"
        )
    )
    rows = [
        {"site": site, "activity": activity, "since_ms": 0, "month": _month(t0_ms, zone)}
        for site, activity, t0_ms, zone in found
    ]
    if rows:
        op.bulk_insert(months, rows)


def _month(at_ms: int, zone: str) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone)):%Y-%m}"
