"""The models this counter knows: the shipped catalog, and the one in a folder of the user's own.

What is pulled or exported goes to the own folder, so that an installation anew never loses it.
An entry of the own catalog goes before a shipped one of the same name.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.adapters.model_entry import ModelEntry, entry_text, parse_entry
from edge.errors import ModelError

FOLDER_VARIABLE = "LOBBYCOUNT_MODELS"
OWN_FOLDER = Path("/var/lib/lobbycount/models")
"""Beside the records: the service may read it, and no package owns it."""
CATALOG_FILE = "catalog.toml"

_PACKAGE = Path(__file__).resolve().parents[1]
_HEADER = """\
# Models of this machine's own, read beside those that come with lobbycount. Written by
# `lobbycount models`: values may be edited here, comments are not kept.

"""


@dataclass(frozen=True, slots=True)
class Catalog:
    """The entries of both folders; those named in `own_names` are of the own catalog."""

    folder: Path
    own: Path
    default: str
    entries: Mapping[str, ModelEntry]
    own_names: frozenset[str] = frozenset()
    unread: str = ""
    """Why the own catalog was not read, where that stops nothing; else empty."""

    def entry(self, name: str | None = None) -> ModelEntry:
        """Return the entry of that name, or the default one.

        Raises ModelError when the catalog has none.
        """
        wanted = name or self.default
        if wanted not in self.entries:
            unread = f" ({self.unread})" if self.unread else ""
            raise ModelError(
                f"There is no model {wanted!r} in {self.folder / CATALOG_FILE} or"
                f" {self.own / CATALOG_FILE}{unread}; "
                f"choose one of {', '.join(sorted(self.entries))}."
            )
        return self.entries[wanted]

    def path(self, entry: ModelEntry) -> Path:
        """Return where the file of an entry is expected."""
        shipped = entry.shipped and entry.name not in self.own_names
        return (self.folder if shipped else self.own) / entry.file


def shipped_folder() -> Path:
    """Return the folder of the shipped catalog: inside the installed package, or the repository's.

    Raises ModelError when there is none.
    """
    candidates = [_PACKAGE / "_models", _PACKAGE.parent / "models"]
    for folder in candidates:
        if (folder / CATALOG_FILE).is_file():
            return folder
    raise ModelError(
        f"No {CATALOG_FILE} in {' or '.join(str(folder) for folder in candidates)}; "
        "reinstall lobbycount."
    )


def own_folder(explicit: Path | None = None) -> Path:
    """Return the folder of the user's own models: explicit, else $LOBBYCOUNT_MODELS, else usual."""
    return Path(explicit or os.environ.get(FOLDER_VARIABLE) or OWN_FOLDER)


def make_own_folder(explicit: Path | None = None) -> Path:
    """Return the folder of the user's own models, made if need be; raises ModelError."""
    folder = own_folder(explicit)
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True)
            folder.chmod(0o755)  # whatever this user's umask, the service has to read it
    except OSError as problem:
        raise ModelError(
            f"The models folder {folder} cannot be made ({problem.strerror}); run this with sudo,"
            " or name another folder with --folder."
        ) from problem
    return folder


def load_catalog(explicit: Path | None = None) -> Catalog:
    """Read the shipped catalog and that of the own folder.

    A folder that was named must be there; the usual one need not, and stops nothing when
    this user may not read it. Raises ModelError when a catalog cannot be understood.
    """
    shipped, own = shipped_folder(), own_folder(explicit)
    document = _read(shipped / CATALOG_FILE, "reinstall lobbycount")
    mine: dict[str, Any] = {}
    unread = ""
    try:
        own.stat()
        mine = read_own(own)
    except OSError as problem:
        unread = f"{own} cannot be read: {problem.strerror}"
        if own != OWN_FOLDER:
            raise ModelError(
                f"The models folder {unread}; make it, or correct model.folder in the config"
                f" or {FOLDER_VARIABLE}."
            ) from problem
        if isinstance(problem, FileNotFoundError):
            unread = ""
    known = _entries(document, shipped)
    owned = _entries(mine, own)
    default = mine.get("default") or document["default"]
    return Catalog(shipped, own, default, known | owned, frozenset(owned), unread)


def add_own(folder: Path, entry: ModelEntry) -> None:
    """Write an entry into the own catalog, in place of one of the same name.

    Raises ModelError when the catalog there cannot be understood, OSError when it cannot be
    written.
    """
    document = read_own(folder)
    entries = {**_entries(document, folder), entry.name: entry}
    default = f'default = "{document["default"]}"\n\n' if "default" in document else ""
    text = _HEADER + default + "\n".join(entry_text(each) for each in entries.values())
    temporary = folder / f"{CATALOG_FILE}.new"
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.chmod(0o644)
    temporary.replace(folder / CATALOG_FILE)


def offered_entry(folder: Path, name: str) -> ModelEntry | None:
    """Return the entry of that name in the catalog of another folder, e.g. on a USB stick.

    Raises ModelError when there is a catalog that cannot be understood.
    """
    return _entries(read_own(folder), folder).get(name)


def read_own(folder: Path) -> dict[str, Any]:
    """Return the catalog of a folder as it is written, empty when there is none."""
    path = folder / CATALOG_FILE
    try:
        return _read(path, "correct it, or move it away and pull or export again")
    except FileNotFoundError:
        return {}


def _read(path: Path, remedy: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except ValueError as problem:
        raise _unusable(path, problem, remedy) from problem


def _entries(document: Mapping[str, Any], folder: Path) -> dict[str, ModelEntry]:
    try:
        entries = [parse_entry(raw) for raw in document.get("model", ())]
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise _unusable(folder / CATALOG_FILE, problem, "correct it or reinstall") from problem
    return {entry.name: entry for entry in entries}


def _unusable(path: Path, problem: Exception, remedy: str) -> ModelError:
    return ModelError(f"{path} cannot be used ({type(problem).__name__}: {problem}); {remedy}.")
