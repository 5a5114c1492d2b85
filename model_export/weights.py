"""Which file a model is made from; nothing is ever downloaded."""

import re
from pathlib import Path

from model_export.errors import ExportError

RELEASES = "https://github.com/ultralytics/assets/releases"


def find_weights(given: str, folder: Path) -> tuple[str, bool]:
    """Return what ultralytics is to load, and whether it is trained.

    given: a .pt file, a .yaml architecture (a file, or a name ultralytics knows), or a name such
    as yolo11n, whose .pt is looked for here and in `folder`. Raises ExportError.
    """
    if given.endswith((".yaml", ".yml")):
        return given, False
    named = (
        [Path(given)] if given.endswith(".pt") else [Path(f"{given}.pt"), folder / f"{given}.pt"]
    )
    for path in named:
        if path.is_file():
            return str(path.absolute()), True
    file = named[0].name
    raise ExportError(
        f"{given}: there is no {' and no '.join(str(path) for path in named)}; nothing is"
        f" downloaded here, so fetch {file} from {RELEASES} (AGPL-3.0), put it at {folder / file},"
        f" and ask again: lobbycount models export {folder / file}"
    )


def default_name(given: str, height: int, width: int) -> str:
    """Return the name of an export, e.g. yolo11n-416 or yolo11n-416x256."""
    stem = re.sub(r"[^a-z0-9._-]+", "-", Path(given).stem.lower()).strip("-.") or "model"
    return f"{stem}-{width}" if height == width else f"{stem}-{width}x{height}"
