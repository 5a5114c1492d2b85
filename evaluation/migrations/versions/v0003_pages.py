"""What the pages need: accounts, sessions, a journal, answers to flags, drafts of months.

Journal and answers only grow: triggers refuse whatever would change or delete a row of theirs.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_GROWING = ("page_journal", "flag_answers")
_REFUSE = (
    "CREATE FUNCTION only_grows() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN RAISE EXCEPTION '% only grows', TG_TABLE_NAME; END $$"
)


def upgrade() -> None:
    """Make the tables."""
    _accounts()
    _growing()
    op.create_table(
        "month_drafts",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("month", sa.Text, primary_key=True),
        sa.Column("made_of", sa.Text, nullable=False),
        sa.Column("made_ms", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )


def _accounts() -> None:
    op.create_table(
        "page_users",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("password", sa.Text, nullable=False),
        sa.Column("made_ms", sa.BigInteger, nullable=False),
        sa.Column("changed_ms", sa.BigInteger, nullable=False),
        sa.Column("disabled_ms", sa.BigInteger),
    )
    op.create_table(
        "page_roles",
        sa.Column("name", sa.Text, sa.ForeignKey("page_users.name"), primary_key=True),
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("role", sa.Text, nullable=False),
    )
    op.create_table(
        "page_sessions",
        sa.Column("token", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, sa.ForeignKey("page_users.name"), nullable=False),
        sa.Column("begun_ms", sa.BigInteger, nullable=False),
        sa.Column("used_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("page_sessions_name", "page_sessions", ["name"])
    op.create_table(
        "page_tries",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("wrong", sa.BigInteger, nullable=False),
        sa.Column("free_ms", sa.BigInteger, nullable=False),
    )


def _growing() -> None:
    op.create_table(
        "page_journal",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("name", "address", "tenant")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("what", "about", "result")),
    )
    op.create_table(
        "flag_answers",
        sa.Column("id", sa.Integer, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("tenant", "month", "site")),
        sa.Column("flag", sa.Text, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_index("flag_answers_month", "flag_answers", ["tenant", "month"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_REFUSE)
        for table in _GROWING:
            op.execute(
                f"CREATE TRIGGER {table}_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
                " FOR EACH STATEMENT EXECUTE FUNCTION only_grows()"
            )
        return
    for table in _GROWING:
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{table} only grows'); END"
            )
