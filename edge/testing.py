"""Fakes that ship with the package, for the tests of this product and of its plug-ins.

They keep the contracts of `ports`; `tests/contract/` runs one suite on the
memory outbox and the one on disk.
"""

import threading
from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np

from edge.errors import BrokerError
from edge.messages import chain_of, genesis, seal
from edge.readings import Subject, Totals, subject_of
from edge.vocabulary import (
    Bucket,
    Detections,
    Frame,
    Message,
    Receipt,
    StoredRecord,
    TimeQuality,
    Tip,
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

    def detect(self, frame: Frame) -> Detections:
        """Return what the script has for this frame."""
        self.seen.append(frame.index)
        if frame.index < len(self._script):
            return self._script[frame.index]
        return Detections(np.empty((0, 4), np.float32), np.empty((0,), np.float32), frame.aspect)


class MemoryOutbox:
    """An Outbox that forgets everything when the process ends."""

    def __init__(self, dev: str, stream: str = "0123456789abcdef") -> None:
        self._dev = dev
        self._stream = stream
        self._lock = threading.Lock()
        self._chain = genesis(dev, stream)
        self._totals: dict[Subject, Totals] = {}
        self._until_ms = 0
        self._records: list[StoredRecord] = []
        self._retired: set[int] = set()

    @property
    def stream(self) -> str:
        """The id given to it."""
        return self._stream

    def append(self, buckets: Sequence[Bucket]) -> None:
        """Seal and keep all buckets, or none when one cannot be sealed."""
        with self._lock:
            chain, totals, records = self._chain, dict(self._totals), list(self._records)
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
            self._chain, self._totals, self._records = chain, totals, records
            self._until_ms = buckets[-1].t1_ms if buckets else self._until_ms

    def pending(self, limit: int, after: int = 0) -> list[StoredRecord]:
        """Return the oldest records after a number that are not yet retired."""
        with self._lock:
            kept = (r for r in self._records[after:] if r.seq not in self._retired)
            return list(islice(kept, limit))

    def retire(self, stream: str, upto: int) -> None:
        """Mark as delivered; ignores other streams."""
        with self._lock:
            if stream == self._stream:
                self._retired.update(range(1, min(upto, len(self._records)) + 1))

    def commit(self, stream: str, upto: int, have: Sequence[tuple[int, int]] = ()) -> None:
        """Make retired exactly what a backend has; ignores other streams."""
        with self._lock:
            if stream == self._stream:
                spans = ((1, upto), *have)
                self._retired = {
                    r.seq for r in self._records if any(a <= r.seq <= b for a, b in spans)
                }

    def tip(self) -> Tip:
        """Return how far the stream goes."""
        with self._lock:
            return Tip(self._stream, len(self._records), self._chain, self._until_ms)

    def depth(self) -> int:
        """Count the records not yet retired."""
        with self._lock:
            return len(self._records) - len(self._retired)

    def close(self) -> None:
        """Do nothing."""


class RecordingBroker:
    """A Broker that keeps what it accepts and answers as it is told."""

    def __init__(self, receipts: Iterable[Receipt] = (), failing_connects: int = 0) -> None:
        """Answer publishes with `receipts`, then accept; refuse the first connects."""
        self._receipts = iter(receipts)
        self._failing_connects = failing_connects
        self._connected = False
        self.connects = 0
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
