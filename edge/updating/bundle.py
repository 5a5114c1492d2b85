"""A bundle is one file, `.lcu`: a tar of manifest.json, manifest.sig and the wheels, in order.

Every byte of it is determined by the manifest and its signature: the headers are those that
this module writes, the padding is zeros, nothing follows. So one bit changed anywhere is
refused, and `tar -tf` still lists what is in it. Nothing of the file is believed before the
signature, but two sizes that are bounded first.

The signature (Ed25519, RFC 8032) is over a prefix that nothing else uses and the manifest's
bytes; manifest.sig names the key by the first 16 hex digits of its SHA-256.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from io import BytesIO
from typing import Any, BinaryIO, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge.errors import UpdateError
from edge.heads import fingerprint
from edge.ports import Signer
from edge.sealing import canonical
from edge.updating.manifest import MOST_BYTES, Manifest, Wheel, parse_manifest
from edge.updating.words import Code, refusal

SUFFIX = ".lcu"
PREFIX = b"lobbycount/update/1\n"
"""What is signed begins with it, so that no signature made for something else fits."""
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"

_MOST_SIGNATURE_BYTES = 1024
_BLOCK = 512
_CHUNK = 1024 * 1024
_END = bytes(2 * _BLOCK)
_SIG = {"key": re.compile(r"[0-9a-f]{16}"), "sig": re.compile(r"[0-9a-f]{128}")}

Keys = Mapping[str, Ed25519PublicKey]
"""The keys that are trusted, by `key_id`."""


class Signed(NamedTuple):
    """A manifest whose signature was verified. key: the id of who signed it."""

    manifest: Manifest
    key: str


def key_id(public_key: Ed25519PublicKey) -> str:
    """Return the first 16 hex digits of the SHA-256 of the raw key."""
    return fingerprint(public_key.public_bytes_raw().hex())


def sign(manifest: bytes, signer: Signer) -> bytes:
    """Return manifest.sig for a manifest's bytes."""
    sig = signer.sign(PREFIX + manifest).hex()
    return canonical({"key": fingerprint(signer.public_key), "sig": sig}).encode()


def write_bundle(
    file: BinaryIO,
    manifest: bytes,
    signature: bytes,
    wheels: Iterable[tuple[Wheel, Iterable[bytes]]],
) -> None:
    """Write the members and the end. wheels: those carried, each with its content."""
    for name, content in ((MANIFEST, manifest), (SIGNATURE, signature)):
        file.write(_header(name, len(content)) + content + _padding(len(content)))
    for wheel, chunks in wheels:
        file.write(_header(wheel.name, wheel.size))
        for chunk in chunks:
            file.write(chunk)
        file.write(_padding(wheel.size))
    file.write(_END)


def read_signed(file: BinaryIO, keys: Keys) -> Signed:
    """Read the beginning of a bundle and verify it; the file stands at the first wheel then.

    Raises UpdateError.
    """
    content = _small_member(file, MANIFEST, MOST_BYTES)
    said = _signature_of(_small_member(file, SIGNATURE, _MOST_SIGNATURE_BYTES))
    if not keys:
        raise refusal(Code.NO_KEYS)
    key = keys.get(said["key"])
    if key is None:
        raise refusal(Code.UNKNOWN_KEY, what=said["key"])
    try:
        key.verify(bytes.fromhex(said["sig"]), PREFIX + content)
    except InvalidSignature:
        raise refusal(Code.TAMPERED, what=MANIFEST) from None
    return Signed(parse_manifest(content), said["key"])


def read_wheels(
    file: BinaryIO,
    manifest: Manifest,
    open_for: Callable[[Wheel], AbstractContextManager[BinaryIO]],
) -> None:
    """Copy every wheel of a verified bundle to where `open_for` says, then expect the end.

    What was copied counts only when this returns. Raises UpdateError, OSError.
    """
    for wheel in manifest.carried:
        if file.read(_BLOCK) != _header(wheel.name, wheel.size):
            raise refusal(Code.TAMPERED, what=wheel.name)
        digest = hashlib.sha256()
        with open_for(wheel) as out:
            for chunk in _chunks(file, wheel.size):
                digest.update(chunk)
                out.write(chunk)
        padding = _padding(wheel.size)
        if digest.hexdigest() != wheel.sha256 or file.read(len(padding)) != padding:
            raise refusal(Code.TAMPERED, what=wheel.name)
    if file.read(len(_END) + 1) != _END:
        raise refusal(Code.TAMPERED, what="the end of the file")


def expect_whole(file: BinaryIO, manifest: Manifest) -> None:
    """Read every wheel of a verified bundle to the end and keep none. Raises UpdateError."""
    read_wheels(file, manifest, lambda _: nullcontext(_Nowhere()))


class _Nowhere(BytesIO):
    """Takes everything and keeps nothing."""

    def write(self, data: Any, /) -> int:
        return len(memoryview(data))


def bytes_of(manifest: Manifest, manifest_size: int, signature_size: int) -> int:
    """Return how large a bundle is, without its wheels being there."""
    sizes = [manifest_size, signature_size, *(wheel.size for wheel in manifest.carried)]
    return sum(_BLOCK + size + len(_padding(size)) for size in sizes) + len(_END)


def _small_member(file: BinaryIO, name: str, most: int) -> bytes:
    header = file.read(_BLOCK)
    size = _size_in(header)
    if size is None or not 0 < size <= most or header != _header(name, size):
        raise refusal(Code.NOT_A_BUNDLE, what=name)
    content, padding = file.read(size), _padding(size)
    if len(content) != size or file.read(len(padding)) != padding:
        raise refusal(Code.NOT_A_BUNDLE, what=f"{name} is cut off")
    return content


def _signature_of(content: bytes) -> Mapping[str, str]:
    wrong: UpdateError = refusal(Code.NOT_A_BUNDLE, what=SIGNATURE)
    try:
        said: Any = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        raise wrong from None
    if not isinstance(said, dict) or said.keys() != _SIG.keys():
        raise wrong
    for name, pattern in _SIG.items():
        if not isinstance(said[name], str) or pattern.fullmatch(said[name]) is None:
            raise wrong
    if content != canonical(said).encode():
        raise wrong
    return said


def _chunks(file: BinaryIO, size: int) -> Iterator[bytes]:
    left = size
    while left:
        chunk = file.read(min(left, _CHUNK))
        if not chunk:
            return
        left -= len(chunk)
        yield chunk


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)


def _size_in(header: bytes) -> int | None:
    """Return the size that a header says; None where it says none."""
    try:
        return int(header[124:135].decode("ascii"), 8) if len(header) == _BLOCK else None
    except ValueError:
        return None


def _header(name: str, size: int) -> bytes:
    """Return the only header that a member of this name and size may have (POSIX ustar)."""
    fields = [
        name.encode("ascii").ljust(100, b"\0"),
        b"0000644\0",
        b"0000000\0" * 2,  # owner and group
        b"%011o\0" % size,
        b"00000000000\0",  # no time of its own: that is in the manifest
        b" " * 8,
        b"0",
        bytes(100),
        b"ustar\x0000",
        bytes(64 + 16 + 155 + 12),
    ]
    header = b"".join(fields)
    checksum = b"%06o\0 " % sum(header)
    return header[:148] + checksum + header[156:]
