"""What `lobbycount audit` was asked, and the tallies it names, checked before anything runs."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

from edge.audit import Watch
from edge.config import Config
from edge.errors import BadInputError
from edge.sealing import iso_utc
from edge.tally import Tally, check_line, parse_tally
from edge.tally_times import utc_ms


@dataclass(frozen=True, slots=True)
class AuditRequest:
    """What was asked on the command line.

    tallies: the CSVs to read and add up, or with `live` the one to write. clip: compare with
    this recording, said to begin at `start`. since, until: the audited time, ISO 8601.
    by: who audits, for the calibration record. again: options to repeat in hints.
    """

    tallies: Sequence[Path] = field(default=())
    clip: Path | None = None
    start: str | None = None
    live: bool = False
    lines: Sequence[str] = field(default=())
    since: str | None = None
    until: str | None = None
    by: str | None = None
    valid_days: int = 365
    again: str = ""


def check_request(config: Config, request: AuditRequest) -> None:
    """Raise BadInputError for what does not go together, with an example that does."""
    problem = _contradiction(request)
    if problem is not None:
        raise BadInputError(problem)
    if request.by is not None and not (request.by.strip() and request.by.isprintable()):
        raise BadInputError("--by: must be a name of printable characters; e.g. --by 王芳")
    try:
        for line in request.lines:
            check_line(line, [section.id for section in config.lines])
    except ValueError as problem:
        raise BadInputError(f"--{problem}") from None


def _contradiction(request: AuditRequest) -> str | None:
    timed = request.since is not None or request.until is not None
    if not request.tallies and not request.live:
        return (
            "audit: there is nothing to compare; give a tally, e.g. lobbycount audit tally.csv,"
            " or count by key press with --live"
        )
    if request.live and (request.clip or timed or len(request.tallies) > 1):
        return (
            "--live: counts beside the running device from now on, into one file; leave out"
            " --clip, --from and --to, e.g. lobbycount audit --live --line door"
        )
    if request.clip and timed:
        return (
            "--from, --to: belong to an audit of records; a recording is compared as a whole,"
            " e.g. lobbycount audit tally.csv --clip door.mp4 --start 2026-03-02T09:15:00+08:00"
        )
    if request.start is not None and request.clip is None:
        return (
            "--start: says when a recording began; give it too, e.g. --clip door.mp4,"
            " or say with --from when the watching began"
        )
    if timed and len(request.tallies) > 1:
        return (
            "--from, --to: say when one tally was made; with several, write it into each,"
            " e.g. a line 2026-03-02T09:15:00+08:00,door,begin and one with end"
        )
    return None


def load_tallies(config: Config, request: AuditRequest) -> list[Tally]:
    """Read the tallies that were named, of the lines that were asked for.

    Raises BadInputError when one cannot be used, or when crossings are in two of them.
    """
    ids = [line.id for line in config.lines]
    local = local_clock(config)
    tallies = [parse_tally(path, _content(path), ids, local) for path in request.tallies]
    if request.since is not None or request.until is not None:
        tallies = [_as_watched(tally, request, local) for tally in tallies]
    if request.lines:
        tallies = [
            replace(
                tally,
                marks=[mark for mark in tally.marks if mark.line in request.lines],
                watches=[watch for watch in tally.watches if watch.line in request.lines],
            )
            for tally in tallies
        ]
    watched = {watch.line for tally in tallies for watch in tally.watches}
    for line in request.lines:
        if line not in watched:
            raise BadInputError(
                f"{tallies[0].path}: has no crossing of {line}; choose a line that was tallied, or"
                f" leave --line {line} out; if nobody passed it while it was watched, say so with"
                " --from and --to"
            )
    _refuse_twice(tallies)
    return tallies


def local_clock(config: Config) -> tzinfo | None:
    """Return the clock of the device's time zone; None where it cannot be looked up."""
    try:
        return ZoneInfo(config.device.time_zone)
    except (KeyError, ValueError, OSError):
        return None


def option_ms(name: str, text: str, local: tzinfo | None) -> int:
    """Read the time of an option. Raises BadInputError."""
    try:
        return utc_ms(text, local)
    except ValueError as problem:
        raise BadInputError(f"{name}: {problem}") from None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInputError(
            f"{path}: the tally cannot be read ({error.strerror});"
            " give a CSV with the header time,line,direction, or count with --live"
        ) from error


def _as_watched(tally: Tally, request: AuditRequest, local: tzinfo | None) -> Tally:
    """Take the watched time from --from and --to; where one is missing, from the tally."""
    first = min(watch.from_ms for watch in tally.watches)
    last = max(watch.to_ms for watch in tally.watches)
    since = first if request.since is None else option_ms("--from", request.since, local)
    until = last if request.until is None else option_ms("--to", request.until, local)
    if since > until:
        raise BadInputError(
            f"--from {iso_utc(since)} is after --to {iso_utc(until)};"
            " give when the counting began and when it ended"
        )
    lines = {watch.line for watch in tally.watches}
    if request.since is not None and request.until is not None:
        lines |= set(request.lines)
    return replace(tally, watches=[Watch(line, since, until) for line in sorted(lines)])


def _refuse_twice(tallies: Sequence[Tally]) -> None:
    """Two tallies of one line at one time would count everybody twice."""
    watches = sorted(
        ((watch, tally.path) for tally in tallies for watch in tally.watches),
        key=lambda item: (item[0].line, item[0].from_ms, item[0].to_ms),
    )
    for (before, first), (after, second) in pairwise(watches):
        same = before.line == after.line
        if same and (after.from_ms < before.to_ms or after.from_ms == before.from_ms):
            raise BadInputError(
                f"{second}: {after.line} was watched from {iso_utc(after.from_ms)}, but {first} has"
                f" it until {iso_utc(before.to_ms)}, so crossings would be counted twice;"
                " give only one of the two"
            )
