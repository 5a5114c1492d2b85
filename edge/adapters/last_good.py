"""The last config that was good, kept beside the records: what a start with a broken file uses.

It may hold the password of a camera's address, as the file itself may: only its owner reads it.
"""

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from edge.adapters.config_file import sync_folder

FILE_NAME = "config.last-good.yaml"
_HEAD = "# lobbycount keeps this, do not edit: the last config that was good 最后一次正确的配置"
_DATA_DIR = re.compile(r"""\bdata_dir:[ \t]*["']?([^"'#,}\n]+)""")


def save_last_good(folder: Path, config: Path, text: str) -> None:
    """Keep the text of a config file; it is on the disk afterwards. Raises OSError."""
    path = folder / FILE_NAME
    draft = path.with_suffix(".tmp")
    content = f"{_HEAD}\n# of {config.resolve()}\n# {_digest(config, text)}\n{text}".encode()
    if _is(path, content):
        return
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, 0o600)
        file.write(content)
        file.flush()
        os.fsync(handle)
    draft.replace(path)
    sync_folder(folder)


def find_last_good(config: Path, broken: str | None, usual: Iterable[Path]) -> str | None:
    """Return the text that was kept for this config file, None where there is none.

    broken: what the file says now; it may still tell its data folder. usual: where else to look.
    A copy that was damaged, or that is of another file, is none.
    """
    named = _DATA_DIR.search(broken or "")
    folders = [config.parent / named[1].strip()] if named else []
    for folder in (*folders, *usual):
        try:
            text = (folder / FILE_NAME).read_bytes().decode("utf-8")
        except (OSError, ValueError):
            continue
        parts = text.split("\n", 3)
        if len(parts) == 4 and parts[2] == f"# {_digest(config, parts[3])}":
            return parts[3]
    return None


def _digest(config: Path, text: str) -> str:
    return hashlib.sha256(f"{config.resolve()}\n{text}".encode()).hexdigest()


def _is(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:
        return False
