"""Closed intervals → dated → outbox. What cannot be stored or dated yet waits; nothing is lost.

- The outbox cannot be written (a full disk): buckets stay in memory, counting goes on. Should
  that last so long that they are too many, neighbours are joined: sums stay exact, only the
  intervals become longer.
- The clock is not trusted yet: buckets wait on disk in milliseconds of the monotonic clock and
  become records, marked `redated`, as soon as it is. Of an earlier boot of the machine, which
  never learned the time, they get a plausible place and stay marked `unsynced`.
- The power fails: of the open intervals a draft is written every minute; the next start
  makes records of it.
"""

from collections.abc import Callable, Sequence
from itertools import groupby

import structlog

from edge.errors import OutboxError
from edge.intervals import joined, moved, parted
from edge.ports import Outbox
from edge.timeline import PLAUSIBLE_FROM_S, Timeline
from edge.vocabulary import Bucket, TimeQuality, Waiting

RETRY_S = 5.0
DRAFT_S = 60.0
MOST_IN_MEMORY = 5_000
"""About 5 MB; a week of eight lines at 15 minutes."""

Redate = Callable[[Bucket, int, TimeQuality], Bucket]
"""Move a bucket by some ms and mark it; zones also look at their windows anew."""

_log = structlog.get_logger(__name__)


class Bookkeeper:
    """Stands between the aggregator and the outbox. One instance per run."""

    def __init__(self, outbox: Outbox, timeline: Timeline, redate: Redate = moved) -> None:
        self._outbox, self._timeline, self.redate = outbox, timeline, redate
        self.on_saved: Callable[[Sequence[Bucket]], None] = lambda _: None
        """Called with what became records; wakes the delivery."""
        self._closed: list[Bucket] = []
        self._undated: list[Bucket] = []
        self._retry_at: float | None = None
        self._draft_at: float | None = None
        self._settled = False
        self._draft_counts = False

    @property
    def unsaved(self) -> int:
        """How many closed intervals are in memory only."""
        return len(self._closed) + len(self._undated)

    @property
    def waits_for_time(self) -> bool:
        """Whether what is counted now waits for its dates."""
        return not self._timeline.dated

    def keep(self, buckets: Sequence[Bucket], at: float, *, insist: bool = False) -> None:
        """Take closed buckets and store whatever is due; call it often, also with none.

        insist: try even if a retry is not due.
        """
        if self._timeline.dated:
            self._closed += buckets
        else:
            self._undated += [moved(each, -self._timeline.offset_ms) for each in buckets]
        due = not self._settled or self.unsaved > 0
        waits = self._retry_at is not None and at < self._retry_at and not insist
        if not due or waits:
            return
        try:
            self._store()
            self._retry_at = None
        except OutboxError as error:
            self._retry_at = at + RETRY_S
            _log.error("outbox.unwritable", reason=str(error), unsaved=self.unsaved)
            self._stay_small()

    def wants_draft(self, at: float, *, insist: bool = False) -> bool:
        """Whether the open intervals should be written down now. insist: before it is time."""
        if self._draft_at is None:
            self._draft_at = at + DRAFT_S
        if at < self._draft_at and not insist:
            return False
        self._draft_at = at + DRAFT_S
        return not self.unsaved and not self._draft_counts

    def draft(self, buckets: Sequence[Bucket]) -> None:
        """Write down the open intervals as they are so far, in the place of the last draft."""
        dated, offset_ms = self._timeline.dated, self._timeline.offset_ms
        boot = None if dated else self._timeline.boot
        kept = buckets if dated else [moved(each, -offset_ms) for each in buckets]
        try:
            self._outbox.wait(kept, boot=boot, guess_ms=offset_ms, draft=True)
        except OutboxError as error:
            _log.warning("draft not written", reason=str(error))

    def keep_draft(self) -> None:
        """The open intervals cannot be closed: the last draft is all there will be of them."""
        if not self.unsaved:
            self._draft_counts = True
            self.look_again()

    def begin_at(self, now_ms: int, interval_ms: int) -> int:
        """Return where a new interval may begin so that none of a stream is dated twice.

        A clock that was set back by no more than an interval is waited for. With one set
        back further, either the dates before or those from now on are wrong; a new stream
        begins with them, in which nothing overlaps.
        """
        if not self._timeline.dated:
            return now_ms
        until_ms = self._outbox.dated_until_ms
        parts = parted(self._closed, until_ms)
        ends = [each.t1_ms for each in parts[-1]]
        latest_ms = max(ends) if len(parts) > 1 else max([until_ms, *ends])
        if now_ms >= latest_ms:
            return now_ms
        if latest_ms - now_ms <= interval_ms:
            return latest_ms
        _log.error("clock.set_back", by_s=(latest_ms - now_ms) // 1000)
        return now_ms

    def look_again(self) -> None:
        """The clock has come to be trusted: what waits for its dates is due."""
        self._settled = False

    def _store(self) -> None:
        if self._draft_counts:
            self._outbox.keep_draft()
            self._draft_counts = False
        if self._undated:
            timeline = self._timeline
            self._outbox.wait(self._undated, boot=timeline.boot, guess_ms=timeline.offset_ms)
            self._undated = []
        if not self._settled:
            self._settle()
        for number, part in enumerate(parted(self._closed, self._outbox.dated_until_ms)):
            if number:
                self._outbox.begin_stream()
            if part:
                self._outbox.append(part)
                del self._closed[: len(part)]
                self._saved(part)

    def _saved(self, buckets: Sequence[Bucket]) -> None:
        # With the append the draft is gone, also what it held of intervals still open.
        self._draft_at = 0.0
        self.on_saved(buckets)

    def _settle(self) -> None:
        """Make records of what an earlier run, or the time before the clock was set, left."""
        due = [each for each in self._outbox.waiting() if self._is_due(each)]
        ids = [each.id for each in due]
        for number, part in enumerate(parted(self._dated(due), self._outbox.dated_until_ms)):
            if number:
                self._outbox.begin_stream()
            if part:
                self._outbox.append(part, settled=ids[: len(part)])
                del ids[: len(part)]
                self._saved(part)
        if due:
            _log.info("waiting.settled", intervals=len(due))
        self._settled = True

    def _is_due(self, waiting: Waiting) -> bool:
        return waiting.boot is None or self._timeline.dated

    def _dated(self, waiting: Sequence[Waiting]) -> list[Bucket]:
        """Date them; of earlier boots from the last to the first, each before the next."""
        timeline, groups = self._timeline, []
        before_ms = timeline.boot_ms()
        for boot, grouped in reversed([(k, list(g)) for k, g in groupby(waiting, _boot_of)]):
            if boot is None:
                groups.append([each.bucket for each in grouped])
                before_ms = min(before_ms, groups[-1][0].t0_ms)
            elif boot == timeline.boot:
                shift_ms, mark = timeline.offset_ms, TimeQuality.REDATED
                groups.append([self.redate(each.bucket, shift_ms, mark) for each in grouped])
            else:
                shift_ms = self._guess(grouped, before_ms)
                mark = TimeQuality.UNSYNCED
                groups.append([self.redate(each.bucket, shift_ms, mark) for each in grouped])
                before_ms = groups[-1][0].t0_ms
        return [bucket for group in reversed(groups) for bucket in group]

    def _guess(self, waiting: Sequence[Waiting], before_ms: int) -> int:
        """Return the shift that was believed then if it can be, else the one to right before."""
        guess_ms = waiting[-1].guess_ms
        first_ms, last_ms = waiting[0].bucket.t0_ms, waiting[-1].bucket.t1_ms
        earliest_ms = max(PLAUSIBLE_FROM_S * 1000, self._outbox.dated_until_ms)
        if earliest_ms <= first_ms + guess_ms and last_ms + guess_ms <= before_ms:
            return guess_ms
        return before_ms - last_ms

    def _stay_small(self) -> None:
        for kept in (self._closed, self._undated):
            if len(kept) > MOST_IN_MEMORY:
                kept[:] = joined(kept)


def _boot_of(waiting: Waiting) -> str | None:
    return waiting.boot
