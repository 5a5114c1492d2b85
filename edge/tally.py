"""A manual tally as a file: CSV with the header `time,line,direction`.

time,line,direction
2026-03-02T09:13:40+08:00,door,begin
2026-03-02T09:15:04+08:00,door,in
2026-03-02T09:31:00+08:00,door,end

`begin` and `end` say when the line was watched. Without them it was watched from the
first to the last crossing of the file.
"""

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from difflib import get_close_matches
from io import StringIO
from pathlib import Path

from edge.audit import Mark, Watch
from edge.errors import BadInputError
from edge.tally_times import EXAMPLE, is_local, utc_ms
from edge.vocabulary import Outcome

HEADER = ("time", "line", "direction")
BEGIN, END = "begin", "end"
_HEADER_WORDS = {"时间": "time", "计数线": "line", "方向": "direction"}
_WORDS = {"进": "in", "出": "out", "开始": BEGIN, "结束": END}
_SEPARATORS = ",;\t"
_MOST_PROBLEMS = 10


@dataclass(frozen=True, slots=True)
class Tally:
    """A tally that was made: its marks in order, when which line was watched, its file's hash.

    local: some times had no offset and were read on the clock of the device's time zone.
    """

    path: Path
    marks: list[Mark]
    watches: list[Watch]
    digest: str
    local: bool = False


@dataclass(frozen=True, slots=True)
class _Entry:
    number: int
    at_ms: int
    line: str
    word: str


def digest(content: bytes) -> str:
    """Return 12 hex digits of the content of a file."""
    return hashlib.sha256(content).hexdigest()[:12]


def parse_tally(
    path: Path, content: bytes, lines: Sequence[str], local: tzinfo | None = None
) -> Tally:
    """Read a tally of these lines; `path` is for the messages only.

    Raises BadInputError with one line per problem, each with its place.
    """
    rows = _rows(path, content)
    if not rows or tuple(_header_words(rows[0][1])[:3]) != HEADER:
        raise BadInputError(
            f"{path}:1: the first line must be the header {','.join(HEADER)};"
            f" a crossing is then e.g. {EXAMPLE},{lines[0]},in"
        )
    columns = len(rows[0][1])
    entries: list[_Entry] = []
    problems: list[str] = []
    for number, row in rows[1:]:
        try:
            entries.append(_entry(number, row, columns, lines, local))
        except ValueError as problem:
            problems.append(f"{path}:{number}: {problem}")
    entries.sort(key=lambda entry: entry.at_ms)
    watches, more = _watches(path, entries)
    _raise(path, problems + more)
    if not entries:
        raise BadInputError(
            f"{path}:2: the tally is empty, so nothing can be compared;"
            f" add a line per crossing, e.g. {EXAMPLE},{lines[0]},in"
        )
    return Tally(
        path,
        [Mark(e.at_ms, e.line, Outcome(e.word)) for e in entries if e.word not in (BEGIN, END)],
        watches,
        digest(content),
        local=any(is_local(row[0]) for _, row in rows[1:]),
    )


def _raise(path: Path, problems: Sequence[str]) -> None:
    if problems:
        more = len(problems) - _MOST_PROBLEMS
        rest = [f"{path}: and {more} more lines like these"] if more > 0 else []
        raise BadInputError("\n".join([*problems[:_MOST_PROBLEMS], *rest]))


def _rows(path: Path, content: bytes) -> list[tuple[int, list[str]]]:
    """Return the rows that are not blank, without blanks at their ends, with line numbers."""
    text = _text(path, content)
    head = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(_SEPARATORS, key=head.count)
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator)
    rows = []
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            while cells and not cells[-1]:
                del cells[-1]
            if cells:
                rows.append((reader.line_num, cells))
    except csv.Error as error:
        raise BadInputError(
            f"{path}:{reader.line_num}: this is not CSV ({error}); a line is e.g. {EXAMPLE},door,in"
        ) from None
    return rows


def _text(path: Path, content: bytes) -> str:
    """Decode what spreadsheets in China save: UTF-8, UTF-16 ("Unicode text") or GB 18030."""
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise BadInputError(
        f"{path}:1: this is not text of a known kind;"
        ' save the table as "CSV UTF-8", or as text in an editor'
    )


def _header_words(row: Sequence[str]) -> list[str]:
    return [_HEADER_WORDS.get(cell, cell.lower()) for cell in row]


def _entry(
    number: int, row: Sequence[str], columns: int, lines: Sequence[str], local: tzinfo | None
) -> _Entry:
    if not len(HEADER) <= len(row) <= columns:
        raise ValueError(
            f"has {len(row)} columns instead of {columns};"
            f" e.g. {EXAMPLE},{lines[0]},in, separated as in the header"
        )
    time, line, word = row[:3]
    try:
        at_ms = utc_ms(time, local, to_the_second=True)
    except ValueError as problem:
        raise ValueError(f"time: {problem}") from None
    check_line(line, lines)
    meaning = _WORDS.get(word, word.lower())
    if meaning not in {"in", "out", BEGIN, END}:
        raise ValueError(
            f"direction: must be 'in' or 'out' (进, 出), not {word!r}; e.g. in;"
            " 'begin' and 'end' say when the line was watched"
        )
    return _Entry(number, at_ms, line, meaning)


def check_line(line: str, lines: Sequence[str]) -> None:
    """Raise ValueError with the nearest id when the config has no such line."""
    if line not in lines:
        close = get_close_matches(line, lines, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(lines)}"
        raise ValueError(f"line: {line!r} is not a line of the config; {hint}")


def _watches(path: Path, entries: Sequence[_Entry]) -> tuple[list[Watch], list[str]]:
    """Return when each line was watched, and what is wrong with what was said of it."""
    found: list[Watch] = []
    problems: list[str] = []
    for line in dict.fromkeys(entry.line for entry in entries):
        own = [entry for entry in entries if entry.line == line]
        if any(entry.word in (BEGIN, END) for entry in own):
            _follow(path, own, found, problems)
        else:
            found.append(Watch(line, entries[0].at_ms, entries[-1].at_ms))
    return found, problems


def _follow(path: Path, own: Sequence[_Entry], found: list[Watch], problems: list[str]) -> None:
    """Add the watches of one line. One that was cut off lasts until its last crossing."""
    began: _Entry | None = None
    last = own[0]
    for entry in own:
        if entry.word != BEGIN and began is None:
            what = "end" if entry.word == END else "crossing"
            problems.append(
                f"{path}:{entry.number}: this {what} of {entry.line} is outside begin and end;"
                f" say when the watching began, e.g. {EXAMPLE},{entry.line},{BEGIN}"
            )
            continue
        if began is not None and entry.word in (BEGIN, END):
            until = entry if entry.word == END else last
            found.append(Watch(entry.line, began.at_ms, until.at_ms))
            began = None
        if entry.word == BEGIN:
            began = entry
        last = entry
    if began is not None:
        found.append(Watch(began.line, began.at_ms, last.at_ms))
