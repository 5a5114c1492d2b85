"""The drop folder: the service's own, and still root reads and writes in it.

The service may put anything there, links too, and exchange it at any moment. So the folder is
opened once, never through a link, and every file by its name in it, likewise; what is to be
believed is copied away first.
"""

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from edge.updating.words import Code, refusal

INCOMING = "incoming.lcu"
MOST_BUNDLE_BYTES = 2 * 1024**3
_CHUNK = 1024 * 1024
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_SPARE_BYTES = 64 * 1024**2


class DropFolder:
    """One drop folder; it need not be there."""

    def __init__(self, path: Path) -> None:
        """Prepare."""
        self._path = path

    def has_incoming(self) -> bool:
        """Whether something lies there under that name."""
        return os.path.lexists(self._path / INCOMING)

    def take(self, to: Path) -> None:
        """Copy the bundle to a place of root's and remove it here, whatever it was.

        Raises UpdateError for what is no file, or has no room; OSError.
        """
        with self._opened() as folder:
            try:
                self._copy(folder, to)
            finally:
                _remove(folder, INCOMING)

    def _copy(self, folder: int, to: Path) -> None:
        try:
            descriptor = os.open(INCOMING, _READ, dir_fd=folder)
        except OSError as error:
            raise refusal(Code.NOT_A_BUNDLE, what=error.strerror) from error
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            os.close(descriptor)
            raise refusal(Code.NOT_A_BUNDLE, what="it is no file")
        with os.fdopen(descriptor, "rb") as file:
            check_room(to.parent, state.st_size)
            write_bounded(file, to, state.st_size)

    def read(self, name: str, most: int) -> bytes | None:
        """Return a file's beginning; None where there is none that is a file."""
        with suppress(OSError), self._opened() as folder:
            descriptor = os.open(name, _READ, dir_fd=folder)
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                with os.fdopen(descriptor, "rb") as file:
                    return file.read(most)
            os.close(descriptor)
        return None

    def remove(self, name: str) -> None:
        """Remove a file where there is one."""
        with suppress(OSError), self._opened() as folder:
            _remove(folder, name)

    def write(self, name: str, content: bytes) -> None:
        """Put a file in the place of another, the folder's owner's. Raises OSError."""
        with self._draft(name) as file:
            file.write(content)

    def put(self, file: BinaryIO) -> None:
        """Copy a bundle here under the name by which it is taken. Raises OSError."""
        with self._draft(INCOMING) as out:
            shutil.copyfileobj(file, out, _CHUNK)

    @contextmanager
    def _draft(self, name: str) -> Iterator[BinaryIO]:
        draft = f"{name}.new-by-root" if os.geteuid() == 0 else f"{name}.new"
        with self._opened() as folder:
            _remove(folder, draft)
            descriptor = os.open(draft, _MAKE, 0o600, dir_fd=folder)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    if os.geteuid() == 0:
                        owner = os.fstat(folder)
                        os.fchown(descriptor, owner.st_uid, owner.st_gid)
                    os.fchmod(descriptor, 0o644)
                    yield file
                    file.flush()
                    os.fsync(descriptor)
                os.replace(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                _remove(folder, draft)
                raise
            os.fsync(folder)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._path, flags)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def write_bounded(file: BinaryIO, to: Path, size: int) -> None:
    """Copy at most so many bytes into a new file of root's alone, whole or not at all."""
    if size > MOST_BUNDLE_BYTES:
        raise refusal(Code.NOT_A_BUNDLE, what=f"{size} bytes")
    draft = to.with_name(f"{to.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, _MAKE, 0o600), "wb") as out:
        left = size
        while left and (chunk := file.read(min(left, _CHUNK))):
            out.write(chunk)
            left -= len(chunk)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(to)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hex. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, hashlib.sha256).hexdigest()


def check_room(folder: Path, wanted_bytes: int) -> None:
    """Expect that so much fits, and some more. Raises UpdateError."""
    free = shutil.disk_usage(folder).free
    wanted = wanted_bytes + _SPARE_BYTES
    if free < wanted:
        raise refusal(Code.NO_ROOM, what=round(wanted / 1e6), here=round(free / 1e6))


def _remove(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except IsADirectoryError:
        shutil.rmtree(name, ignore_errors=True, dir_fd=folder)
    except FileNotFoundError:
        pass
