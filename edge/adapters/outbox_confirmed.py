"""What the outbox is known to hold, in a small file beside it.

To SQLite a log that was damaged or lost ends where its last good commit is, and a file that was
put back from a copy is as good as any: it would go on from an earlier state, and number new
records like ones that were sent already. So whatever was committed is written down once more
after it, and a file that knows less than that is a damaged one. A power cut in between leaves a
file that knows more, which is fine; a note that is torn is none.
"""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import structlog

from edge.adapters.outbox_schema import Database, Head, crc_of
from edge.adapters.outbox_waiting import ids_of
from edge.sealing import canonical

Span = tuple[int, int]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The last commit that is known.

    Where the stream stood, the ids that waited, and the last numbers of earlier streams.
    """

    dev: str
    stream: str
    seq: int
    chain: str
    mark: int
    waiting: tuple[Span, ...] = ()
    earlier: tuple[tuple[str, int], ...] = ()

    def waits(self, number: int) -> bool:
        """Whether an interval with this id waited then."""
        return any(first <= number <= last for first, last in self.waiting)


def confirmed(db: Database, head: Head) -> Confirmed:
    """Return what is known of a file with this head."""
    earlier = db.execute("SELECT stream, max(seq) FROM earlier GROUP BY stream").fetchall()
    return Confirmed(
        head.dev, head.stream, head.seq, head.chain, head.mark,
        tuple(spans_of(ids_of(db))), tuple((stream, seq) for stream, seq in earlier),
    )  # fmt: skip


def spans_of(numbers: Iterable[int]) -> list[Span]:
    """Return ascending numbers as ranges, both ends included."""
    found: list[Span] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def note_of(outbox: Path) -> Path:
    """Return where the note of an outbox file stands."""
    return outbox.with_name(outbox.name + ".confirmed")


def write_note(outbox: Path, what: Confirmed) -> None:
    """Put the note on the disk, in place. That it cannot be written is only logged."""
    text = canonical(asdict(what))
    line = f"{crc_of(text):08x} {text}\n".encode()
    try:
        descriptor = os.open(note_of(outbox), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            os.pwrite(descriptor, line, 0)
            os.ftruncate(descriptor, len(line))
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        _log.warning("outbox.not_noted", reason=str(error))


def read_note(outbox: Path, dev: str) -> Confirmed | None:
    """Return the note; None when there is none, none that is whole, or one of another device."""
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        # A cut between write and truncation leaves the end of a longer line behind the whole one.
        line, _, _ = note_of(outbox).read_text("utf-8").partition("\n")
        crc, _, text = line.partition(" ")
        if int(crc, 16) == crc_of(text):
            fields = json.loads(text)
            pairs = {name: _pairs(fields[name]) for name in ("waiting", "earlier")}
            found = Confirmed(**{**fields, **pairs})
            return found if found.dev == dev else None
    return None


def _pairs(values: Iterable[Iterable[Any]]) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(pair) for pair in values)
