"""What a centre's registers say of a month; nothing here was seen by a camera."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stay:
    """From when on, UTC milliseconds, the register had an activity in the month, or had not."""

    since_ms: int
    is_here: bool


@dataclass(frozen=True, slots=True)
class Moved:
    """An activity that the register once had in the month and has in another one now."""

    id: str
    stays: tuple[Stay, ...]


@dataclass(frozen=True, slots=True)
class Activity:
    """One activity. Times are UTC milliseconds.

    expected: how many were registered or invited. attended: by the register; None where it says
    nothing. seen: the highest headcount of the zone where it was held; None where no zone saw
    all of it. audiences: whom it was for, ids of the scheme. stays: in order; none where
    nobody knows since when it was planned.
    """

    id: str
    t0_ms: int
    t1_ms: int
    is_held: bool
    expected: int | None
    attended: int | None
    seen: int | None = None
    audiences: frozenset[str] = frozenset()
    brand: str | None = None
    stays: tuple[Stay, ...] = ()


@dataclass(frozen=True, slots=True)
class Ratings:
    """How many ratings of each level there were; five is the best."""

    levels: tuple[int, int, int, int, int]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.levels)


@dataclass(frozen=True, slots=True)
class Cases:
    """Service cases whose time was up in the month, and those of them that were done in time."""

    due: int
    in_time: int


@dataclass(frozen=True, slots=True)
class Registers:
    """All of a centre's registers; None where none was received, which is not an empty one."""

    activities: tuple[Activity, ...] | None = None
    ratings: Ratings | None = None
    cases: Cases | None = None
    moved: tuple[Moved, ...] = ()
