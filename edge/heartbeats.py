"""Which part of the service moves, and which hangs. Moving is all that is asked.

A part that is in trouble but says so moves: no camera, no broker, a full disk. Killing the
service would cure none of these and would cost the open interval. What is looked for is what
a restart does cure: a call that never returns.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

Part = Literal["frames", "relay", "database"]
LIMITS_S: Mapping[Part, float] = {"frames": 120.0, "relay": 300.0, "database": 120.0}
"""How long each may take for one round.

database: salvaging a damaged outbox at its quota of 200 MB from a slow card takes about a minute.
frames: a round comes at least once a second, but may have to wait for the database.
relay: a name server, a broker that answers at the last moment, then again for each message of
the birth. Late is not lost here, the records are kept, so there is no hurry.
"""


@dataclass(frozen=True, slots=True)
class Silence:
    """A part that has not moved for longer than its limit."""

    part: str
    for_s: float

    def __str__(self) -> str:
        """Return it in words, for the log and for `systemctl status`."""
        return f"{self.part} hangs since {self.for_s:.0f} s"


class Heartbeats:
    """When each part moved last. Any thread may beat, any may look."""

    def __init__(
        self, monotonic: Callable[[], float], limits_s: Mapping[Part, float] = LIMITS_S
    ) -> None:
        """Begin now. monotonic: seconds on a clock that never jumps.

        limits_s: the parts that are watched.
        """
        self._monotonic, self._limits_s = monotonic, limits_s
        # A part with None has nothing to do, which is no silence.
        self._since: dict[Part, float | None] = dict.fromkeys(limits_s)

    def beat(self, part: Part) -> None:
        """Note that a loop has gone round; from the first time on it has to go on doing so."""
        self._since[part] = self._monotonic()

    def rest(self, part: Part) -> None:
        """Note that a part has nothing to do until it beats again."""
        self._since[part] = None

    @contextmanager
    def call(self, part: Part) -> Iterator[None]:
        """Watch one call. What becomes of it does not matter, only that it returns."""
        self.beat(part)
        try:
            yield
        finally:
            self.rest(part)

    def silent(self) -> list[Silence]:
        """Return what hangs."""
        now = self._monotonic()
        waited = [
            (part, now - since) for part, since in self._since.copy().items() if since is not None
        ]
        return [Silence(part, by_s) for part, by_s in waited if by_s > self._limits_s[part]]
