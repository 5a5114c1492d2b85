"""What the evaluation needs: sites and devices, registers, days by slots, closed months.

The audience of a line gets a column of its own, read from the sealed text where it is there.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables."""
    op.add_column("records", sa.Column("audience", sa.Text))
    op.execute("UPDATE records SET audience = 'staff' WHERE body LIKE '%\"audience\":\"staff\"%'")
    op.create_index("records_dev_t0", "records", ["dev", "t0_ms"])
    _continued()
    _days()
    _registry()
    _registers()
    _months()


def _continued() -> None:
    op.create_table(
        "continued",
        sa.Column("dev", sa.Text, primary_key=True),
        sa.Column("package", sa.Text, primary_key=True),
        sa.Column("stream", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        if_not_exists=True,  # some databases of before Alembic have it
    )


def _days() -> None:
    op.create_table(
        "dirty_days",
        sa.Column("dev", sa.Text, primary_key=True),
        sa.Column("day_ms", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("changes", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "device_days",
        sa.Column("dev", sa.Text, primary_key=True),
        sa.Column("day_ms", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("made_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("device_days_day", "device_days", ["day_ms"])
    # Days of records that are here already.
    op.execute(
        "INSERT INTO dirty_days SELECT DISTINCT dev, t0_ms - t0_ms % 86400000, 1 FROM records"
    )


def _registry() -> None:
    op.create_table(
        "sites",
        sa.Column("site", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("area", sa.Text, nullable=False),
        sa.Column("time_zone", sa.Text, nullable=False),
    )
    op.create_table(
        "site_residents",
        _site(),
        sa.Column("from_day", sa.Text, primary_key=True),
        sa.Column("residents", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "site_hours",
        _site(),
        sa.Column("from_day", sa.Text, primary_key=True),
        sa.Column("weekday", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("hours", sa.Text, nullable=False),
    )
    op.create_table(
        "special_days",
        # A site, or '*' for every site of the tenant.
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("site", sa.Text, primary_key=True),
        sa.Column("day", sa.Text, primary_key=True),
        sa.Column("hours", sa.Text, nullable=False),
    )
    op.create_table(
        "devices",
        sa.Column("dev", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("lines", sa.Text),
    )
    op.create_table(
        "device_sites",
        sa.Column("dev", sa.Text, sa.ForeignKey("devices.dev"), primary_key=True),
        sa.Column("from_day", sa.Text, primary_key=True),
        sa.Column("to_day", sa.Text),
        sa.Column("site", sa.Text, sa.ForeignKey("sites.site"), nullable=False),
        sa.Column("place", sa.Text, nullable=False),
    )


def _registers() -> None:
    op.create_table(
        "activities",
        _site(),
        sa.Column("activity", sa.Text, primary_key=True),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("t0_ms", sa.BigInteger, nullable=False),
        sa.Column("t1_ms", sa.BigInteger, nullable=False),
        sa.Column("is_held", sa.Boolean, nullable=False),
        sa.Column("expected", sa.BigInteger),
        sa.Column("attended", sa.BigInteger),
        sa.Column("zone", sa.Text),
        sa.Column("audiences", sa.Text, nullable=False),
        sa.Column("brand", sa.Text),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("activities_t0", "activities", ["t0_ms"])
    op.create_table(
        "ratings",
        _site(),
        sa.Column("rating", sa.Text, primary_key=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("level", sa.Integer, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("ratings_at", "ratings", ["at_ms"])
    op.create_table(
        "cases",
        _site(),
        sa.Column("case_id", sa.Text, primary_key=True),
        sa.Column("due_ms", sa.BigInteger, nullable=False),
        sa.Column("done_ms", sa.BigInteger),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("cases_due", "cases", ["due_ms"])
    op.create_table(
        "registers_received",
        _site(),
        sa.Column("month", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
    )


def _months() -> None:
    op.create_table(
        "revisions",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("month", sa.Text, primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("made_ms", sa.BigInteger, nullable=False),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )


def _site() -> sa.Column[str]:
    return sa.Column("site", sa.Text, sa.ForeignKey("sites.site"), primary_key=True)
