"""What every page works with: the database and what is kept beside it."""

from collections.abc import Callable
from dataclasses import dataclass

from evaluation.assessment.scheme import Scheme
from evaluation.database import Database
from evaluation.pages.accounts import Accounts
from evaluation.pages.drafts import Drafts
from evaluation.pages.journal import Journal
from evaluation.pages.keeper import Keeper
from evaluation.pages.sessions import Sessions
from evaluation.pages.tokens import Tokens
from evaluation.pages.tries import Tries, token_keys


@dataclass(frozen=True, slots=True)
class Desk:
    """See the module. secure: whether it is served over TLS; then no cookie travels without."""

    database: Database
    scheme: Scheme
    now_ms: Callable[[], int]
    secure: bool
    accounts: Accounts
    sessions: Sessions
    tries: Tries
    tokens: Tokens
    token_tries: Tries
    journal: Journal
    drafts: Drafts
    keeper: Keeper


def desk_of(database: Database, scheme: Scheme, now_ms: Callable[[], int], *, secure: bool) -> Desk:
    """Return a desk; its keeper is not at work yet."""
    drafts = Drafts(database, scheme)
    return Desk(
        database,
        scheme,
        now_ms,
        secure,
        Accounts(database, now_ms),
        Sessions(database, now_ms),
        Tries(database, now_ms),
        Tokens(database, now_ms),
        Tries(database, now_ms, token_keys),
        Journal(database, now_ms),
        drafts,
        Keeper(database, drafts, scheme, now_ms),
    )
