"""What a device has on its disk: the files of a folder, the values of a database, a log's end.

Reads only, also while the service writes.
"""

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from edge.picture_signs import LONGEST_SIGN, picture_in

_PART = 1 << 20
_LOG_END = 16 << 20
"""Bytes of a log that are read, from its end."""
_JOURNAL_LINES = "50000"
_BUNDLE_START = b"manifest.json\0"


def files_in(folder: Path) -> list[str]:
    """Return the files of a folder and those below, relative, links included."""
    found = [path for path in folder.rglob("*") if path.is_symlink() or path.is_file()]
    return sorted(path.relative_to(folder).as_posix() for path in found)


def picture_of(path: Path) -> str | None:
    """Return the format of a picture or video that a file is or contains; None without one."""
    before = b""
    with path.open("rb") as file:
        while part := file.read(_PART):
            # What begins a file is a signature there only.
            kind = picture_in(before + part)
            if kind is not None:
                return kind
            before = b"\x00" + part[-LONGEST_SIGN:]
    return None


def is_program(path: Path) -> bool:
    """Whether a file begins as an update bundle does: compressed code holds any bytes by chance."""
    with path.open("rb") as file:
        return file.read(len(_BUNDLE_START)) == _BUNDLE_START


def values_in(database: Path) -> Iterator[tuple[str, object]]:
    """Yield (table.column, value) of all of a SQLite file. Raises sqlite3.Error."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5.0)) as db:
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            quoted = str(table).replace('"', '""')
            rows = db.execute(f'SELECT * FROM "{quoted}"')  # noqa: S608  its own table's name
            names = [column[0] for column in rows.description]
            for row in rows:
                yield from (
                    (f"{table}.{name}", value) for name, value in zip(names, row, strict=True)
                )


def log_end(path: Path) -> str:
    """Return the last part of a log file."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LOG_END))
        return file.read().decode("utf-8", "replace")


def journal_of(pid: int) -> str | None:
    """Return what a process has said to the journal; None where it cannot be read."""
    command = shutil.which("journalctl")
    if command is None:
        return None
    done = subprocess.run(  # noqa: S603
        [command, "--output=cat", "--no-pager", f"--lines={_JOURNAL_LINES}", f"_PID={pid}"],
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
