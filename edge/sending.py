"""What to send next, and when a record may be let go. Pure but for the outbox behind its port.

Where a backend acks what it has committed (`acks`), only that retires a record; what is not
acked in time is sent again. Without such a backend the broker's PUBACK has to do. Streams of
before a damage or a clock that was set back go first, each with a window of its own.
"""

from dataclasses import dataclass, field

from edge.acks import Ack
from edge.ports import Outbox
from edge.vocabulary import StoredRecord


@dataclass(frozen=True, slots=True)
class SendLimits:
    """How much is sent before it is acked, and how long an ack may take."""

    records_per_message: int = 100
    resend_s: float = 60.0
    """How long an ack may take before everything that was not acked is sent again."""
    resend_most_s: float = 3600.0
    """Every time in vain doubles that, up to here: a backend may be away for days."""
    most_in_flight: int = 2000
    """Records of a stream sent and not yet acked; more wait."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one stream that go into one message.

    repeat: somebody asked for them again; whatever becomes of them retires nothing.
    """

    stream: str
    records: tuple[StoredRecord, ...]
    repeat: bool = False

    @property
    def upto(self) -> int:
        """The last number in it."""
        return self.records[-1].seq


@dataclass(slots=True)
class _Window:
    """How far one stream was sent that the backend has not committed yet.

    oldest: the first record that was sent and is still pending; None when there is none.
    progress_at: when something was last sent first or acked.
    patience_s: how long the next ack may take.
    """

    sent_upto: int = 0
    oldest: int | None = None
    progress_at: float = 0.0
    patience_s: float = 0.0

    def in_flight(self) -> int:
        return 0 if self.oldest is None else self.sent_upto - self.oldest + 1


@dataclass(slots=True)
class _Repeat:
    """A wish for the records of [t0_ms, t1_ms), each stream from `after` on."""

    t0_ms: int
    t1_ms: int
    streams: list[str]
    after: int = 0
    sent: int = 0


@dataclass(slots=True)
class Sending:
    """Chooses batches and keeps the account of them. Times are of one monotonic clock."""

    outbox: Outbox
    limits: SendLimits = field(default_factory=SendLimits)
    commits: bool = False
    """Whether there is a backend that acks."""
    stalled: bool = False
    """Sent again for want of an ack, and still none."""
    _batch: int = 0
    _windows: dict[str, _Window] = field(default_factory=dict)
    _repeats: list[_Repeat] = field(default_factory=list)
    _let_go: dict[str, int] = field(default_factory=dict)
    """The first record of each stream that was retired on no more than a PUBACK."""

    def __post_init__(self) -> None:
        """Begin with full messages."""
        self._batch = self.limits.records_per_message

    def next(self, now: float) -> Batch | None:
        """Return what to send now; None when everything is sent or has to wait for acks."""
        streams = self.outbox.streams()
        for gone in self._windows.keys() - set(streams):
            del self._windows[gone]
        for stream in streams:
            window = self._windows.setdefault(stream, _Window())
            if self.commits and self._is_overdue(window, now):
                self._begin_again(window, now)
            if self.commits and window.in_flight() >= self.limits.most_in_flight:
                continue
            after = window.sent_upto if self.commits else 0
            records = self.outbox.pending(self._batch, after, stream)
            if records:
                return Batch(stream, tuple(records))
        return self._repeated()

    def accepted(self, batch: Batch, now: float) -> None:
        """Note that the broker has taken a batch."""
        self._batch = min(2 * self._batch, self.limits.records_per_message)
        if batch.repeat:
            self._repeats[0].after = batch.upto
            self._repeats[0].sent += len(batch.records)
        elif self.commits:
            window = self._windows.setdefault(batch.stream, _Window())
            if window.oldest is None:
                window.oldest, window.progress_at = batch.records[0].seq, now
            window.sent_upto = max(window.sent_upto, batch.upto)
        else:
            self.outbox.retire(batch.stream, batch.upto)
            self._let_go.setdefault(batch.stream, batch.records[0].seq)

    def shrink(self, batch: Batch) -> None:
        """Put at most half as many records into the next message as there were in this one."""
        self._batch = max(1, len(batch.records) // 2)

    def take_ack(self, ack: Ack | None, now: float) -> bool:
        """Follow the backend; None is the word that there is none any more.

        An ack of a stream that is not here only shows that there is a backend. One of records
        that were never made says that this outbox is an older copy of another (a card image that
        was put back): numbers would mean two things. A new stream begins; what is pending goes
        out under its old keys, where the backend tells what it has from what it has not.
        Returns whether the way of retiring records has changed.
        """
        changed = self.commits is not (ack is not None)
        if changed:
            self.commits = ack is not None
            self._windows.clear()
        if ack is None:
            self.stalled = False
            return changed
        self._take_back()
        if ack.stream == self.outbox.stream and _last_of(ack) > self.outbox.tip().seq:
            self.outbox.begin_stream()
            return changed
        upto = ack.upto if ack.rewind is None else min(ack.upto, ack.rewind - 1)
        self.outbox.commit(ack.stream, upto, ack.have if ack.rewind is None else ())
        window = self._windows.get(ack.stream)
        if window is not None:
            self._follow(window, ack.stream, now)
            if ack.rewind is not None:
                window.sent_upto, window.oldest = min(window.sent_upto, upto), None
        return changed

    def _take_back(self) -> None:
        """There is a backend: what only the broker had, and perhaps lost, is sent again."""
        while self._let_go:
            stream, first = next(iter(self._let_go.items()))
            self.outbox.commit(stream, first - 1)
            del self._let_go[stream]

    def repeat(self, t0_ms: int, t1_ms: int) -> None:
        """Send the records of a time once more, when there is nothing else to do."""
        self._repeats.append(_Repeat(t0_ms, t1_ms, self.outbox.streams(retired=True)))

    def _follow(self, window: _Window, stream: str, now: float) -> None:
        pending = self.outbox.pending(1, 0, stream)
        first = pending[0].seq if pending and pending[0].seq <= window.sent_upto else None
        before = window.oldest
        if first is None or (before is not None and first > before):
            window.progress_at, window.patience_s, self.stalled = now, 0.0, False
        elif before is None or first < before:
            window.sent_upto = first - 1  # it has lost something, e.g. was restored from a copy
            first = None
        window.oldest = first

    def _is_overdue(self, window: _Window, now: float) -> bool:
        patience_s = max(window.patience_s, self.limits.resend_s)
        return window.oldest is not None and now - window.progress_at >= patience_s

    def _begin_again(self, window: _Window, now: float) -> None:
        window.sent_upto, window.oldest, window.progress_at = 0, None, now
        longer_s = 2 * max(window.patience_s, self.limits.resend_s)
        window.patience_s = min(longer_s, max(self.limits.resend_most_s, self.limits.resend_s))
        self.stalled = True

    def _repeated(self) -> Batch | None:
        while self._repeats:
            wish = self._repeats[0]
            while wish.streams:
                stream = wish.streams[0]
                records = self.outbox.between(
                    wish.t0_ms, wish.t1_ms, self._batch, wish.after, stream
                )
                if records:
                    return Batch(stream, tuple(records), repeat=True)
                wish.streams.pop(0)
                wish.after = 0
            self._repeats.pop(0)
        return None


def _last_of(ack: Ack) -> int:
    return max([ack.upto, *(last for _, last in ack.have)])
