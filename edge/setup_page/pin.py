"""The PIN of the page: made from the system's random source, kept only as a slow hash."""

import hashlib
import hmac
import json
import os
import secrets
from pathlib import Path

from edge.errors import OutboxError

PIN_FILE = "setup-pin.json"
DIGITS = 8
_SALT_BYTES = 16
_COST = {"n": 2**14, "r": 8, "p": 1}
"""16 MiB and some 50 ms; RFC 7914's example for interactive logins."""


def new_pin(folder: Path) -> str:
    """Make a PIN and keep its hash, for the service's user only; any earlier one is void.

    Raises OutboxError.
    """
    pin = "".join(secrets.choice("0123456789") for _ in range(DIGITS))
    salt = secrets.token_bytes(_SALT_BYTES)
    kept = {"v": 1, "salt": salt.hex(), "hash": _hash(pin, salt).hex()}
    write_private(folder / PIN_FILE, json.dumps(kept))
    return pin


def pin_mark(folder: Path) -> tuple[int, int] | None:
    """Return what changes with the PIN, cheap to look at; None while there is none."""
    try:
        status = (folder / PIN_FILE).stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def is_pin(folder: Path, tried: str) -> bool:
    """Whether this is the PIN; takes as long for a wrong one. A damaged file has none."""
    try:
        kept = json.loads((folder / PIN_FILE).read_text("utf-8"))
        salt, expected = bytes.fromhex(kept["salt"]), bytes.fromhex(kept["hash"])
    except (OSError, ValueError, LookupError, TypeError):
        salt, expected = bytes(_SALT_BYTES), b""
    return hmac.compare_digest(_hash(tried, salt), expected)


def write_private(path: Path, text: str) -> None:
    """Replace a small file in one step, readable by its owner only. Raises OutboxError."""
    draft = path.with_suffix(".tmp")
    try:
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            if os.geteuid() == 0:  # made by root, used by the service: the folder says who that is
                owner = path.parent.stat()
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise OutboxError(
            f"{path}: cannot be written ({error.strerror}); run this as the user of the service,"
            " e.g. sudo -u lobbycount lobbycount setup pin --new"
        ) from error


def _hash(pin: str, salt: bytes) -> bytes:
    return hashlib.scrypt(pin.encode("utf-8", "surrogatepass"), salt=salt, **_COST)


def pin_text(pin: str) -> str:
    """Return how a new PIN is shown, the only time it is."""
    return (
        f"设置页面 PIN（仅显示一次，请记下） setup page PIN, shown only now, note it: {pin}\n"
        "  遗失后重新生成 lost? make a new one: lobbycount setup pin --new\n"
    )
