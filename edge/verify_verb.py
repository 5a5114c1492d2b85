"""`lobbycount verify`: files → lines of each stream → judgement.

The files are read twice: once to see which stream each line is of, and once stream by
stream, so that the records of a whole fleet need not be in memory together.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from edge.errors import BadInputError
from edge.evidence import Key, Place, Report
from edge.evidence_lines import Line, Run, runs_of
from edge.months import Month
from edge.verify import verify_stream

LONGEST_LINE = 1 << 20
"""Bytes; a record has some five hundred."""
_Part = tuple[Path, Run]


def verify(
    month: Month,
    files: Sequence[Path],
    keys: Sequence[str] = (),
    on_stream: Callable[[int, int], None] = lambda _done, _total: None,
) -> Report:
    """Judge what the files hold of a month; several may hold parts of the same stream.

    keys: as for `verify_stream`. Raises BadInputError for a file that is no export, a key that
    is none, and when nothing is of that month and nothing is wrong.
    """
    wanted = [_key(key) for key in keys]
    runs: dict[Key, list[_Part]] = {}
    for path in files:
        _index(path, runs)
    reports = []
    for done, key in enumerate(sorted(runs)):
        on_stream(done, len(runs))
        reports.append(verify_stream(key, _lines(runs[key]), month, wanted))
    report = Report(month.name, tuple(reports))
    if report.intact and not any(stream.records for stream in reports):
        raise BadInputError(
            f"{_named(files)}: no record in it begins in {month.name}; give the month that"
            " was exported, and the same --time-zone"
        )
    return report


def _key(text: str) -> str:
    key = text.lower().replace(":", "")
    if re.fullmatch(r"[0-9a-f]{16}|[0-9a-f]{64}", key) is None:
        raise BadInputError(
            f"--key {text}: must be a public key of 64 hex digits or its fingerprint of 16,"
            " as `lobbycount export` and the device's `info` message say"
        )
    return key


def _index(path: Path, runs: dict[Key, list[_Part]]) -> None:
    """Add the runs of a file."""
    found = False
    try:
        with path.open("rb") as file:
            for run in runs_of(iter(lambda: file.readline(LONGEST_LINE), b"")):
                found = True
                runs.setdefault(run.key, []).append((path, run))
    except OSError as error:
        raise BadInputError(
            f"{path}: cannot be read ({error.strerror}); give files that `lobbycount export` or"
            " `evaluation export` wrote"
        ) from error
    if not found:
        raise BadInputError(
            f"{path}: no line in it is a record or a head of a device; give a file that"
            " `lobbycount export` or `evaluation export` wrote"
        )


def _lines(parts: Sequence[_Part]) -> Iterator[Line]:
    for path, run in parts:
        with path.open("rb") as file:
            file.seek(run.offset)
            for number in range(run.number, run.number + run.count):
                text = file.readline(LONGEST_LINE)
                if text.strip():
                    yield Line(Place(str(path), number), text)


def _named(files: Sequence[Path]) -> str:
    return ", ".join(str(path) for path in files)
