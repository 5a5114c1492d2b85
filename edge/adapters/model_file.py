"""Whether a model file is the one its catalog entry describes."""

import hashlib
from pathlib import Path

from edge.adapters.model_entry import ModelEntry
from edge.errors import ModelError


def read_model(entry: ModelEntry, path: Path) -> bytes:
    """Return the content of a model file after checking its size and SHA-256.

    Raises ModelError, naming file, reason and remedy, when it is not the file the
    catalog describes, and when the catalog does not know the hash of that file.
    """
    if entry.sha256 is None:
        raise ModelError(
            f"Model file {path} cannot be used: the catalog knows no SHA-256 of {entry.name};"
            f" {_remedy(entry)}."
        )
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise ModelError(
            f"Model file {path} cannot be read ({problem.strerror}); {_remedy(entry)}."
        ) from problem
    if wrong := what_is_wrong(entry, len(content), hashlib.sha256(content).hexdigest()):
        raise ModelError(f"Model file {path} {wrong}; {_remedy(entry)}.")
    return content


def what_is_wrong(entry: ModelEntry, size: int, sha256: str) -> str:
    """Return why a file of this size and SHA-256 is not the entry's, or an empty string."""
    if entry.bytes is not None and size != entry.bytes:
        return (
            f"has {size} bytes but should have {entry.bytes}, so it is incomplete or another file"
        )
    if entry.sha256 is not None and sha256 != entry.sha256:
        return (
            f"has SHA-256 {sha256[:12]}… but should have {entry.sha256[:12]}…,"
            " so it is damaged or another file"
        )
    return ""


def _remedy(entry: ModelEntry) -> str:
    if entry.shipped:
        return "reinstall lobbycount or restore the file from the release"
    if entry.weights is not None or entry.file.endswith(".bin"):
        return f"{entry.name} is not shipped, make it with: python models/recipes/ncnn_g.py"
    if entry.export:
        return f"{entry.name} is not shipped, make it with: lobbycount models export {entry.export}"
    adopt = " --adopt" if entry.sha256 is None else ""
    return f"{entry.name} is not shipped, get it with: lobbycount models pull {entry.name}{adopt}"
