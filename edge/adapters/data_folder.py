"""What one process at a time may have on a machine: a folder of data, and the name of a device."""

import fcntl
import socket
from pathlib import Path
from typing import IO

from edge.adapters.retirement import refuse_retired
from edge.errors import ConfigError, Mistake, OutboxError

LOCK_FILE = "lock"
OUTBOX_FILE = "outbox.sqlite"


def claim(folder: Path, *, for_import: bool = False) -> IO[bytes]:
    """Make the folder and lock it; it stays locked until the returned file is closed.

    for_import: whoever brings the history, which nobody may count on before it is complete.
    Two processes on one outbox would count everybody twice, under different keys.
    Raises OutboxError when it cannot be made, another process holds it, or it was handed over.
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
            " stop it first, or, if it is for another camera, give each its own records.data_dir,"
            f" e.g. {folder}-2"
        ) from error
    try:
        if not for_import:
            refuse_retired(folder)
    except OutboxError:
        lock.close()
        raise
    return lock


def is_claimed(folder: Path) -> bool:
    """Whether another process uses the folder now; nothing is made where there is none."""
    try:
        with (folder / LOCK_FILE).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def claim_name(tenant: str, dev: str) -> socket.socket:
    """Be this device, until the returned socket is closed; nobody can connect to it.

    Two processes under one name would throw each other off the broker and mix their records.
    Raises ConfigError when another process of this machine is that device.
    """
    name = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        name.bind(f"\0lobbycount/{tenant}/{dev}")  # no file, and gone with the process
    except OSError as error:
        name.close()
        raise ConfigError(
            Mistake(
                f"another lobbycount on this machine is {tenant}/{dev} already;"
                f" every camera needs a config with an id of its own, e.g. id: {dev}-2",
                f"本机已有一个 lobbycount 使用 {tenant}/{dev}；"
                f"每台摄像机的配置须有自己的编号，例如 id: {dev}-2",
                "device.id",
            )
        ) from error
    return name
