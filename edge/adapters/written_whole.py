"""Files that are written whole or not at all, private from the first byte."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from edge.adapters.config_file import sync_folder

OWNER_ONLY = 0o600


def write_whole(path: Path, content: bytes, mode: int = OWNER_ONLY) -> None:
    """Put a file in the place of another; it is on the disk afterwards, and the folder's owner's.

    A power cut leaves the old one or the new one. Raises OSError.
    """
    draft = path.with_name(f"{path.name}.new")
    try:
        draft.unlink(missing_ok=True)  # of a start that was cut short
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "wb") as file:
            with suppress(OSError):  # a FAT has no modes; it was opened with this one
                os.fchmod(descriptor, mode)
            _give_to_owner_of(path.parent, descriptor)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_in_place(path: Path, content: bytes) -> None:
    """Write over the bytes of a file of the same length; they are on the disk afterwards.

    Needs no room, and the blocks the old bytes were in are those that are written. Raises OSError.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
    try:
        os.pwrite(descriptor, content, 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_service_folder(folder: Path, user: str = "lobbycount") -> None:
    """Make a folder where there is none; it is the service's where that user is known."""
    if not folder.is_dir():
        folder.mkdir(parents=True, mode=0o750)
        with suppress(LookupError, PermissionError):
            shutil.chown(folder, user, user)


def _give_to_owner_of(folder: Path, descriptor: int) -> None:
    owner = folder.stat()
    if os.geteuid() == 0:
        with suppress(OSError):  # a FAT has no owners; the unit gives files away itself
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
