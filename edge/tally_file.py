"""A tally being made by key press: the same CSV that `tally` reads."""

import os
from collections.abc import Callable
from contextlib import suppress
from errno import ENOSPC
from pathlib import Path
from types import TracebackType
from typing import Self

from edge.audit import Mark
from edge.errors import BadInputError
from edge.sealing import iso_utc
from edge.tally import BEGIN, END, HEADER
from edge.vocabulary import Outcome


class TallyFile:
    """A tally being made: every crossing is on the disk before the next key is read."""

    def __init__(self, path: Path, line: str, now_ms: Callable[[], int]) -> None:
        """Create the file: the watch of one line begins.

        Raises BadInputError when there is one already, or it cannot be made.
        """
        self.path = path
        self.marks: list[Mark] = []
        self.began_ms = now_ms()
        self._line, self._now_ms = line, now_ms
        self.ended_ms: int | None = None
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
                " e.g. ~/tally.csv"
            ) from error
        self._append(",".join(HEADER))
        self._append(f"{iso_utc(self.began_ms)},{line},{BEGIN}")

    def add(self, direction: Outcome) -> Mark:
        """Note a crossing now. Raises BadInputError when it cannot be stored."""
        mark = Mark(self._now_ms(), self._line, direction)
        self._append(f"{iso_utc(mark.at_ms)},{self._line},{direction}")
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

    def end(self) -> None:
        """Note that the line was watched until now. Without it, only until the last crossing."""
        ended_ms = self._now_ms()
        self._append(f"{iso_utc(ended_ms)},{self._line},{END}")
        self.ended_ms = ended_ms

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
