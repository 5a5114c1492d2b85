"""Records, heads, what was put aside, and what is committed of each stream."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_COUNTS = (
    "count_in", "count_out", "uturn", "ambiguous", "born_past_line",
    "in_low", "in_high", "out_low", "out_high", "tot_in", "tot_out",
    "presence_ms", "used_ms", "arrivals", "departures", "peak", "dwell_ms", "wait_ms",
    "window_ms", "in_window_ms", "tot_presence_ms", "tot_arrivals",
)  # fmt: skip


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "streams",
        sa.Column("dev", sa.Text, primary_key=True),
        sa.Column("stream", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("upto", sa.BigInteger, nullable=False),
        sa.Column("have", sa.Text, nullable=False),
        sa.Column("seen_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "records",
        *_key(),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("line", sa.Text),
        sa.Column("zone", sa.Text),
        sa.Column("kind", sa.Text),
        sa.Column("t0_ms", sa.BigInteger, nullable=False),
        sa.Column("t1_ms", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.BigInteger) for name in _COUNTS),
        sa.Column("cov", sa.Float(53), nullable=False),
        sa.Column("cov_reason", sa.Text),
        sa.Column("tq", sa.Text, nullable=False),
        sa.Column("cfg", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("cal", sa.Text),
        sa.Column("chain", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("records_t0", "records", ["t0_ms"])
    op.create_table(
        "heads",
        *_key(),
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("day", sa.Text),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "rejected",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("dev", sa.Text),
        sa.Column("stream", sa.Text),
        sa.Column("seq", sa.BigInteger),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
    )


def _key() -> tuple[sa.Column[str], sa.Column[str], sa.Column[int]]:
    return (
        sa.Column("dev", sa.Text, primary_key=True),
        sa.Column("stream", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    )
