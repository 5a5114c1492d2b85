"""Who is logged in: random sessions, in memory only, that end by themselves. Time is passed in."""

import hashlib
import secrets
import threading
from dataclasses import dataclass, field

IDLE_S = 900.0
STILL_S = 900.0
"""So long after a login its session may look at stills."""
MOST_SESSIONS = 4
_TOKEN_BYTES = 32


@dataclass(slots=True)
class Session:
    """One login. Tokens are compared by their hashes, so nothing is learned from the time."""

    csrf: str = field(repr=False)
    since: float
    until: float
    used: float

    def accepts(self, csrf: str | None) -> bool:
        """Whether a change carries this session's token."""
        return csrf is not None and secrets.compare_digest(csrf.encode(), self.csrf.encode())

    def may_see_stills(self, now: float) -> bool:
        """Whether the login is fresh enough."""
        return now < self.since + STILL_S

    def expires_in_s(self, now: float) -> float:
        """Return how long this session lasts when nothing is done any more."""
        return max(0.0, min(self.until, self.used + IDLE_S) - now)


class Sessions:
    """The few sessions of one page; the oldest makes room for a new one.

    None outlives the page: that closes no sooner than the last login can last.
    """

    def __init__(self, lasts_s: float) -> None:
        """lasts_s: how long after its login a session ends at the latest."""
        self._lasts_s = lasts_s
        self._lock = threading.Lock()
        self._by_hash: dict[str, Session] = {}

    def begin(self, now: float) -> str:
        """Begin a session; return its token, which is kept nowhere."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        session = Session(secrets.token_urlsafe(_TOKEN_BYTES), now, now + self._lasts_s, now)
        with self._lock:
            self._forget_expired(now)
            while len(self._by_hash) >= MOST_SESSIONS:
                del self._by_hash[min(self._by_hash, key=lambda key: self._by_hash[key].since)]
            self._by_hash[_hash(token)] = session
        return token

    def find(self, token: str | None, now: float, *, touch: bool = True) -> Session | None:
        """Return the session of a token that has not ended; `touch` keeps it from idling."""
        with self._lock:
            self._forget_expired(now)
            session = self._by_hash.get(_hash(token)) if token else None
            if session is not None and touch:
                session.used = now
            return session

    def end(self, token: str | None) -> None:
        """End the session of a token, if there is one."""
        if token:
            with self._lock:
                self._by_hash.pop(_hash(token), None)

    def end_all(self) -> None:
        """End every session: the PIN was changed."""
        with self._lock:
            self._by_hash.clear()

    def __len__(self) -> int:
        with self._lock:
            return len(self._by_hash)

    def _forget_expired(self, now: float) -> None:
        ended = [k for k, s in self._by_hash.items() if s.expires_in_s(now) <= 0]
        for key in ended:
            del self._by_hash[key]


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
