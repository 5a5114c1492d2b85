"""What a device was doing, minute by minute, told from its records alone.

So that a month can be rated "reliable", "estimated" or "not rated", and so that nobody reads
zero people where the truth is that nobody was looking. The rules, the first that fits:

| time | state | in words |
|---|---|---|
| in a record with coverage 0, or without counts | not_counting | why, as the record says |
| in a record that never got a trusted date (`tq` unsynced) | clock_unsure | counted, but when? |
| in a record with a coverage under the bound | partly | why, as the record says |
| in any other record | observing | |
| between two records, numbers between them did not come | missing | they exist: ask for them |
| between two records with nothing between them | off | no power |
| after the last one, heard of within the expected time | late | on its way |
| after the last one, longer | offline | no network, no power: nobody knows yet |

- In time that several records cover, of several lines, or of two streams after a clock was
  set, the first rule that fits any of them holds: whoever could not see wins.
- Between two streams: missing when the later one does not begin with number 1, else off.
  The last numbers of a stream that is over cannot be missed: nothing says that they were.
- Before the first record: missing when its number is not 1, else off: it was not there yet.
- A record that did not come while others cover its time makes no time missing. Its counts are
  missing all the same: `reports` counts records, this page counts time.
- Nothing is said of the time after `now`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from edge.records import CountRecord, Record

PARTLY_BELOW = 0.9
"""An interval in which a minute and a half of fifteen was not seen is still one that was."""
EXPECTED_MS = 45 * 60_000
"""An interval of 15 minutes, its delivery, and one that failed on the way; see `minutes`."""


class State(StrEnum):
    """What a device was doing; in the order in which the rules for records are tried."""

    NOT_COUNTING = "not_counting"
    CLOCK_UNSURE = "clock_unsure"
    PARTLY = "partly"
    OBSERVING = "observing"
    MISSING = "missing"
    OFF = "off"
    LATE = "late"
    OFFLINE = "offline"


_RANK = {state: rank for rank, state in enumerate(State)}

WORDS: dict[State, tuple[str, str]] = {
    State.OBSERVING: ("counting", "正常计数"),
    State.PARTLY: ("counting with gaps", "部分时间未计数"),
    State.NOT_COUNTING: ("switched on, not counting", "开机但未计数"),
    State.OFF: ("off, no power", "关机或断电"),
    State.MISSING: ("counted, records not received yet", "已计数，记录尚未收到"),
    State.LATE: ("records on their way", "记录待上报"),
    State.OFFLINE: ("not heard of", "离线，情况未知"),
    State.CLOCK_UNSURE: ("counted, the time is not certain", "已计数，时间不确定"),
}
"""Each state in English and in Chinese."""
REASONS: dict[str, tuple[str, str]] = {
    "no_camera": ("no camera", "无摄像头信号"),
    "covered": ("camera covered", "镜头被遮挡"),
    "dark": ("too dark", "画面过暗"),
    "blurred": ("picture blurred", "画面模糊"),
    "moved": ("camera moved", "摄像头被移动"),
    "frozen": ("picture frozen", "画面静止"),
    "overload": ("device too slow", "设备过载"),
    "restart": ("restarting", "正在重启"),
}
"""Why a record says that it saw less than all."""


@dataclass(frozen=True, slots=True)
class Span:
    """A time [t0_ms, t1_ms), UTC milliseconds, in which one thing was true."""

    t0_ms: int
    t1_ms: int
    state: State
    reason: str | None = None
    """Of `partly` and `not_counting`, as the record says it; a key of REASONS."""

    @property
    def minutes(self) -> float:
        """How long it is."""
        return (self.t1_ms - self.t0_ms) / 60_000

    def words(self, *, chinese: bool = False) -> str:
        """Return it for people."""
        state = WORDS[self.state][chinese]
        if self.reason is None:
            return state
        reason = REASONS.get(self.reason, (self.reason, self.reason))[chinese]
        return f"{state}：{reason}" if chinese else f"{state}: {reason}"


def minutes(
    records: Sequence[Record],
    t0_ms: int,
    t1_ms: int,
    now_ms: int,
    *,
    heard_ms: int | None = None,
    expected_ms: int = EXPECTED_MS,
    partly_below: float = PARTLY_BELOW,
) -> list[Span]:
    """Return what a device was doing in [t0_ms, t1_ms), as far as `now_ms`, without a hole.

    records: of one device, in any order, repetitions allowed. Give also the last one before
    and the first one after the time asked for: what lies at its edges is told from them.
    heard_ms: when the last record was received, if known; who delivers a backlog is not offline.
    expected_ms: how long after the end of a record the next one is there at the latest.
    """
    history = _History(records, now_ms, heard_ms, expected_ms)
    inside = (edge for record in records for edge in (record.t0_ms, record.t1_ms))
    end_ms = min(t1_ms, now_ms)
    cuts = sorted({t0_ms, end_ms, *(edge for edge in inside if t0_ms < edge < end_ms)})
    spans = (
        history.span(start_ms, stop_ms, partly_below)
        for start_ms, stop_ms in pairwise(cuts)
        if t0_ms <= start_ms < end_ms
    )
    return list(_joined(spans))


class _History:
    """The records in the order of time. Ask from the past to the future."""

    def __init__(
        self, records: Sequence[Record], now_ms: int, heard_ms: int | None, expected_ms: int
    ) -> None:
        self._coming = sorted(records, key=lambda record: (-record.t0_ms, -record.seq))
        self._now_ms, self._heard_ms, self._expected_ms = now_ms, heard_ms, expected_ms
        self._here: list[Record] = []
        self._until_ms: int | None = None
        self._numbers: dict[str, int] = {}
        self._received = {(record.stream, record.seq) for record in records}

    def span(self, t0_ms: int, t1_ms: int, partly_below: float) -> Span:
        """Return what holds from t0_ms to t1_ms; no record begins or ends between them."""
        while self._coming and self._coming[-1].t0_ms <= t0_ms:
            begun = self._coming.pop()
            self._here.append(begun)
            self._until_ms = max(begun.t1_ms, self._until_ms or begun.t1_ms)
            self._numbers[begun.stream] = max(self._numbers.get(begun.stream, 0), begun.seq)
        self._here = [record for record in self._here if record.t1_ms > t0_ms]
        if not self._here:
            return Span(t0_ms, t1_ms, self._gap())
        found = [_state(record, partly_below) for record in self._here]
        state, reason = min(found, key=lambda each: (_RANK[each[0]], each[1] or ""))
        return Span(t0_ms, t1_ms, state, reason)

    def _gap(self) -> State:
        if not self._coming:
            return self._tail()
        after = self._coming[-1]
        between = range(self._numbers.get(after.stream, 0) + 1, after.seq)
        numbers = ((after.stream, seq) for seq in between)
        return State.OFF if all(each in self._received for each in numbers) else State.MISSING

    def _tail(self) -> State:
        if self._until_ms is None:
            return State.OFFLINE
        heard_ms = max(self._until_ms, self._heard_ms or 0)
        return State.LATE if self._now_ms - heard_ms <= self._expected_ms else State.OFFLINE


def _state(record: Record, partly_below: float) -> tuple[State, str | None]:
    counts = record.entered if isinstance(record, CountRecord) else record.presence_s
    if record.cov == 0 or counts is None:
        return State.NOT_COUNTING, record.cov_reason
    if record.tq == "unsynced":
        return State.CLOCK_UNSURE, None
    if record.cov < partly_below:
        return State.PARTLY, record.cov_reason
    return State.OBSERVING, None


def _joined(spans: Iterator[Span]) -> Iterator[Span]:
    """Yield the spans, neighbours of which the same is true as one."""
    last: Span | None = None
    for span in spans:
        if last is not None and (last.state, last.reason) == (span.state, span.reason):
            last = replace(last, t1_ms=span.t1_ms)
        else:
            if last is not None:
                yield last
            last = span
    if last is not None:
        yield last
