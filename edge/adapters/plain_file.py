"""Reading a file for others to see: never through a link, never without end.

A support bundle is made with sudo, in folders that the service may write to. A link there to a file
that only root may read would otherwise put that file into the bundle.
"""

import os
import stat
from pathlib import Path


def read_plain(path: Path, most_bytes: int) -> str:
    """Return the beginning of a regular file as text. Raises OSError, for a link too."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(f"{path}: is no file")
        return file.read(most_bytes).decode("utf-8", "replace")
