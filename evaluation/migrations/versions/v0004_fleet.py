"""What devices said last, and alerts."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "device_states",
        sa.Column("dev", sa.Text, primary_key=True),
        sa.Column("leaf", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sa.Column("is_live", sa.Boolean, nullable=False),
        sa.Column("until_ms", sa.BigInteger),
    )
    op.create_table(
        "alerts",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("dev", sa.Text, primary_key=True),
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("noted_ms", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("since_ms", sa.BigInteger, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("raised_ms", sa.BigInteger),
        sa.Column("gone_ms", sa.BigInteger),
        sa.Column("closed_ms", sa.BigInteger),
        sa.Column("told", sa.Text),
    )
    op.create_index("alerts_closed", "alerts", ["closed_ms"])
