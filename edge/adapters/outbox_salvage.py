"""What can be read of a damaged outbox file.

Records and waiting intervals are looked for in the bytes of the file and its write-ahead log,
not through SQLite, so no damage elsewhere stands before them: each is a JSON text, followed by
its CRC as SQLite writes an integer (https://sqlite.org/fileformat2.html#record_format). What
has its CRC was once written. The log also holds what is outdated, and rests of commits that a
power cut broke off; `Confirmed` and the chain tell them apart from what holds.

A record counts as delivered when every copy of it says so. Where an older page in the log says
otherwise it is sent once more, which costs nothing: a backend knows it by its key.
"""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from edge.adapters import outbox_waiting
from edge.adapters.outbox_confirmed import Confirmed
from edge.adapters.outbox_schema import crc_of
from edge.adapters.outbox_settled import unsettled
from edge.errors import MessageError
from edge.sealing import chain_of, link

NAMED_SPANS = 20
"""No more are named of a stream; a sentence is for people."""
_OBJECT = re.compile(rb'\{"[^{}]{1,4000}\}')
_LONGEST_WAITING = 4096
_BLOCK = 4096
_RETIRED_MS = range(1_600_000_000_000, 4_100_000_000_000)
_SIX_BYTES = 5  # SQLite's type of an integer as large as a time in ms

Key = tuple[str, int]


@dataclass(slots=True)
class Salvage:
    """What was found: texts of records by stream and number, those of waiting intervals by id."""

    last: Confirmed | None
    bodies: dict[Key, str] = field(default_factory=dict)
    retired_ms: dict[Key, int] = field(default_factory=dict)
    waiting: dict[int, str] = field(default_factory=dict)
    settled: int = 0
    """How many waiting intervals were found that are among the records already."""

    def without_delivered(self) -> "Salvage":
        """Return what cannot be done without: all that waits, to be delivered or for its date."""
        kept = {key: body for key, body in self.bodies.items() if key not in self.retired_ms}
        return Salvage(self.last, kept, {}, self.waiting, self.settled)

    def missing(self) -> dict[str, list[tuple[int, int]]]:
        """Return the numbers that are missing from the first found to the last known, by stream."""
        known = dict(self.last.earlier) if self.last else {}
        if self.last is not None and self.last.seq:
            known[self.last.stream] = self.last.seq
        by_stream: dict[str, list[int]] = {}
        for stream, seq in sorted(self.bodies):
            by_stream.setdefault(stream, []).append(seq)
        for stream, last in known.items():
            numbers = by_stream.setdefault(stream, [0])
            numbers.append(max(numbers[-1], last) + 1)
        return {
            stream: [(a + 1, b - 1) for a, b in pairwise(numbers) if b > a + 1]
            for stream, numbers in by_stream.items()
        }

    def sentence(self) -> str:
        """Say what was found and what was not."""
        parts = [f"{len(self.bodies)} records salvaged"]
        for stream, spans in self.missing().items():
            numbers = [seq for name, seq in self.bodies if name == stream]
            found = f"{min(numbers)}–{max(numbers)}" if numbers else "none"
            lost = [f"{a}–{b}" if a < b else f"{a}" for a, b in spans]
            if len(lost) > NAMED_SPANS:
                lost = [*lost[: NAMED_SPANS - 1], f"{spans[NAMED_SPANS - 1][0]}–{spans[-1][1]}"]
            parts.append(f"of stream {stream} {found}, missing: {', '.join(lost) or 'none'}")
        waited = len(self.waiting)
        if self.last is not None:
            waited = sum(b - a + 1 for a, b in self.last.waiting) - self.settled
        if waited:
            parts.append(f"{len(self.waiting)} of {waited} waiting intervals")
        return "; ".join(parts)


def salvage(
    path: Path, dev: str, last: Confirmed | None = None, *, is_last: bool = False
) -> Salvage:
    """Read what there still is in a file and its log. Raises OSError when they cannot be opened.

    last: what is known to have been committed; without it everything found is taken.
    is_last: whether that was the last commit for sure; what failed after it is for the caller.
    """
    found = Salvage(last)
    texts: dict[Key, dict[str, None]] = {}
    pending: set[Key] = set()
    waiting: dict[int, tuple[int, str]] = {}
    for part in (path, path.with_name(path.name + "-wal")):
        data = _bytes_of(part)
        for key, body, retired_ms in _records(data, dev):
            texts.setdefault(key, {})[body] = None
            if retired_ms is None:
                pending.add(key)
            else:
                found.retired_ms[key] = retired_ms
        for number, mark, text in _waiting(data):
            known = last is None or (last.waits(number) and mark <= last.mark)
            if known and mark >= waiting.get(number, (0, ""))[0]:
                waiting[number] = mark, text
    found.bodies = _chosen(texts, last)
    if last is not None and not is_last:
        found.bodies |= _later(texts, last)
    for key in pending | (found.retired_ms.keys() - found.bodies.keys()):
        found.retired_ms.pop(key, None)
    found.waiting = unsettled({n: text for n, (_, text) in waiting.items()}, found.bodies.values())
    found.settled = len(waiting) - len(found.waiting)
    return found


def _bytes_of(path: Path) -> bytes:
    """Read a file with zeros in the place of what cannot be read."""
    if not path.exists():
        return b""
    parts = []
    with path.open("rb") as file:
        for start in range(0, os.fstat(file.fileno()).st_size, _BLOCK):
            try:
                parts.append(os.pread(file.fileno(), _BLOCK, start))
            except OSError:
                parts.append(bytes(_BLOCK))
    return b"".join(parts)


def _records(data: bytes, dev: str) -> Iterator[tuple[Key, str, int | None]]:
    for match in _OBJECT.finditer(data):
        try:
            body = match[0].decode("utf-8")
            values = json.loads(body)
        except (ValueError, RecursionError):
            continue
        key = values.get("stream"), values.get("seq")
        if values.get("dev") != dev or not isinstance(key[0], str) or type(key[1]) is not int:
            continue
        end = _end_of_crc(data, match.end(), crc_of(key[1], body))
        if end is not None:
            yield key, body, _retired_ms(data, match.start(), end, key)


def _retired_ms(data: bytes, start: int, end: int, key: Key) -> int | None:
    """Return when a record was delivered.

    The type of that value is the last byte of the row's header, which stands before the body, or,
    in the table of earlier streams, before their key.
    """
    written = key[0].encode() + _integer(key[1])
    if data.endswith(written, 0, start):
        start -= len(written)
    value = int.from_bytes(data[end : end + 6], "big")
    is_time = start > 0 and data[start - 1] == _SIX_BYTES and value in _RETIRED_MS
    return value if is_time else None


def _waiting(data: bytes) -> Iterator[tuple[int, int, str]]:
    decoder, start = json.JSONDecoder(), data.find(outbox_waiting.BEGINS)
    while start >= 0:
        try:
            text = data[start : start + _LONGEST_WAITING].decode("utf-8", "replace")
            text = text[: decoder.raw_decode(text)[1]]
            waiting, mark = outbox_waiting.read(text)
            if _end_of_crc(data, start + len(text.encode()), crc_of(text)) is not None:
                yield waiting.id, mark, text
        except (ValueError, RecursionError, MessageError):
            pass
        start = data.find(outbox_waiting.BEGINS, start + 1)


def _end_of_crc(data: bytes, start: int, crc: int) -> int | None:
    written = _integer(crc)
    return start + len(written) if data.startswith(written, start) else None


def _integer(value: int) -> bytes:
    """Write an integer as SQLite does; 0 and 1 are in the row's header."""
    if value in {0, 1}:
        return b""
    length = next(length for length in (1, 2, 3, 4, 6, 8) if value < 1 << 8 * length - 1)
    return value.to_bytes(length, "big")


def _chosen(texts: dict[Key, dict[str, None]], last: Confirmed | None) -> dict[Key, str]:
    """Choose one text for each key: of several, and after the last known, the chain decides."""
    chosen: dict[Key, str] = {}
    for stream, seq in sorted(texts, reverse=True):
        bodies = list(texts[stream, seq])
        if last is not None and stream == last.stream and seq > last.seq:
            continue
        if len(bodies) > 1:
            follower = chosen.get((stream, seq + 1))
            if last is not None and (stream, seq) == (last.stream, last.seq):
                bodies.sort(key=lambda body: chain_of(body) != last.chain)
            elif follower is not None:
                raw = json.loads(follower)
                bodies.sort(key=lambda body: link(chain_of(body), raw) != raw["chain"])
        chosen[stream, seq] = bodies[0]
    return chosen


def _later(texts: dict[Key, dict[str, None]], last: Confirmed) -> dict[Key, str]:
    """Return what follows the last known record without a break: it was committed just after."""
    found: dict[Key, str] = {}
    key, chain = (last.stream, last.seq + 1), last.chain
    while key in texts:
        fitting = [t for t in texts[key] if link(chain, json.loads(t)) == chain_of(t)]
        if not fitting:
            break
        found[key] = fitting[0]
        key, chain = (key[0], key[1] + 1), chain_of(fitting[0])
    return found
