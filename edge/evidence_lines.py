"""The lines of an export: records, signed heads, and what cannot be read as either."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from sys import intern
from typing import Any, NoReturn

from edge.errors import MessageError
from edge.evidence import Key, Place
from edge.heads import hash_of
from edge.records import Record, parse_record

_DEV = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_STREAM = re.compile(r"[0-9a-f]{16}")
# In a line that is no JSON any more the names may still be whole.
_KEY_IN_TEXT = {
    "dev": re.compile(rb'"dev": ?"([a-z0-9-]{1,63})"'),
    "stream": re.compile(rb'"stream": ?"([0-9a-f]{16})"'),
    "seq": re.compile(rb'"seq": ?([0-9]{1,18})[,}]'),
}
_HEAD_IN_TEXT = re.compile(rb'"(sig|first_hash|day)"')


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file, not empty."""

    place: Place
    text: bytes


@dataclass(frozen=True, slots=True)
class Read:
    """A record that could be read. hash: SHA-256 of its canonical JSON, which is all it says."""

    place: Place
    record: Record
    hash: str

    @property
    def seq(self) -> int:
        """Its number."""
        return self.record.seq


@dataclass(frozen=True, slots=True)
class Unread:
    """A line that is no record, and why. seq: the number it claims, if it does."""

    place: Place
    seq: int | None
    why: str


@dataclass(frozen=True, slots=True)
class HeadLine:
    """A line that is meant as a head. raw is None when it cannot be read, and `why` says why."""

    place: Place
    seq: int | None
    raw: dict[str, Any] | None
    why: str = ""


@dataclass(slots=True)
class Lines:
    """The lines of one stream. items: in the order of the files."""

    items: list[Read | Unread] = field(default_factory=list)
    heads: list[HeadLine] = field(default_factory=list)


@dataclass(slots=True)
class Run:
    """Lines of one file that follow each other and are of one stream.

    number: of the first line, from 1 on; offset: where it begins, in bytes.
    """

    key: Key
    number: int
    offset: int
    count: int


def runs_of(texts: Iterable[bytes]) -> Iterator[Run]:
    """Yield which lines of a file are of which stream, whole lines in and runs out.

    A line that names no stream is of that of the line before it, or of the one behind it
    where its number leads up to that.
    """
    run: Run | None = None
    nameless: list[tuple[int, int, int | None]] = []
    offset = 0
    for number, text in enumerate(texts, start=1):
        key, seq = _named(text)
        if key is None:
            nameless.append((number, offset, seq))
        elif run is not None and run.key == key:
            run.count += 1 + len(nameless)
            nameless = []
        else:
            first, begin = number, offset
            if nameless and (run is None or _leads_to(seq, nameless[-1][2])):
                first, begin, _ = nameless[0]
            if run is not None:
                run.count += len(nameless) if first == number else 0
                yield run
            run = Run(key, first, begin, number - first + 1)
            nameless = []
        offset += len(text)
    if run is not None:
        run.count += len(nameless)
        yield run


def _leads_to(seq: int | None, before: int | None) -> bool:
    return seq is not None and before is not None and seq == before + 1


def _named(text: bytes) -> tuple[Key | None, int | None]:
    """Return the device and stream, and the number, that a line names, as far as it does."""
    raw = _lenient(text)
    dev, stream = raw.get("dev"), raw.get("stream")
    if not isinstance(dev, str) or not isinstance(stream, str):
        return None, _number(raw)
    known = _DEV.fullmatch(dev) and _STREAM.fullmatch(stream)
    return (dev, stream) if known else None, _number(raw)


def read_lines(lines: Iterable[Line], key: Key) -> Lines:
    """Read the lines that were found to be of one stream."""
    read = Lines()
    for line in lines:
        try:
            raw = _strict(line.text)
        except MessageError as error:
            _add_unread(read, line, str(error))
            continue
        if _is_head(raw):
            read.heads.append(HeadLine(line.place, _number(raw), raw))
            continue
        try:
            read.items.append(_read(line.place, raw, key))
        except MessageError as error:
            why = str(error).removeprefix("record 0 of the batch ")
            read.items.append(Unread(line.place, _number(raw), why))
    return read


def _read(place: Place, raw: dict[str, Any], key: Key) -> Read:
    dev, stream = key
    record = parse_record({"dev": dev, "stream": stream}, 0, raw)
    try:
        return Read(place, record, hash_of(raw))
    except (ValueError, RecursionError):
        raise MessageError("has a number that is none, or is nested too deep") from None


def _add_unread(read: Lines, line: Line, why: str) -> None:
    seq = _number(_lenient(line.text))
    if _HEAD_IN_TEXT.search(line.text):
        read.heads.append(HeadLine(line.place, seq, None, why))
    else:
        read.items.append(Unread(line.place, seq, why))


def _is_head(raw: dict[str, Any]) -> bool:
    return "sig" in raw or ("day" in raw and "t0" not in raw)


def _number(raw: dict[str, Any]) -> int | None:
    seq = raw.get("seq")
    return seq if isinstance(seq, int) and not isinstance(seq, bool) and seq >= 0 else None


def _lenient(text: bytes) -> dict[str, Any]:
    """Return what a line says about where it belongs, even when it is damaged."""
    try:
        raw = json.loads(text)
        return raw if isinstance(raw, dict) else {}
    except (ValueError, RecursionError):
        found = {name: pattern.search(text) for name, pattern in _KEY_IN_TEXT.items()}
    raw = {name: match[1].decode("ascii") for name, match in found.items() if match}
    return {**raw, "seq": int(raw["seq"])} if "seq" in raw else raw


def _strict(text: bytes) -> dict[str, Any]:
    """Return a JSON object in which every name stands once: readers differ in what they take."""
    try:
        raw = json.loads(
            text.decode("utf-8-sig"), parse_constant=_refuse, object_pairs_hook=_each_once
        )
    except (ValueError, RecursionError) as error:
        raise MessageError(f"is not JSON in UTF-8 ({error})") from None
    if not isinstance(raw, dict):
        raise MessageError("is not a JSON object")
    return raw


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Of a hundred thousand records the names are kept once.
    fields = {intern(name): value for name, value in pairs}
    if len(fields) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return fields
