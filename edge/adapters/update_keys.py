"""Keys for updates: the public ones that a device trusts, and the private one of who builds."""

import os
import stat
from pathlib import Path

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from edge.errors import BadInputError
from edge.updating.bundle import Keys, key_id

_MOST_BYTES = 4096
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_log = structlog.get_logger(__name__)


def trusted_keys(folder: Path) -> Keys:
    """Return the keys of a folder by their id; those that others may change are left out."""
    found = {}
    for path in sorted(folder.glob("*.pem")):
        try:
            key = read_public_key(path)
            if not _is_roots(path) or not _is_roots(folder):
                raise BadInputError(f"{path}: others than root may change it, or its folder")
        except (OSError, BadInputError) as error:
            _log.error("update.key-not-trusted", file=str(path), reason=str(error))
            continue
        found[key_id(key)] = key
    return found


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Read one. Raises BadInputError, OSError."""
    with path.open("rb") as file:
        text = file.read(_MOST_BYTES)
    try:
        key = load_pem_public_key(text)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise BadInputError(
            f"{path}: is no public Ed25519 key in PEM; `scripts/bundle key DIR` makes"
            " update-key.pem (and keep update-key.private to yourself)"
        )
    return key


def _is_roots(path: Path) -> bool:
    state = path.stat()
    return state.st_uid in {0, os.geteuid()} and not state.st_mode & _OTHERS_WRITE
