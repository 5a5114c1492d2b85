"""What can be read of a damaged outbox file, and where the file goes.

The records are looked for in the bytes of the file and its write-ahead log, not through
SQLite, so no damage elsewhere stands before them: a record is a flat JSON object, followed by
its CRC as SQLite writes an integer (https://sqlite.org/fileformat2.html#record_format, big-
endian in 1, 2, 3, 4 or 6 bytes), followed by the time of its retirement if it has one. What
has its CRC is a record that was once committed; a page that is free by now may hold one that
was let go long ago, which a backend recognises by its key.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from edge.adapters.outbox_schema import crc_of

KEPT_FILES = 2
"""Damaged files kept for a closer look; they hold nothing but counts."""
_OBJECT = re.compile(rb'\{"[^{}]*\}')
_RETIRED_MS = range(1_600_000_000_000, 4_100_000_000_000)
_TAILS = ("-wal", "-shm", "-journal")

Key = tuple[str, int]


@dataclass(slots=True)
class Salvage:
    """The records found in a damaged file, by stream and number."""

    bodies: dict[Key, str] = field(default_factory=dict)
    retired_ms: dict[Key, int] = field(default_factory=dict)

    def missing(self) -> dict[str, list[tuple[int, int]]]:
        """Return the numbers that are missing between the first and last found, by stream."""
        found: dict[str, list[tuple[int, int]]] = {}
        by_stream: dict[str, list[int]] = {}
        for stream, seq in sorted(self.bodies):
            by_stream.setdefault(stream, []).append(seq)
        for stream, numbers in by_stream.items():
            found[stream] = [(a + 1, b - 1) for a, b in pairwise(numbers) if b > a + 1]
        return found

    def sentence(self) -> str:
        """Say what was found and what was not."""
        parts = [f"{len(self.bodies)} records salvaged"]
        for stream, spans in self.missing().items():
            last = max(seq for name, seq in self.bodies if name == stream)
            lost = ", ".join(f"{a}–{b}" if a < b else f"{a}" for a, b in spans) or "none"
            parts.append(f"of stream {stream} up to {last}, missing between: {lost}")
        return "; ".join(parts)


def salvage(path: Path) -> Salvage:
    """Read every record there still is in a file and its log. Raises OSError."""
    found = Salvage()
    for part in (path, path.with_name(path.name + "-wal")):
        if part.exists():
            for key, body, retired_ms in _records(part.read_bytes()):
                found.bodies[key] = body
                if retired_ms is not None:
                    found.retired_ms[key] = retired_ms
    return found


def put_aside(path: Path, utc_s: float) -> Path:
    """Rename a damaged file and its log, and forget the oldest such files. Raises OSError."""
    stamp = datetime.fromtimestamp(utc_s, UTC).strftime("%Y%m%dT%H%M%S")
    number, aside = 1, path.with_name(f"{path.name}.damaged-{stamp}")
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    for tail in _TAILS:
        part = path.with_name(path.name + tail)
        if part.exists():
            part.replace(aside.with_name(aside.name + tail))
    if path.exists():
        path.replace(aside)
    for old in _put_aside_before(path)[:-KEPT_FILES]:
        for tail in ("", *_TAILS):
            old.with_name(old.name + tail).unlink(missing_ok=True)
    return aside


def _put_aside_before(path: Path) -> list[Path]:
    found = path.parent.glob(f"{path.name}.damaged-*")
    names = [each for each in found if not each.name.endswith(_TAILS)]
    return sorted(names, key=lambda each: (each.stat().st_mtime_ns, each.name))


def _records(data: bytes) -> Iterator[tuple[Key, str, int | None]]:
    for match in _OBJECT.finditer(data):
        try:
            body = match[0].decode("utf-8")
            values = json.loads(body)
        except ValueError:
            continue
        key = values.get("stream"), values.get("seq")
        if not isinstance(key[0], str) or type(key[1]) is not int:
            continue
        end = _end_of_crc(data, match.end(), crc_of(key[1], body))
        if end is not None:
            retired_ms = int.from_bytes(data[end : end + 6], "big")
            yield key, body, retired_ms if retired_ms in _RETIRED_MS else None


def _end_of_crc(data: bytes, start: int, crc: int) -> int | None:
    for length in (4, 6, 3, 2, 1):
        if int.from_bytes(data[start : start + length], "big", signed=True) == crc:
            return start + length
    return None
