"""What was looked at, and what that says of each promise. Pure.

A promise is kept when everything that was to be looked at was, and nothing was found. What
could not be looked at is never a pass.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from edge.privacy_promises import PROMISES, Promise, PromiseId, Said


class Outcome(StrEnum):
    """How a promise fared."""

    KEPT = "kept"
    BROKEN = "broken"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Look:
    """One look at one thing, for one promise.

    at: what was looked at. problems: how the promise is broken. not_run: why it could not be
    looked at.
    """

    promise: PromiseId
    at: Said
    problems: tuple[Said, ...] = ()
    not_run: Said | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """All looks for one promise."""

    promise: Promise
    looks: tuple[Look, ...]

    @property
    def outcome(self) -> Outcome:
        """How it fared: broken before not run before kept."""
        if any(look.problems for look in self.looks):
            return Outcome.BROKEN
        if not self.looks or any(look.not_run for look in self.looks):
            return Outcome.NOT_RUN
        return Outcome.KEPT


def verdicts(looks: Iterable[Look]) -> list[Verdict]:
    """Return one verdict for every promise, in the order of the table."""
    taken = list(looks)
    return [
        Verdict(each, tuple(look for look in taken if look.promise == each.id)) for each in PROMISES
    ]


def exit_code(found: Sequence[Verdict]) -> int:
    """Return 1 when a promise is broken, 2 when one could not be looked at, else 0."""
    outcomes = {verdict.outcome for verdict in found}
    return 1 if Outcome.BROKEN in outcomes else 2 if Outcome.NOT_RUN in outcomes else 0
