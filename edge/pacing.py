"""How many pictures a second a board can afford: fewer when it is hot or falls behind. Pure.

Heat and load have a ladder of rates each; the lower of the two rates is used. A rate falls as
soon as there is reason to, and rises by one step only after a calm time, where "calm" is well
below what made it fall: a steady board never goes up and down.

Times are seconds on a clock that never jumps.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, inf, log
from statistics import fmean

from edge.vocabulary import Pace, Slowdown


@dataclass(frozen=True, slots=True)
class PacingSettings:
    """When to go slower and faster again.

    least_fps: as slow as it gets; the slowest rate whose error is known (docs/accuracy.md).
    step_share: a step down is about this share of the rate before.
    hot_c: below it the board decides what it can do, above it its firmware or kernel does;
        None where that is not known: heat then never slows it, throttling shows as longer work.
    cool_by_c: it must be cooler by more than this before it goes faster.
    silent_s: a thermometer that says nothing for so long holds nothing up any more.
    hot_step_s: a step takes so long to show in the temperature.
    busy_share, calm_share: work for a picture, of the time until the next one is due.
    lost_share, calm_lost_share: pictures there was no time for, of those that were due.
    window_s: work and losses are means over this time: one slow write is no overload.
    recent_s: a rate to fall to must do for the works of this time, three at least, too:
        pictures that were not looked at before a crowd came say nothing of it.
    recover_s: so long it must have been calm before each step up.
    """

    least_fps: float = 3.0
    step_share: float = 0.8
    hot_c: float | None = None
    cool_by_c: float = 6.0
    silent_s: float = 60.0
    hot_step_s: float = 20.0
    busy_share: float = 0.9
    calm_share: float = 0.7
    lost_share: float = 0.1
    calm_lost_share: float = 0.05
    window_s: float = 10.0
    recent_s: float = 1.0
    recover_s: float = 60.0


class Pacer:
    """Decides the rate after every picture."""

    def __init__(self, target_fps: float, settings: PacingSettings | None = None) -> None:
        """Begin at the wanted rate, which is never exceeded."""
        self._settings = s = settings or PacingSettings()
        self._rates = rates_fps(target_fps, s.least_fps, s.step_share)
        self._heat, self._load = _Ladder(s.recover_s), _Ladder(s.recover_s)
        self._window: deque[_Sample] = deque()
        self._full_at: float | None = None
        self._felt_at = self._fell_hot_at = -inf
        self._dropped: int | None = None
        self.pace = Pace(target_fps, self._rates[0])
        """What was decided last."""

    def again(self, target_fps: float) -> "Pacer":
        """Return one for another rate with the same thresholds."""
        return Pacer(target_fps, self._settings)

    def decide(
        self, at: float, *, work_s: float | None, dropped: int, temperature_c: float | None
    ) -> Pace:
        """Return the rate from now on, and why it is not the wanted one.

        work_s: what the last picture took; None where there was none.
        dropped: how many due pictures were not used because there was no time, in all.
        temperature_c: None where the board does not tell; for a while it is then as it was.
        """
        lost = dropped - (dropped if self._dropped is None else self._dropped)
        self._dropped = dropped
        self._follow_heat(at, temperature_c)
        if work_s is not None:
            self._follow_load(at, _Sample(at, work_s, lost))
        step = max(self._heat.step, self._load.step)
        self.pace = Pace(self.pace.target_fps, self._rates[step], self._reason())
        return self.pace

    def _reason(self) -> Slowdown | None:
        if self._heat.step == self._load.step == 0:
            return None
        return Slowdown.HOT if self._heat.step >= self._load.step else Slowdown.OVERLOAD

    def _follow_heat(self, at: float, temperature_c: float | None) -> None:
        s = self._settings
        if temperature_c is not None:
            self._felt_at = at
        if s.hot_c is None or self._is_cool(at, s.hot_c - s.cool_by_c, temperature_c):
            self._heat.calm(at)
            return
        self._heat.hold()
        is_hot = temperature_c is not None and temperature_c >= s.hot_c
        if is_hot and at - self._fell_hot_at >= s.hot_step_s:
            self._fell_hot_at = at
            self._heat.fall_to(min(self._heat.step + 1, len(self._rates) - 1))

    def _is_cool(self, at: float, below_c: float, temperature_c: float | None) -> bool:
        if temperature_c is None:
            return at - self._felt_at >= self._settings.silent_s
        return temperature_c < below_c

    def _follow_load(self, at: float, sample: "_Sample") -> None:
        s = self._settings
        if self._full_at is None:  # the first picture also warms everything up
            self._full_at = at + s.window_s
            return
        self._window.append(sample)
        while self._window[0].at < at - s.window_s and len(self._window) > 1:
            self._window.popleft()
        if at < self._full_at:
            return
        step, last = self._load.step, len(self._rates) - 1
        if self._is_overloaded(step):
            lower = range(step + 1, last)
            self._load.fall_to(next((k for k in lower if self._can_afford(k)), last))
        elif step > 0 and self._is_calm(step - 1):
            self._load.calm(at)
        else:
            self._load.hold()
        if self._load.step != step:  # what was lost at another rate says nothing of this one
            self._window.clear()
            self._full_at = at + s.window_s

    def _is_overloaded(self, step: int) -> bool:
        lost = sum(sample.lost for sample in self._window)
        is_losing = lost > self._settings.lost_share * (lost + len(self._window))
        return is_losing or self._busy(step) > self._settings.busy_share

    def _can_afford(self, step: int) -> bool:
        s = self._settings
        busy = max(self._busy(step), self._recent_s() * self._rates[step])
        return busy <= s.busy_share and self._would_lose(step) <= s.lost_share

    def _is_calm(self, step: int) -> bool:
        s = self._settings
        return self._busy(step) < s.calm_share and self._would_lose(step) < s.calm_lost_share

    def _busy(self, step: int) -> float:
        """Return the share of the time that the pictures of the window would take at a rate."""
        return fmean(sample.work_s for sample in self._window) * self._rates[step]

    def _recent_s(self) -> float:
        """Return the mean of the latest works but the longest, which may be one slow write."""
        samples = list(self._window)
        since = samples[-1].at - self._settings.recent_s
        recent = [sample for sample in samples if sample.at > since]
        works_s = sorted(sample.work_s for sample in max(recent, samples[-3:], key=len))
        return fmean(works_s[:-1]) if len(works_s) > 1 else 0.0

    def _would_lose(self, step: int) -> float:
        """Return the share of due pictures that the works of the window would lose at a rate."""
        lost = lost_pictures([sample.work_s for sample in self._window], self._rates[step])
        return lost / (lost + len(self._window))


@dataclass(frozen=True, slots=True)
class _Sample:
    at: float
    work_s: float
    lost: int


class _Ladder:
    """A number of steps below the wanted rate; down at once, up after a calm time."""

    def __init__(self, recover_s: float) -> None:
        self._recover_s, self._calm_since = recover_s, inf
        self.step = 0

    def fall_to(self, step: int) -> None:
        self.step = max(self.step, step)
        self.hold()

    def hold(self) -> None:
        self._calm_since = inf

    def calm(self, at: float) -> None:
        self._calm_since = min(self._calm_since, at)
        if self.step > 0 and at - self._calm_since >= self._recover_s:
            self.step, self._calm_since = self.step - 1, at


def rates_fps(target_fps: float, least_fps: float, step_share: float) -> tuple[float, ...]:
    """Return the rates from the target down to the least, in equal ratios; one if it is less."""
    if target_fps <= least_fps:
        return (target_fps,)
    steps = ceil(log(least_fps / target_fps) / log(step_share) - 1e-9)
    ratio = least_fps / target_fps
    between = (round(target_fps * ratio ** (k / steps), 2) for k in range(1, steps))
    return (target_fps, *between, least_fps)


def lost_pictures(works_s: Sequence[float], fps: float) -> int:
    """Count the due pictures that are lost while others are worked at: only the newest waits."""
    lost, late_s = 0, 0.0
    for work_s in works_s:
        done_s = late_s + work_s
        came = floor(done_s * fps)
        lost += max(came - 1, 0)
        late_s = done_s - came / fps if came else 0.0
    return lost
