"""The secret values on this machine, read only to make sure that none of them leaves it."""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain, islice
from pathlib import Path

from edge.redaction import Secret

_LIKE_A_SECRET = re.compile(
    r"(?i)\.key(\.new)?$|\.pem$|passw(or)?d|secret|token|session|cookie|(^|[-_.])pin([-_.]|$)"
)
_PEM_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----(.*?)-----END", re.DOTALL)
_MOST_FILES = 5000
_MOST_BYTES = 65_536
_SHORTEST_TOKEN = 8
"""Of what is in a file with other things too; a password file is one secret of any length."""


def secrets_of(named: Iterable[Path], folders: Iterable[Path]) -> list[Secret]:
    """Return what must not leave of the named files, and of files that look like such.

    named: password files and keys of the config. folders: where others may lie. What cannot be
    read by this user cannot have got into a bundle either. Sorted, without doubles.
    """
    found: set[Secret] = set()
    for path in named:
        found |= set(_whole(path)) | set(_inside(path))
    for folder in folders:
        for path in _candidates(folder):
            found |= set(_inside(path))
    return sorted(found)


def _candidates(folder: Path) -> list[Path]:
    try:
        inside = islice(chain(folder.glob("*"), folder.glob("*/*")), _MOST_FILES)
        found = sorted(path for path in inside if _LIKE_A_SECRET.search(path.name))
        return [path for path in found if path.is_file()]
    except OSError:
        return []


def _whole(path: Path) -> Iterator[Secret]:
    """Yield each line as a secret, but nothing of a file in PEM: most of that is public."""
    text = _text(path)
    if "-----BEGIN" not in text:
        lines = (line.strip() for line in (text, *text.splitlines()))
        yield from (Secret(path.name, line) for line in lines if line)


def _inside(path: Path) -> Iterator[Secret]:
    """Yield what in a file with other things too may be a secret."""
    text = _text(path)
    for body in _PEM_KEY.findall(text):
        lines = [line for line in body.split() if len(line) >= _SHORTEST_TOKEN]
        yield from (Secret(path.name, line) for line in lines)
    if "-----BEGIN" in text:
        return
    for line in (text, *text.splitlines()):
        try:
            words = list(_strings(json.loads(line)))
        except ValueError:
            words = [] if line is text else line.split()
        for word in words:
            if len(word) >= _SHORTEST_TOKEN and not _is_moment(word):
                yield Secret(path.name, word)


def _strings(node: object) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for below in node.values():
            yield from _strings(below)
    elif isinstance(node, list):
        for below in node:
            yield from _strings(below)


def _is_moment(word: str) -> bool:
    try:
        datetime.fromisoformat(word)
    except ValueError:
        return False
    return True


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
