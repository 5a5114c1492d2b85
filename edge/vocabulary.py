"""The words of the product: plain data that passes between stages.

Coordinates are normalised to the picture, x and y in 0..1, origin top left.
`at` is seconds on the frame source's own monotonic time base; `*_ms` is UTC in
integer milliseconds since 1970, so that intervals meet exactly.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Image = npt.NDArray[np.uint8]
Point = tuple[float, float]


class Region(NamedTuple):
    """A part of the picture, upright, normalised."""

    left: float
    top: float
    right: float
    bottom: float


WHOLE = Region(0.0, 0.0, 1.0, 1.0)


class CoverageReason(StrEnum):
    """Why a part of an interval has no healthy video."""

    NO_CAMERA = "no_camera"
    COVERED = "covered"
    DARK = "dark"
    BLURRED = "blurred"
    MOVED = "moved"
    FROZEN = "frozen"
    OVERLOAD = "overload"
    RESTART = "restart"


class Slowdown(StrEnum):
    """Why fewer pictures are looked at than wanted."""

    HOT = "hot"
    OVERLOAD = "overload"


class TimeQuality(StrEnum):
    """How far the UTC date of a record can be trusted."""

    NTP = "ntp"
    RTC = "rtc"
    REDATED = "redated"
    UNSYNCED = "unsynced"


class Anchor(StrEnum):
    """The point of a box that stands for the person."""

    BOTTOM_CENTRE = "bottom-centre"
    CENTRE = "centre"


class ZoneKind(StrEnum):
    """What people do in a zone; it decides what a record says beside the sums."""

    PLAIN = "plain"
    QUEUE = "queue"
    """The time people spend in it is the time they wait."""
    ACTIVITY = "activity"
    """What happens in it inside its daily windows is summed apart."""


class Outcome(StrEnum):
    """How a passage over a line was booked."""

    IN = "in"
    OUT = "out"
    UTURN = "uturn"
    AMBIGUOUS = "ambiguous"
    BORN_PAST_LINE = "born_past_line"


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture. `image` is (height, width, 3) uint8 BGR, masks already burned in.

    reason: why the time since the last picture was not watched well enough, None when it was.
    """

    at: float
    index: int
    image: Image
    reason: CoverageReason | None = None

    @property
    def aspect(self) -> float:
        """Width divided by height, in pixels."""
        height, width = self.image.shape[:2]
        return float(width / height)


@dataclass(frozen=True, slots=True)
class NoFrame:
    """A moment at which there should have been a picture and was none."""

    at: float
    reason: CoverageReason


@dataclass(frozen=True, slots=True)
class Pace:
    """How many pictures a second are wanted, how many are asked for now, and why fewer."""

    target_fps: float
    fps: float
    reason: Slowdown | None = None


@dataclass(frozen=True, slots=True)
class Detections:
    """People found in one frame, as arrays of equal length N.

    boxes: (N, 4) float32, x0 y0 x1 y1, normalised.
    scores: (N,) float32 in 0..1.
    aspect: picture width / height, so that distances can be had in person-heights.
    """

    boxes: FloatArray
    scores: FloatArray
    aspect: float

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True, slots=True)
class Track:
    """One person as followed so far. `id` is random per run and never leaves the process."""

    id: int
    box: tuple[float, float, float, float]
    score: float
    born_at: float
    observed: bool
    """Whether a detection of this very frame supports it."""


@dataclass(frozen=True, slots=True)
class Tracks:
    """The tracker's answer to one frame. `ended` are the ids gone since the last one."""

    at: float
    aspect: float
    live: tuple[Track, ...] = ()
    ended: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """A counting line: a polyline and which of its sides is inside.

    `entry` is +1 when IN means passing from the left to the right of the way
    from the first to the last point as seen on the screen, −1 for the other way.
    """

    id: str
    points: tuple[Point, ...]
    entry: int
    name: str = ""
    is_staff: bool = False
    """Only staff use it: counted, and marked in its records so that nobody adds it to visitors."""


@dataclass(frozen=True, slots=True)
class DailyWindow:
    """A half-open part [start_min, end_min) of every day, in minutes of local time, 0..1440."""

    start_min: int
    end_min: int


@dataclass(frozen=True, slots=True)
class Zone:
    """An area of the floor: a polygon that does not cross itself.

    `windows` are of an activity zone; without any the whole day is meant.
    """

    id: str
    polygon: tuple[Point, ...]
    kind: ZoneKind = ZoneKind.PLAIN
    windows: tuple[DailyWindow, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class Crossing:
    """One booked passage over a line; `at` is when the anchor passed it.

    doubt: IN or OUT when somebody may or may not have walked that way: the outcome itself
    where it was counted, the way it could have been where it was not.
    """

    line: str
    outcome: Outcome
    at: float
    doubt: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """The counter's answer to one frame.

    booked: final crossings, to be added to the buckets.
    live: crossings seen just now, for displays only; some may still net out.
    settled_until: no later answer will book a crossing before this moment.
    """

    booked: tuple[Crossing, ...]
    live: tuple[Crossing, ...]
    settled_until: float


@dataclass(frozen=True, slots=True)
class Occupancy:
    """The zone counter's answer to one frame for one zone.

    headcount: people inside now, as far as they are seen.
    arrivals, departures: visits found to have begun and ended since the last answer.
    """

    zone: str
    headcount: int
    arrivals: int = 0
    departures: int = 0


@dataclass(frozen=True, slots=True)
class Provenance:
    """Hashes of what produced a record; an interval is split when one changes."""

    cfg: str
    model: str
    cal: str | None = None


@dataclass(frozen=True, slots=True)
class Doubts:
    """How far the counts of one line may be off: who was counted, or not, in doubt."""

    counted_in: int = 0
    counted_out: int = 0
    uncounted_in: int = 0
    uncounted_out: int = 0


@dataclass(frozen=True, slots=True)
class CountBucket:
    """A closed half-open interval [t0_ms, t1_ms) of one line.

    `counts` is None when nobody was looking during the whole interval: null is not 0.
    `coverage` is the share of the interval with healthy video, 0..1.
    """

    line: str
    t0_ms: int
    t1_ms: int
    counts: Mapping[Outcome, int] | None
    coverage: float
    reason: CoverageReason | None
    time_quality: TimeQuality
    provenance: Provenance
    doubts: Doubts = Doubts()
    is_staff: bool = False


@dataclass(frozen=True, slots=True)
class ZoneSums:
    """What happened in a zone while somebody was looking; every field but `peak` is additive.

    presence_ms: the headcount, summed over time.
    used_ms: time with at least one person inside.
    window_ms, window_presence_ms: time inside the daily windows, and the presence in it.
    """

    presence_ms: int = 0
    used_ms: int = 0
    arrivals: int = 0
    departures: int = 0
    peak: int = 0
    window_ms: int = 0
    window_presence_ms: int = 0

    def plus(self, other: "ZoneSums") -> "ZoneSums":
        """Return the sums of two times that do not overlap."""
        return ZoneSums(
            self.presence_ms + other.presence_ms,
            self.used_ms + other.used_ms,
            self.arrivals + other.arrivals,
            self.departures + other.departures,
            max(self.peak, other.peak),
            self.window_ms + other.window_ms,
            self.window_presence_ms + other.window_presence_ms,
        )


@dataclass(frozen=True, slots=True)
class ZoneBucket:
    """A closed half-open interval [t0_ms, t1_ms) of one zone; else as a CountBucket.

    `sums` is None when nobody was looking during the whole interval: null is not 0.
    """

    zone: str
    kind: ZoneKind
    t0_ms: int
    t1_ms: int
    sums: ZoneSums | None
    coverage: float
    reason: CoverageReason | None
    time_quality: TimeQuality
    provenance: Provenance


Bucket = CountBucket | ZoneBucket
"""What a record is made of: an interval of one line, or of one zone."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A bucket on disk that is no record yet.

    boot: the start of the machine it was counted in, when it is not dated: then its times are
    milliseconds of that boot's monotonic clock, and `guess_ms` is what was believed to lead
    from them to UTC. None for one that has its dates.
    """

    id: int
    bucket: Bucket
    boot: str | None = None
    guess_ms: int = 0


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A sealed record in the outbox: its key within the stream and its JSON text."""

    stream: str
    seq: int
    body: str


@dataclass(frozen=True, slots=True)
class Tip:
    """How far a stream goes: the number and chain of its last record, and when that one ends.

    Of a stream without records: 0, the genesis, and 0. until_ms is UTC; 0 where it is not known.
    """

    stream: str
    seq: int
    chain: str
    until_ms: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """Something to publish. `expiry_s` None means it never expires."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    expiry_s: int | None = None
    properties: tuple[tuple[str, str], ...] = field(default=())
    """MQTT 5 user properties, in order."""
    packed: bool = False
    """Whether the payload is not the UTF-8 text itself; see `payloads`."""


class Receipt(StrEnum):
    """What became of a publish."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """The broker answered with a failure reason code; it will again."""
    TOO_LARGE = "too_large"
    """Larger than this broker takes, so it was not even sent."""
    LOST = "lost"
    """No answer; unknown whether it arrived, so it is sent again."""
