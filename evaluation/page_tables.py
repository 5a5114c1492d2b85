"""The tables of the pages: who may look, who is logged in, what was looked at, answers, drafts.

Times are UTC milliseconds. Passwords and tokens are here as hashes only. `page_journal` and
`flag_answers` only grow: the database itself refuses to change or delete their rows.
"""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text

from evaluation.tables import METADATA

PAGE_USERS = Table(
    "page_users",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("password", Text, nullable=False),  # see evaluation.pages.passwords
    Column("made_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Column("disabled_ms", BigInteger),
)

PAGE_ROLES = Table(
    "page_roles",
    METADATA,
    Column("name", Text, ForeignKey("page_users.name"), primary_key=True),
    Column("tenant", Text, primary_key=True),  # or '*', every tenant
    Column("role", Text, nullable=False),
)

PAGE_SESSIONS = Table(
    "page_sessions",
    METADATA,
    Column("token", Text, primary_key=True),  # its SHA-256
    Column("name", Text, ForeignKey("page_users.name"), nullable=False),
    Column("begun_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger, nullable=False),
)
Index("page_sessions_name", PAGE_SESSIONS.c.name)

PAGE_TRIES = Table(
    "page_tries",
    METADATA,
    Column("key", Text, primary_key=True),  # an address, an account, or both
    Column("wrong", BigInteger, nullable=False),
    Column("free_ms", BigInteger, nullable=False),
)

PAGE_TOKENS = Table(
    "page_tokens",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("digest", Text, nullable=False),  # the SHA-256 of the token
    Column("tenant", Text, nullable=False),
    Column("sites", Text),  # JSON; NULL: all of the tenant
    Column("kinds", Text),  # JSON; NULL: every register
    Column("made_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger, nullable=False),
    Column("revoked_ms", BigInteger),
)

PAGE_JOURNAL = Table(
    "page_journal",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("result", Text, nullable=False),
)

FLAG_ANSWERS = Table(
    "flag_answers",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("month", Text, nullable=False),
    Column("site", Text, nullable=False),
    Column("flag", Text, nullable=False),  # code, day and source, see evaluation.pages.answers
    Column("at_ms", BigInteger, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("text", Text, nullable=False),
)
Index("flag_answers_month", FLAG_ANSWERS.c.tenant, FLAG_ANSWERS.c.month)

MONTH_DRAFTS = Table(
    "month_drafts",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("month", Text, primary_key=True),
    Column("made_of", Text, nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
    Column("body", Text, nullable=False),
)
"""Reports as they were made last; can be made anew at any time. made_of: what decided them."""
