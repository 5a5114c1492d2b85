"""The remembered view on disk: directions of edges, no picture; see docs/adr/0017.

One small file in the data folder, for its owner only, replaced in one step.
"""

import json
import os
from pathlib import Path

import structlog

from edge.view_signature import Signature

FILE_NAME = "view.json"
VERSION = "1.0"

_log = structlog.get_logger(__name__)


class ViewFile:
    """Where the view of one camera survives restarts and power cuts."""

    def __init__(self, folder: Path, camera: str) -> None:
        """Prepare. camera: says which camera and masks; another one's view is not taken."""
        self._path, self._camera = folder / FILE_NAME, camera

    def load(self) -> Signature | None:
        """Return what is kept for this camera; None when that is nothing or cannot be read."""
        try:
            fields = json.loads(self._path.read_text(encoding="utf-8"))
            if not isinstance(fields, dict) or fields.get("v") != VERSION:
                raise ValueError("not a view of this version")
            return Signature.of(fields) if fields.get("camera") == self._camera else None
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            _log.warning("view.unreadable", file=str(self._path), reason=str(error))
            return None

    def save(self, signature: Signature) -> None:
        """Replace what is kept; a sick disk must not stop the counting."""
        fields = {"v": VERSION, "camera": self._camera, **signature.fields()}
        draft = self._path.with_suffix(".tmp")
        try:
            draft.unlink(missing_ok=True)
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(fields, file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
        except OSError as error:
            _log.warning("view.not_kept", file=str(self._path), reason=error.strerror)

    def is_there(self) -> bool:
        """Say whether there is a file; removing it is how an operator without a page confirms."""
        return self._path.exists()

    def remove(self) -> None:
        """Forget the view."""
        self._path.unlink(missing_ok=True)
