"""Fakes that ship with the package, for the tests of this product and of its plug-ins.

They keep the contracts of `ports`; `tests/contract/` runs one suite on the
memory outbox and the one on disk.
"""

import json
import threading
from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from itertools import count, islice

import numpy as np

from edge.errors import BrokerError
from edge.readings import Subject, Totals, subject_of
from edge.regions import Interest
from edge.sealing import chain_of, genesis, seal
from edge.vocabulary import (
    Bucket,
    Detections,
    Frame,
    Message,
    Receipt,
    StoredRecord,
    TimeQuality,
    Tip,
    Waiting,
)


class ManualClock:
    """A clock that stands still until it is told to advance."""

    def __init__(
        self,
        utc: float = 1_700_000_000.0,
        monotonic: float = 0.0,
        quality: TimeQuality = TimeQuality.NTP,
    ) -> None:
        self._utc = utc
        self._monotonic = monotonic
        self._quality = quality

    def monotonic(self) -> float:
        """Seconds that only `advance` moves."""
        return self._monotonic

    def utc(self) -> float:
        """Seconds since 1970 UTC; `advance` and `jump` move them."""
        return self._utc

    def quality(self) -> TimeQuality:
        """What `jump` last said, NTP to begin with."""
        return self._quality

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self._monotonic += seconds
        self._utc += seconds

    def jump(self, seconds: float, quality: TimeQuality = TimeQuality.NTP) -> None:
        """Set the wall clock alone, as NTP does."""
        self._utc += seconds
        self._quality = quality


class ScriptedDetector:
    """Answers frame number i with the i-th scripted detections, and with nobody after the last."""

    def __init__(self, script: Sequence[Detections]) -> None:
        self._script = script
        self.seen: list[int] = []
        """The frame numbers asked for, in order."""

    def attend(self, interest: Interest) -> None:
        """Nothing: they come as they are."""

    def forget(self) -> None:
        """Nothing: there are no pictures behind them."""

    def detect(self, frame: Frame) -> Detections:
        """Return what the script has for this frame."""
        self.seen.append(frame.index)
        if frame.index < len(self._script):
            return self._script[frame.index]
        return Detections(np.empty((0, 4), np.float32), np.empty((0,), np.float32), frame.aspect)


class MemoryOutbox:
    """An Outbox that forgets everything when the process ends."""

    trouble: str | None = None

    def __init__(self, dev: str, stream: str = "0123456789abcdef") -> None:
        self._dev = dev
        self._stream = stream
        self._lock = threading.Lock()
        self._chain = genesis(dev, stream)
        self._totals: dict[Subject, Totals] = {}
        self._dated_until_ms = 0
        self._records: dict[str, list[StoredRecord]] = {stream: []}
        self._retired: set[tuple[str, int]] = set()
        self._waiting: list[Waiting] = []
        self._drafts: list[Waiting] = []
        self._numbers = count(1)

    @property
    def stream(self) -> str:
        """The id given to it."""
        return self._stream

    @property
    def dated_until_ms(self) -> int:
        """The latest end of an interval in this stream."""
        return self._dated_until_ms

    def append(self, buckets: Sequence[Bucket], settled: Sequence[int] = ()) -> None:
        """Seal and keep all buckets, or none when one cannot be sealed."""
        with self._lock:
            chain, totals = self._chain, dict(self._totals)
            records = list(self._records[self._stream])
            for bucket in buckets:
                seq = len(records) + 1
                subject = subject_of(bucket)
                total = totals.get(subject, Totals()).plus(bucket)
                body = seal(
                    bucket, self._dev, self._stream, seq, totals=total, previous_chain=chain
                )
                totals[subject] = total
                chain = chain_of(body)
                records.append(StoredRecord(self._stream, seq, body))
            self._chain, self._totals, self._records[self._stream] = chain, totals, records
            self._dated_until_ms = max([self._dated_until_ms, *(b.t1_ms for b in buckets)])
            self._waiting = [each for each in self._waiting if each.id not in settled]
            if buckets or settled:
                self._drafts = []

    def wait(
        self,
        buckets: Sequence[Bucket],
        *,
        boot: str | None = None,
        guess_ms: int = 0,
        draft: bool = False,
    ) -> None:
        """Keep buckets that are no records yet, in the place of the last draft."""
        with self._lock:
            kept = [Waiting(next(self._numbers), bucket, boot, guess_ms) for bucket in buckets]
            self._drafts = kept if draft else []
            if not draft:
                self._waiting += kept

    def keep_draft(self) -> None:
        """Let the last draft wait like the rest."""
        with self._lock:
            self._waiting += self._drafts
            self._drafts = []

    def waiting(self) -> list[Waiting]:
        """Return what waits, oldest first."""
        with self._lock:
            return list(self._waiting)

    def begin_stream(self) -> None:
        """Begin a new stream; its id follows from the one before."""
        with self._lock:
            self._stream = sha256(self._stream.encode()).hexdigest()[:16]
            self._chain, self._totals = genesis(self._dev, self._stream), {}
            self._dated_until_ms, self._records[self._stream] = 0, []

    def streams(self, *, retired: bool = False) -> list[str]:
        """Return the streams with records not yet retired, or with any; the present one last."""
        with self._lock:
            of = self._all if retired else self._kept
            return [stream for stream in self._records if of(stream)]

    def pending(self, limit: int, after: int = 0, stream: str | None = None) -> list[StoredRecord]:
        """Return the oldest records of a stream after a number that are not yet retired."""
        with self._lock:
            kept = (r for r in self._kept(stream or self._stream) if r.seq > after)
            return list(islice(kept, limit))

    def between(
        self, t0_ms: int, t1_ms: int, limit: int, after: int = 0, stream: str | None = None
    ) -> list[StoredRecord]:
        """Return records of one stream that overlap [t0_ms, t1_ms), retired or not."""
        with self._lock:
            later = (r for r in self._all(stream or self._stream) if r.seq > after)
            found = (r for r in later if _overlaps(json.loads(r.body), t0_ms, t1_ms))
            return list(islice(found, limit))

    def retire(self, stream: str, upto: int) -> None:
        """Mark as delivered; ignores unknown streams."""
        with self._lock:
            self._retired |= {(stream, r.seq) for r in self._all(stream) if r.seq <= upto}

    def commit(self, stream: str, upto: int, have: Sequence[tuple[int, int]] = ()) -> None:
        """Make retired exactly what a backend has; ignores unknown streams."""
        with self._lock:
            spans = ((1, upto), *have)
            for record in self._all(stream):
                known = any(first <= record.seq <= last for first, last in spans)
                change = self._retired.add if known else self._retired.discard
                change((stream, record.seq))

    def tip(self) -> Tip:
        """Return how far the present stream goes."""
        with self._lock:
            made = len(self._records[self._stream])
            return Tip(self._stream, made, self._chain, self._dated_until_ms)

    def depth(self) -> int:
        """Count the records not yet retired."""
        with self._lock:
            return sum(map(len, self._records.values())) - len(self._retired)

    def close(self) -> None:
        """Do nothing."""

    def _all(self, stream: str) -> Sequence[StoredRecord]:
        return self._records.get(stream, ())

    def _kept(self, stream: str) -> list[StoredRecord]:
        return [r for r in self._all(stream) if (stream, r.seq) not in self._retired]


def _overlaps(record: dict[str, str], t0_ms: int, t1_ms: int) -> bool:
    start, end = (datetime.fromisoformat(record[name]).timestamp() * 1000 for name in ("t0", "t1"))
    return start < t1_ms and end > t0_ms


class RecordingBroker:
    """A Broker that keeps what it accepts and answers as it is told."""

    def __init__(self, receipts: Iterable[Receipt] = (), failing_connects: int = 0) -> None:
        """Answer publishes with `receipts`, then accept; refuse the first connects."""
        self._receipts = iter(receipts)
        self._failing_connects = failing_connects
        self._connected = False
        self.connects = 0
        self.trouble = "unknown"
        """Why a publish was refused or the connection lost; set it."""
        self.published: list[Message] = []
        """Every message offered and not lost or refused, in order."""
        self.last: list[Message] = []
        """What was given to disconnect."""

    @property
    def connected(self) -> bool:
        """Whether connect succeeded and nothing was lost since."""
        return self._connected

    def connect(self) -> None:
        """Connect, or raise BrokerError as often as it was told to."""
        self.connects += 1
        if self._failing_connects > 0:
            self._failing_connects -= 1
            raise BrokerError("broker.test:8883: connection refused; is a broker listening there?")
        self._connected = True

    def publish(self, message: Message) -> Receipt:
        """Return the next receipt of the script; LOST also ends the connection."""
        if not self._connected:
            return Receipt.LOST
        receipt = next(self._receipts, Receipt.ACCEPTED)
        if receipt is Receipt.ACCEPTED:
            self.published.append(message)
        elif receipt is Receipt.LOST:
            self._connected = False
        return receipt

    def disconnect(self, last: Sequence[Message] = ()) -> None:
        """Leave in order."""
        if self._connected:
            self.last.extend(last)
        self._connected = False

    def drop(self) -> None:
        """End the connection as a network failure does."""
        self._connected = False
