"""The config file on disk: written whole or not at all.

A power cut finds the old file or the new one; its owner and its mode stay, and a link stays a
link to the file that was written.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp

from edge.errors import ConfigError, Mistake


def write_config(path: Path, text: str) -> None:
    """Replace the text of a config file; it is on the disk afterwards.

    Raises ConfigError when it cannot be written; the old file is in place then.
    """
    target = path.resolve()
    try:
        before = target.stat()
        if not os.access(
            target, os.W_OK, effective_ids=True
        ):  # the folder alone would let it be replaced
            raise PermissionError(0, "Permission denied")
        _replace(target, text.encode(), before)
    except OSError as error:
        raise ConfigError(
            Mistake(
                f"cannot be written ({error.strerror}), nothing was changed; let the service's"
                f" user write it and its folder, e.g. sudo chown -R lobbycount {target.parent}",
                f"无法写入（{error.strerror}），没有任何改动；请让服务的用户能写该文件和文件夹，"
                f"例如 sudo chown -R lobbycount {target.parent}",
                file=str(path),
            )
        ) from error


def _replace(target: Path, content: bytes, before: os.stat_result) -> None:
    handle, name = mkstemp(dir=target.parent, prefix=f".{target.name}.")
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, _kept(handle, before))
            file.write(content)
            file.flush()
            os.fsync(handle)
        draft.replace(target)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
    sync_folder(target.parent)


def _kept(handle: int, before: os.stat_result) -> int:
    """Give a file the owner and group it had, and return the mode it may have then.

    Who is not root cannot give a file to a group of others (`install -o lobbycount` leaves it to
    root's); what that group might do, the new one may not. Raises OSError for another owner.
    """
    mode = stat.S_IMODE(before.st_mode)
    if os.fstat(handle).st_uid != before.st_uid:
        os.fchown(handle, before.st_uid, -1)
    if os.fstat(handle).st_gid != before.st_gid:
        try:
            os.fchown(handle, -1, before.st_gid)
        except PermissionError:
            return mode & ~stat.S_IRWXG
    return mode


def sync_folder(folder: Path) -> None:
    """Make a folder remember a new name, or a power cut brings the old file back."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


Fingerprint = tuple[int, ...] | str
"""What changes whenever a file does; of one that cannot be looked at, why."""


def fingerprint(path: Path) -> Fingerprint:
    """Look whether a file has changed, without reading it."""
    try:
        state = path.stat()
    except OSError as error:
        return error.strerror or type(error).__name__
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns
