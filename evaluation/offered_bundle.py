"""The bundle that is offered: what it says of itself, and its bytes from any place on."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from edge.errors import BadInputError, UpdateError
from edge.updating.bundle import MANIFEST, SIGNATURE
from edge.updating.manifest import MOST_BYTES, parse_manifest
from edge.updating.wanted import LARGEST_BUNDLE

_BLOCK = 512
_EXAMPLE = "e.g. a file that `scripts/bundle` wrote, lobbycount-0.2.0-aarch64-thin.lcu"


class OfferedBundle(NamedTuple):
    """One file. version: of the program in it. digest: SHA-256 of all of it, `size` bytes."""

    path: Path
    version: str
    digest: str
    size: int

    def read(self, offset: int, count: int) -> bytes:
        """Return bytes of it; fewer at its end. Raises BadInputError when it cannot be read."""
        try:
            with self.path.open("rb") as file:
                file.seek(offset)
                return file.read(count)
        except OSError as error:
            raise BadInputError(f"{self.path}: cannot be read ({error.strerror})") from error


def open_bundle(path: Path) -> OfferedBundle:
    """Read what a bundle says of itself; its signature is checked by the devices.

    Raises BadInputError.
    """
    try:
        with path.open("rb") as file:
            version = _version_in(file.read(2 * _BLOCK + MOST_BYTES + _BLOCK))
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read ({error.strerror}); {_EXAMPLE}") from error
    except (UpdateError, ValueError) as error:
        raise BadInputError(f"{path}: is not an update bundle ({error}); {_EXAMPLE}") from error
    if size > LARGEST_BUNDLE:
        raise BadInputError(f"{path}: has {size} bytes, at most {LARGEST_BUNDLE} can be offered")
    return OfferedBundle(path, version, digest, size)


def _version_in(start: bytes) -> str:
    """Return the version that the first member of the tar says. Raises ValueError, UpdateError."""
    if _name(start) != MANIFEST:
        raise ValueError(f"its first member is not {MANIFEST}")
    size = int(start[124:135].decode("ascii"), 8)
    if not 0 < size <= MOST_BYTES or _name(start[_BLOCK + size + -size % _BLOCK :]) != SIGNATURE:
        raise ValueError(f"{SIGNATURE} does not follow {MANIFEST}")
    return parse_manifest(start[_BLOCK : _BLOCK + size]).version


def _name(header: bytes) -> str:
    return header[:100].rstrip(b"\0").decode("ascii", "replace")
