"""The device's own key, which signs its heads: made on the device, kept in its data folder.

It never leaves the device and is never written over: a file that cannot be used is for a
person to look at, because what was signed with it can be checked only against its public half.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from edge.errors import DeviceKeyError

KEY_FILE = "device.key"
_DRAFT = "device.key.new"
_OWNER_ONLY = 0o600
_LONGEST = 4096


class DeviceKey:
    """A Signer with an Ed25519 key in memory."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._public_key = raw.hex()

    @property
    def public_key(self) -> str:
        """The raw public key, 64 hex digits."""
        return self._public_key

    def sign(self, data: bytes) -> bytes:
        """Return the Ed25519 signature of the data, 64 bytes."""
        return self._key.sign(data)


def open_key(folder: Path) -> DeviceKey:
    """Read the key of a data folder that this process has claimed; make it when there is none.

    Raises DeviceKeyError naming the file; then it was left as it is.
    """
    if not os.path.lexists(folder / KEY_FILE):
        _make(folder)
    return read_key(folder)


def read_key(folder: Path) -> DeviceKey:
    """Read the key of a data folder. Raises DeviceKeyError naming the file."""
    path = folder / KEY_FILE
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(_LONGEST)
    except OSError as error:
        raise _unusable(path, str(error.strerror), "is this the user of the service?") from error
    if stat.S_IMODE(mode) & 0o077:
        raise _unusable(
            path,
            f"others than its owner may read or write it, its mode is {stat.S_IMODE(mode):o}",
            f"if nobody else had it: chmod 600 {path}; else move it away, then a new key is made",
        )
    try:
        key = load_pem_private_key(text, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise _unusable(
            path,
            "it is not an Ed25519 key in PEM without a password",
            "put back a copy of it; or move it away, then a new key is made",
        )
    return DeviceKey(key)


def _make(folder: Path) -> None:
    """Write a new key under another name, and give it its own only when it is on the disk.

    So a power cut leaves a whole key or none; `link` never replaces a file that is there.
    """
    path, draft = folder / KEY_FILE, folder / _DRAFT
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        draft.unlink(missing_ok=True)  # of a start that was cut short
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
        with open(descriptor, "wb") as file:  # noqa: PTH123  a descriptor, not a path
            os.fchmod(descriptor, _OWNER_ONLY)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        os.link(draft, path)
        draft.unlink()
        _sync_folder(folder)
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise _unusable(
            path, f"it cannot be made ({error.strerror})", "is the disk full or read-only?"
        ) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unusable(path: Path, reason: str, remedy: str) -> DeviceKeyError:
    return DeviceKeyError(f"{path}: the device's key cannot be used: {reason}; {remedy}")
