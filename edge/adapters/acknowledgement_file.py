"""The installer's acknowledgement on disk: a small file in the data folder, for its owner only."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.errors import OutboxError

FILE_NAME = "acknowledgement.json"


def read_acknowledgement(folder: Path) -> dict[str, Any] | None:
    """Return the record, None where there is none; one that cannot be read is an empty one."""
    try:
        record = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def write_acknowledgement(folder: Path, record: Mapping[str, Any]) -> Path:
    """Replace the record in one step; it is on the disk afterwards. Raises OutboxError."""
    path = folder / FILE_NAME
    draft = path.with_suffix(".tmp")
    try:
        made = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(record, file, ensure_ascii=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
        _give_to(folder.parent if made else folder, draft, *((folder,) if made else ()))
        draft.replace(path)
    except OSError as error:
        raise OutboxError(
            f"{path}: cannot be written ({error.strerror}); run this as the user of the service"
            " or with sudo 请用服务用户或 sudo 运行"
        ) from error
    return path


def _give_to(like: Path, *paths: Path) -> None:
    """Let the owner of a folder own what root has just made beside it: the service reads it."""
    owner = like.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        for path in paths:
            os.chown(path, owner.st_uid, owner.st_gid)
