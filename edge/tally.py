"""A manual tally as a file: CSV with the header `time,line,direction`.

time,line,direction
2026-03-02T09:15:04+08:00,door,in
"""

import csv
import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from errno import ENOSPC
from io import StringIO
from pathlib import Path
from types import TracebackType
from typing import Self

from edge.audit import Mark
from edge.errors import BadInputError
from edge.messages import iso_utc
from edge.vocabulary import Outcome

HEADER = ("time", "line", "direction")
TIME_EXAMPLE = "2026-03-02T09:15:04+08:00"
_MOST_PROBLEMS = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = datetime(2000, 1, 2, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def utc_ms(text: str) -> int:
    """Read ISO 8601 with Z or an offset as UTC milliseconds.

    Raises ValueError saying what is wrong and what works.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is not a date and time; e.g. {TIME_EXAMPLE}") from None
    if moment.tzinfo is None:
        raise ValueError(
            f"{text!r} has no time zone; add the offset or Z, e.g. {TIME_EXAMPLE}"
            " or 2026-03-02T01:15:04Z"
        )
    if not _EARLIEST < moment < _LATEST:
        raise ValueError(f"{text!r} is not in this century; e.g. {TIME_EXAMPLE}")
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def parse_tally(path: Path, content: bytes, lines: Sequence[str]) -> list[Mark]:
    """Read a tally of these lines, in the order of time; `path` is for the messages only.

    Raises BadInputError with one line per problem, each with its place.
    """
    rows = _rows(path, content)
    if not rows or [cell.strip().lower() for cell in rows[0][1]] != list(HEADER):
        raise BadInputError(
            f"{path}:1: the first line must be the header {','.join(HEADER)};"
            f" a crossing is then e.g. {TIME_EXAMPLE},{lines[0]},in"
        )
    marks: list[Mark] = []
    problems: list[str] = []
    for number, row in rows[1:]:
        try:
            marks.append(_mark(row, lines))
        except ValueError as problem:
            problems.append(f"{path}:{number}: {problem}")
    if problems:
        more = len(problems) - _MOST_PROBLEMS
        rest = [f"{path}: and {more} more lines like these"] if more > 0 else []
        raise BadInputError("\n".join(problems[:_MOST_PROBLEMS] + rest))
    if not marks:
        raise BadInputError(
            f"{path}:2: the tally is empty, so nothing can be compared;"
            f" add a line per crossing, e.g. {TIME_EXAMPLE},{lines[0]},in"
        )
    return sorted(marks, key=lambda mark: mark.at_ms)


def _rows(path: Path, content: bytes) -> list[tuple[int, list[str]]]:
    """Return the rows that are not blank, with their line numbers."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise BadInputError(
            f"{path}:{number}: this is not UTF-8 text;"
            ' save the table as "CSV UTF-8", or as text in an editor'
        ) from None
    reader = csv.reader(StringIO(text, newline=""))
    try:
        return [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise BadInputError(
            f"{path}:{reader.line_num}: this is not CSV ({error});"
            f" a line is e.g. {TIME_EXAMPLE},door,in"
        ) from None


def _mark(row: Sequence[str], lines: Sequence[str]) -> Mark:
    if len(row) != len(HEADER):
        raise ValueError(
            f"has {len(row)} columns instead of {len(HEADER)};"
            f" e.g. {TIME_EXAMPLE},{lines[0]},in, separated by commas"
        )
    time, line, direction = (cell.strip() for cell in row)
    try:
        at_ms = utc_ms(time)
    except ValueError as problem:
        raise ValueError(f"time: {problem}") from None
    check_line(line, lines)
    if direction.lower() not in {"in", "out"}:
        raise ValueError(f"direction: must be 'in' or 'out', not {direction!r}; e.g. in")
    return Mark(at_ms, line, Outcome(direction.lower()))


def check_line(line: str, lines: Sequence[str]) -> None:
    """Raise ValueError with the nearest id when the config has no such line."""
    if line not in lines:
        close = get_close_matches(line, lines, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(lines)}"
        raise ValueError(f"line: {line!r} is not a line of the config; {hint}")


@dataclass(frozen=True, slots=True)
class Tally:
    """A tally that was made: its marks, when somebody watched, and the hash of its file."""

    path: Path
    marks: list[Mark]
    watched_ms: tuple[int, int]
    digest: str


def digest(content: bytes) -> str:
    """Return 12 hex digits of the content of a file."""
    return hashlib.sha256(content).hexdigest()[:12]


class TallyFile:
    """A tally being made: every crossing is on the disk before the next key is read."""

    def __init__(self, path: Path, now_ms: Callable[[], int]) -> None:
        """Create the file. Raises BadInputError when there is one, or it cannot be made."""
        self.path = path
        self.marks: list[Mark] = []
        self._now_ms = now_ms
        self._ends: list[int] = []
        try:
            self._file = path.open("xb", buffering=0)
        except FileExistsError:
            raise BadInputError(
                f"{path}: is there already and may hold a tally; give a new name,"
                " or leave --live out to evaluate it"
            ) from None
        except OSError as error:
            raise BadInputError(
                f"{path}: cannot be written ({error.strerror}); give a path of your own,"
                " e.g. /tmp/tally.csv"
            ) from error
        self._append(",".join(HEADER))

    def add(self, line: str, direction: Outcome) -> Mark:
        """Note a crossing now. Raises BadInputError when it cannot be stored."""
        mark = Mark(self._now_ms(), line, direction)
        self._append(f"{iso_utc(mark.at_ms)},{line},{direction}")
        self.marks.append(mark)
        return mark

    def undo(self) -> Mark | None:
        """Take the last crossing back, in the file too; None when there is none."""
        if not self.marks:
            return None
        del self._ends[-1]
        self._guarded(lambda: self._file.truncate(self._ends[-1]))
        self._file.seek(self._ends[-1])
        return self.marks.pop()

    def close(self) -> None:
        """Close the file; idempotent."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _append(self, text: str) -> None:
        line = text.encode() + b"\n"

        def write() -> None:
            if self._file.write(line) != len(line):
                raise OSError(ENOSPC, os.strerror(ENOSPC))

        self._guarded(write)
        self._ends.append(self._file.tell())

    def _guarded(self, change: Callable[[], object]) -> None:
        try:
            change()
            os.fsync(self._file.fileno())
        except OSError as error:
            with suppress(OSError):  # half a line would spoil the file
                self._file.truncate(self._ends[-1] if self._ends else 0)
            raise BadInputError(
                f"{self.path}: cannot be written any more ({error.strerror});"
                f" it holds {len(self.marks)} crossings, free some space and go on with a new file"
            ) from error
