"""Which site package the present stream goes on from.

A device says it in every head of that stream, so that a backend notices a package that was
imported on two boards. A stream that begins later, after damage, goes on from none.
"""

import json
from pathlib import Path

from edge.adapters.written_whole import write_whole

FILE_NAME = "continued.json"


def write_continued(folder: Path, stream: str, package: str) -> None:
    """Note it in a data folder; it is on the disk afterwards. Raises OSError."""
    write_whole(folder / FILE_NAME, json.dumps({"package": package, "stream": stream}).encode())


def read_continued(folder: Path, stream: str) -> str | None:
    """Return the package that a stream goes on from; None where there is none."""
    try:
        said = json.loads((folder / FILE_NAME).read_bytes())
        return str(said["package"]) if said["stream"] == stream else None
    except (OSError, ValueError, LookupError, TypeError):
        return None
