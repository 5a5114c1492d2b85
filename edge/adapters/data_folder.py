"""The folder of a device's data: made when missing, used by one process at a time."""

import fcntl
from pathlib import Path
from typing import IO

from edge.errors import OutboxError

LOCK_FILE = "lock"
OUTBOX_FILE = "outbox.sqlite"


def claim(folder: Path) -> IO[bytes]:
    """Make the folder and lock it; it stays locked until the returned file is closed.

    Two processes on one outbox would count everybody twice, under different keys.
    Raises OutboxError when it cannot be made or another process holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK_FILE).open("ab")
    except OSError as error:
        raise OutboxError(
            f"{folder}: the data folder cannot be used ({error.strerror});"
            " set records.data_dir to a folder this user may write"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise OutboxError(
            f"{folder}: another lobbycount is running on this data folder;"
            " stop it first, or set records.data_dir to a folder of its own"
        ) from error
    return lock
