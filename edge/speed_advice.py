"""Which model, provider, threads and rate suit a board, from what was measured on it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from edge.providers import Provider

RATES = (8, 5, 3)
"""Pictures a second whose counts were compared with the truth, the best first."""
HEADROOM = 0.3
"""Share of the time between two pictures that stays free: for the decoder, tracker and summer."""
ALIKE = 1.1
"""Costs within this factor are the same; measuring again might turn them round."""

DISTURBED = 1.3
"""One thread alone on a core takes as long as it works."""


@dataclass(frozen=True, slots=True)
class Timing:
    """One way to look at one picture, letterboxing and decoding included.

    wall_ms: median time; cpu_ms: mean processor time of all threads; None: not measured.
    trouble: why it is not to be used, in words; None when nothing is wrong.
    """

    model: str
    provider: Provider
    threads: int
    wall_ms: float | None = None
    cpu_ms: float | None = None
    trouble: str | None = None

    @property
    def fps(self) -> int | None:
        """The best of RATES that it keeps with headroom; None when it keeps none."""
        if self.wall_ms is None:
            return None
        busy = self.wall_ms / 1000 / (1 - HEADROOM)
        return next((rate for rate in RATES if busy * rate <= 1), None)


@dataclass(frozen=True, slots=True)
class Advice:
    """What to write into the config."""

    timing: Timing
    fps: int

    @property
    def cores(self) -> float:
        """How many cores the model keeps busy, if every picture is looked at."""
        return (self.timing.cpu_ms or 0.0) * self.fps / 1000


def advise(timings: Sequence[Timing]) -> Advice | None:
    """Choose the least processor time of all that keep the best rate that any keeps.

    Among those that cost about the same, what needs nothing installed and fewer threads goes
    first. None when nothing keeps the lowest rate and finds the right people.
    """
    rated = [(item.fps, item) for item in timings if item.fps and item.trouble is None]
    if not rated:
        return None
    best = max(fps for fps, _ in rated if fps)
    keeping = [item for fps, item in rated if fps == best]
    least = min(_cost(item) for item in keeping)
    alike = [item for item in keeping if _cost(item) <= ALIKE * least]
    return Advice(min(alike, key=_simplest), best)


def is_disturbed(timings: Sequence[Timing]) -> bool:
    """Whether one thread had to wait for a core: something else ran, and times are too long."""
    alone = [item for item in timings if item.provider is Provider.CPU and item.threads == 1]
    return any(
        item.wall_ms > DISTURBED * item.cpu_ms for item in alone if item.wall_ms and item.cpu_ms
    )


def _cost(item: Timing) -> float:
    return item.cpu_ms or 0.0


def _simplest(item: Timing) -> tuple[bool, int, float]:
    return item.provider is not Provider.CPU, item.threads, _cost(item)
