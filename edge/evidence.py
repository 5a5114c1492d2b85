"""What a verification finds: the words between reading an export, judging it and telling it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Any

from edge.readings import Subject

Key = tuple[str, str]
"""A device and one of its streams."""
MOST_FINDINGS = 1000
"""Of one stream no more are kept; they are counted."""


class Fault(StrEnum):
    """What can be wrong with a record, with a head, or between them."""

    UNREADABLE = "unreadable"
    CHANGED = "changed"
    CHAIN_CHANGED = "chain_changed"
    DOES_NOT_FOLLOW = "does_not_follow"
    """The record before is taken on trust, so either of the two may be the changed one."""
    RENUMBERED = "renumbered"
    TWICE = "twice"
    OUT_OF_PLACE = "out_of_place"
    MISSING = "missing"
    MISSING_BEFORE = "missing_before"
    MISSING_AFTER = "missing_after"
    TOTALS = "totals"
    OVERLAP = "overlap"
    OUTSIDE = "outside"
    HEAD_INVALID = "head_invalid"
    HEAD_KEY = "head_key"
    HEAD_CHAIN = "head_chain"
    NOT_SIGNED = "not_signed"


OF_HEADS = frozenset({Fault.HEAD_INVALID, Fault.HEAD_KEY, Fault.HEAD_CHAIN})


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: the file as it was named, and the line from 1 on."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault. seq: the record's true number; None where only the stream is known.

    details: what its sentence needs. place: None for what is not there.
    """

    dev: str
    stream: str
    seq: int | None
    fault: Fault
    details: Mapping[str, Any] = field(default_factory=dict)
    place: Place | None = None

    @property
    def order(self) -> tuple[str, str, float, bool]:
        """Sort key: by device, stream and number, records before heads."""
        number = inf if self.seq is None else self.seq
        return self.dev, self.stream, number, self.fault in OF_HEADS


class Findings:
    """The faults of one stream; of one record, and of the heads at one number, the first."""

    def __init__(self, key: Key) -> None:
        self._dev, self._stream = key
        self._found: dict[tuple[int | None, bool], Finding] = {}
        self.count = 0

    def add(
        self, seq: int | None, fault: Fault, place: Place | None = None, **details: object
    ) -> None:
        """Note a fault, unless the same record is known to be at fault."""
        key = (seq, fault in OF_HEADS)
        if key in self._found and seq is not None:
            return
        self.count += 1
        if len(self._found) < MOST_FINDINGS:
            self._found[key] = Finding(self._dev, self._stream, seq, fault, details, place)

    def has(self, seq: int) -> bool:
        """Whether a record is known to be at fault."""
        return (seq, False) in self._found

    def sorted(self) -> list[Finding]:
        """Return them by number."""
        return sorted(self._found.values(), key=lambda finding: finding.order)


@dataclass(slots=True)
class Sums:
    """What the records of one month say of a line or zone.

    first, second: of a line in and out, of a zone presence in ms and arrivals.
    unseen: intervals in which nobody was looking; they are in no sum.
    """

    records: int = 0
    unseen: int = 0
    first: int = 0
    second: int = 0


@dataclass(slots=True)
class Lost:
    """What the running totals say was in missing records: in and out, or None: unknown."""

    sums: tuple[int, int] | None = (0, 0)


@dataclass(slots=True)
class StreamReport:
    """One stream of one device in one month.

    records: that begin in the month; `others` are around them, verified and in no sum.
    t0_ms, t1_ms: the first begin and the last end of the month's records.
    trusted: the first record, where nothing vouches for it. key: whose heads are good.
    signed: the last number under a good head. unsigned: records after it.
    """

    dev: str
    stream: str
    records: int = 0
    others: int = 0
    first: int | None = None
    last: int | None = None
    t0_ms: int | None = None
    t1_ms: int | None = None
    sums: dict[Subject, Sums] = field(default_factory=dict)
    trusted: int | None = None
    key: str | None = None
    signed: int | None = None
    signed_at: str | None = None
    unsigned: int = 0
    undated: int = 0
    """Records between those of the month that bear no date to rely on; in no sum."""
    findings: list[Finding] = field(default_factory=list)
    faults: int = 0

    @property
    def intact(self) -> bool:
        """Whether nothing was found."""
        return self.faults == 0


@dataclass(frozen=True, slots=True)
class Report:
    """A month in some files. streams: by device and stream."""

    month: str
    streams: tuple[StreamReport, ...]

    @property
    def intact(self) -> bool:
        """Whether nothing was found in any stream."""
        return all(stream.intact for stream in self.streams)

    @property
    def first(self) -> Finding | None:
        """The first fault by device, stream and number."""
        found = [stream.findings[0] for stream in self.streams if stream.findings]
        return min(found, key=lambda finding: finding.order, default=None)
