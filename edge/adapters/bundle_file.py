"""The archive: the same parts make the same bytes; it is written whole or not at all."""

import io
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from edge.errors import BundleError

_ONCE = (1980, 1, 1, 0, 0, 0)
"""The earliest date a zip can have; that of the bundle is in its manifest."""
_FOR_ITS_READER = 0o100644 << 16


def pack(parts: Mapping[str, str]) -> bytes:
    """Return a zip of the texts, in the order given."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, text in parts.items():
            entry = zipfile.ZipInfo(name, _ONCE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = _FOR_ITS_READER
            archive.writestr(entry, text.encode("utf-8", "replace"))
    return memory.getvalue()


def unpack(content: bytes) -> dict[str, bytes]:
    """Return what is in an archive, as whoever gets it would find it."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {entry.filename: archive.read(entry) for entry in archive.infolist()}


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all. Raises BundleError naming it."""
    draft = path if _is_special(path) else path.with_name(path.name + ".part")
    try:
        if draft != path:
            draft.unlink(missing_ok=True)
        # "x": made with sudo where others may write, it must not go through a link of theirs.
        with draft.open("wb" if draft == path else "xb") as file:
            file.write(content)
        if draft != path:
            draft.replace(path)
    except OSError as error:
        if draft != path:
            with suppress(OSError):
                draft.unlink()
        raise BundleError(
            f"--out {path}: the bundle of {len(content)} bytes cannot be written"
            f" ({error.strerror}); name a file where there is room and this user may write,"
            " e.g. --out /media/usb/bundle.zip"
        ) from error


def _is_special(path: Path) -> bool:
    """Whether it is a device or a pipe, which is written to and not replaced."""
    return path.exists() and not path.is_file() and not path.is_dir()
