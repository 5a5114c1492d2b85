"""When the next pieces are asked for: own turn, rate, patience. Pure; one monotonic clock."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, tzinfo

from edge.day_windows import spans
from edge.updating.staging_words import Reason
from edge.updating.wanted import Wanted
from edge.vocabulary import DailyWindow


@dataclass(frozen=True, slots=True)
class StagingLimits:
    """How much at a time, how fast, and how patient.

    hours: when a bundle may come and be handed over, on the clock of `zone`; () is always.
    """

    max_bytes: int = 32_000_000
    bytes_per_s: float = 32_000.0
    window_bytes: int = 65_536
    """Asked for at a time, and lost at most when the power fails."""
    retry_s: float = 30.0
    retry_most_s: float = 3600.0
    disk_retry_s: float = 900.0
    reconnect_spread_s: float = 30.0
    hours: tuple[DailyWindow, ...] = ()
    zone: tzinfo = UTC


@dataclass(frozen=True, slots=True)
class Moment:
    """When it is, and what the line is free for.

    now: seconds on the monotonic clock. is_set: whether utc_ms can be trusted.
    drained: whether every record was delivered; asked only when it matters.
    """

    now: float
    utc_ms: int
    is_set: bool = True
    connected: bool = True
    drained: Callable[[], bool] = field(default=lambda: True)


@dataclass(slots=True)
class Asking:
    """The account of what was asked for.

    share: of this device, 0 to 1, in whatever all devices would do at once.
    in_vain: wishes in a row that nobody answered.
    """

    limits: StagingLimits
    share: float
    not_before: float = 0.0
    asked_at: float = 0.0
    in_vain: int = 0

    def begin(self, now: float, spread_s: float) -> None:
        """Begin with a bundle, at this device's turn."""
        self.not_before = now + self.share * spread_s
        self.in_vain = 0

    def resume(self, now: float, spread_s: float) -> None:
        """Go on after a break; whoever went on before it does not wait for the whole spread."""
        turn_s = self.share * min(self.limits.reconnect_spread_s, spread_s)
        self.not_before = min(max(now, self.not_before), now + turn_s)
        self.in_vain = 0

    def put_off(self, now: float) -> None:
        """Ask nothing for a while: what comes could not be stored."""
        self.not_before = now + self.limits.disk_retry_s

    def answered(self, now: float) -> None:
        """Note that a piece has come."""
        self.asked_at, self.in_vain = now, 0

    def is_patient(self, now: float) -> bool:
        """Whether the answer to the last wish may still come."""
        limits = self.limits
        patience_s = min(limits.retry_s * 2.0 ** min(self.in_vain, 30), limits.retry_most_s)
        return now - self.asked_at < patience_s

    def asked(self, now: float, size: int, *, again: bool) -> None:
        """Note a wish for so many bytes; again: the one before was not answered."""
        self.in_vain += again
        self.asked_at = now
        self.not_before = now + size / self.limits.bytes_per_s


def what_forbids(wanted: Wanted, limits: StagingLimits, moment: Moment) -> Reason | None:
    """Return why nothing may come now by the hours of the offer and of the device, else None."""
    windows = [each for each in (wanted.windows, limits.hours) if each]
    if (wanted.not_before_ms is not None or windows) and not moment.is_set:
        return "clock"
    if wanted.not_before_ms is not None and moment.utc_ms < wanted.not_before_ms:
        return "not-before"
    at = moment.utc_ms
    is_open = all(spans(each, limits.zone, at, at + 1) for each in windows)
    return None if is_open else "hours"
