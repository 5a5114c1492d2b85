"""A site package as a file: a zip with a header to read and contents that a passphrase opens.

scrypt (RFC 7914) makes a key of the passphrase, AES-256-GCM seals the contents together with the
header, so that neither can be changed. The checksum tells a damaged file from a wrong passphrase.
"""

import hashlib
import io
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from edge.errors import SitePackageError

FORMAT = 1
LARGEST_BYTES = 1_000_000
_LARGEST_INSIDE = 100_000_000
_HEADER, _CONTENTS = "lobbycount-site.json", "contents.sealed"
_SCRYPT = {"n": 2**15, "r": 8, "p": 1}  # 32 MB of memory; a Pi has it
_SALT, _NONCE = 16, 12

Files = dict[str, bytes]


def packed(files: Mapping[str, bytes]) -> bytes:
    """Return files as one compressed text."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return whole.getvalue()


def sealed(contents: bytes, passphrase: str, header: Mapping[str, Any]) -> bytes:
    """Return the package. header: for everybody to read; no secret in it."""
    salt, nonce = os.urandom(_SALT), os.urandom(_NONCE)
    head = {**header, "format": FORMAT, "salt": salt.hex(), "nonce": nonce.hex()}
    cipher = AESGCM(_key(passphrase, salt)).encrypt(nonce, contents, _bound(head))
    head["sha256"] = hashlib.sha256(cipher).hexdigest()
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_HEADER, json.dumps(head, ensure_ascii=False, indent=1))
        archive.writestr(_CONTENTS, cipher)
    return whole.getvalue()


def package_id(head: Mapping[str, Any]) -> str:
    """Return what tells a package from every other, 16 hex digits: of what is sealed."""
    return str(head["sha256"])[:16]


def opened(path: Path, passphrase: str) -> tuple[dict[str, Any], Files]:
    """Return header and files of a package.

    Raises SitePackageError for another version, a damaged or changed file, a wrong passphrase.
    """
    head, cipher = _read(path)
    if head.get("format") != FORMAT:
        raise SitePackageError(
            f"{path}: is of version {head.get('format')!r}, this lobbycount reads {FORMAT};"
            " use the lobbycount that wrote it, or a newer one 站点包版本不符"
        )
    if hashlib.sha256(cipher).hexdigest() != head.get("sha256"):
        raise SitePackageError(f"{path}: is damaged; copy it again 站点包已损坏，请重新复制")
    try:
        salt, nonce = bytes.fromhex(head["salt"]), bytes.fromhex(head["nonce"])
        inside = AESGCM(_key(passphrase, salt)).decrypt(nonce, cipher, _bound(head))
        return head, _unpacked(inside)
    except InvalidTag:
        raise SitePackageError(
            f"{path}: the passphrase is wrong, or somebody has changed the package"
            " 口令错误，或站点包被改动过"
        ) from None
    except (KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise SitePackageError(f"{path}: is damaged; copy it again 站点包已损坏") from error


def _read(path: Path) -> tuple[dict[str, Any], bytes]:
    try:
        if path.stat().st_size > 2 * LARGEST_BYTES:
            raise SitePackageError(f"{path}: is too large to be a site package")
        with zipfile.ZipFile(path) as archive:
            head = json.loads(archive.read(_HEADER))
            if not isinstance(head, dict):
                raise ValueError("no header")
            return head, archive.read(_CONTENTS)
    except OSError as error:
        raise SitePackageError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise SitePackageError(
            f"{path}: is no site package, or is damaged; copy it again 不是站点包或已损坏"
        ) from error


def _unpacked(inside: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(inside)) as archive:
        if sum(each.file_size for each in archive.infolist()) > _LARGEST_INSIDE:
            raise ValueError("too large")
        return {name: archive.read(name) for name in archive.namelist()}


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, **_SCRYPT).derive(passphrase.encode("utf-8"))


def _bound(head: Mapping[str, Any]) -> bytes:
    """Return what of the header cannot be changed: all but the checksum of what is sealed."""
    rest = {key: value for key, value in head.items() if key != "sha256"}
    return json.dumps(rest, sort_keys=True, ensure_ascii=False).encode()
