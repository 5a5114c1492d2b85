"""A board that was handed over does not count, nor one that was not wholly taken over yet."""

import time
from pathlib import Path

from edge.adapters.written_whole import write_whole
from edge.errors import OutboxError

RETIRED_FILE = "retired"
BEGUN_FILE = "import-begun"


def retire(folder: Path) -> None:
    """Mark a data folder; the mark is on the disk afterwards. Raises OSError."""
    write_whole(folder / RETIRED_FILE, time.strftime("%Y-%m-%dT%H:%MZ\n", time.gmtime()).encode())


def unretire(folder: Path) -> bool:
    """Take the mark away; return whether there was one. Raises OSError."""
    path = folder / RETIRED_FILE
    was = path.exists()
    path.unlink(missing_ok=True)
    return was


def begin_import(folder: Path, package: str) -> None:
    """Mark that the import of a package has begun. Raises OSError."""
    write_whole(folder / BEGUN_FILE, package.encode())


def end_import(folder: Path) -> None:
    """Take that mark away. Raises OSError."""
    (folder / BEGUN_FILE).unlink(missing_ok=True)


def was_begun(folder: Path, package: str | None = None) -> bool:
    """Whether an import has begun and not ended; of this package, where one is named."""
    path = folder / BEGUN_FILE
    return path.exists() and (package is None or path.read_bytes() == package.encode())


def refuse_retired(folder: Path) -> None:
    """Raise OutboxError for a folder with one of the marks."""
    if was_begun(folder):
        raise OutboxError(
            f"{folder}: `lobbycount site import` was cut short; run it again 导入未完成，请重新导入"
        )
    if (folder / RETIRED_FILE).exists():
        raise OutboxError(
            f"{folder}: this board was handed over by `lobbycount site export`, and two boards must"
            " not count as one device; if the package was not and will not be used:"
            " lobbycount site unretire 本机已移交，不再计数；如未移交成功，请运行上面的命令"
        )
