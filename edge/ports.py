"""What the core needs of the world, as protocols. Adapters implement them."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from edge.regions import Interest
from edge.vocabulary import (
    Bucket,
    Detections,
    Frame,
    Message,
    NoFrame,
    Receipt,
    StoredRecord,
    TimeQuality,
    Tip,
    Waiting,
)


class FrameSource(Protocol):
    """A camera or clip."""

    def frames(self) -> Iterator[Frame | NoFrame]:
        """Yield pictures, and a NoFrame at least once a second while there are none.

        `at` is strictly increasing. A clip ends; a camera does not.
        Raises CameraError when a clip cannot be read.
        """
        ...

    def close(self) -> None:
        """Release the device; idempotent, callable from another thread."""
        ...


class Detector(Protocol):
    """Finds people in one picture."""

    def detect(self, frame: Frame) -> Detections:
        """Return every person at or above the detector's own score floor."""
        ...

    def attend(self, interest: Interest) -> None:
        """Say what of the pictures has to be looked at from now on; at first it is everything."""
        ...

    def forget(self) -> None:
        """Keep nothing of the pictures so far: there are none now. Cheap, and idempotent."""
        ...


class Outbox(Protocol):
    """Durable queue of sealed records, safe to use from two threads."""

    @property
    def stream(self) -> str:
        """Random id of this outbox, 16 hex digits; (dev, stream, seq) is the idempotency key."""
        ...

    @property
    def dated_until_ms(self) -> int:
        """The latest end of an interval in this stream; 0 while there is none."""
        ...

    @property
    def trouble(self) -> str | None:
        """What went wrong with the store since it was opened, in words; None when nothing did."""
        ...

    def append(self, buckets: Sequence[Bucket], settled: Sequence[int] = ()) -> None:
        """Seal and store all buckets and the new totals in one transaction.

        What waited under the ids in `settled`, and every draft, is gone with it.
        Raises OutboxError; then nothing was stored.
        """
        ...

    def wait(
        self,
        buckets: Sequence[Bucket],
        *,
        boot: str | None = None,
        guess_ms: int = 0,
        draft: bool = False,
    ) -> None:
        """Store buckets that are no records yet; see `Waiting`. Replaces the last draft.

        draft: of intervals still open; kept only if nothing newer comes before the next start.
        Raises OutboxError; then nothing was stored.
        """
        ...

    def keep_draft(self) -> None:
        """Let the last draft wait like the rest: its intervals will not be closed any more.

        Raises OutboxError; then it is a draft still.
        """
        ...

    def waiting(self) -> list[Waiting]:
        """Return what waits, oldest first, without the draft of this run."""
        ...

    def begin_stream(self) -> None:
        """Begin a new stream with a new id, numbers and totals; earlier records stay pending."""
        ...

    def streams(self, *, retired: bool = False) -> list[str]:
        """Return the streams with records not yet retired, or with any; the present one last."""
        ...

    def pending(self, limit: int, after: int = 0, stream: str | None = None) -> list[StoredRecord]:
        """Return the oldest records with seq > after not yet retired, in order, of one stream.

        stream: None means the present one.
        """
        ...

    def between(
        self, t0_ms: int, t1_ms: int, limit: int, after: int = 0, stream: str | None = None
    ) -> list[StoredRecord]:
        """Return records of one stream that overlap [t0_ms, t1_ms), retired or not.

        In order, from seq > after on. stream: None means the present one.
        """
        ...

    def retire(self, stream: str, upto: int) -> None:
        """Mark all records of the stream with seq ≤ upto as delivered. Ignores unknown streams."""
        ...

    def commit(self, stream: str, upto: int, have: Sequence[tuple[int, int]] = ()) -> None:
        """Make retired exactly what a backend has: seq ≤ upto and the spans in `have`.

        What was retired on less evidence is pending again, as far as it is still kept.
        """
        ...

    def tip(self) -> Tip:
        """Return how far the present stream goes, retired or not. Raises OutboxError."""
        ...

    def depth(self) -> int:
        """Count the records not yet retired, of all streams."""
        ...

    def close(self) -> None:
        """Flush and close; idempotent."""
        ...


class Broker(Protocol):
    """One MQTT connection at a time."""

    @property
    def connected(self) -> bool:
        """Whether the present connection is up."""
        ...

    @property
    def trouble(self) -> str:
        """Why the last publish was refused or the last connection ended, in words."""
        ...

    def connect(self) -> None:
        """Connect, set the will, publish the birth messages.

        Raises BrokerError with a sentence naming host, port and reason.
        """
        ...

    def publish(self, message: Message) -> Receipt:
        """Publish and wait for the acknowledgement of QoS 1, a bounded time."""
        ...

    def disconnect(self, last: Sequence[Message] = ()) -> None:
        """Publish the last messages and leave in order, so that no will is sent."""
        ...


class Signer(Protocol):
    """The device's own key, which never leaves it."""

    @property
    def public_key(self) -> str:
        """The raw Ed25519 public key, 64 hex digits."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Return the Ed25519 signature of the data, 64 bytes."""
        ...


class Clock(Protocol):
    """The wall and the monotonic clock, so that time can be passed in."""

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps."""
        ...

    def utc(self) -> float:
        """Seconds since 1970 UTC, as far as the device knows."""
        ...

    def quality(self) -> TimeQuality:
        """How far `utc` can be trusted now."""
        ...
