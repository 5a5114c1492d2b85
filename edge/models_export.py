"""`lobbycount models export`: starts `model_export` in a process of its own.

Nothing here imports torch or ultralytics, so neither does the counting service.
"""

import importlib.util
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from edge.errors import BadInputError

NEEDED = ("ultralytics", "torch", "onnx", "model_export")


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is wanted. height, width: of the network's input, in pixels."""

    model: str
    folder: Path
    height: int
    width: int
    calibrate: Path | None
    precision: str
    name: str | None
    person_class: str | None

    def arguments(self) -> list[str]:
        """Return it as `python -m model_export` takes it."""
        given = {
            "--folder": self.folder,
            "--height": self.height,
            "--width": self.width,
            "--calibrate": self.calibrate,
            "--precision": self.precision,
            "--name": self.name,
            "--person-class": self.person_class,
        }
        options = [f"{option}={value}" for option, value in given.items() if value is not None]
        return [*options, "--", self.model]


def export(request: ExportRequest) -> int:
    """Run the export and return its exit code; it writes to standard output and error itself.

    Raises BadInputError when what it needs is not installed.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise BadInputError(
            f"An export needs {', '.join(missing)}, which is not installed: run it on a desktop"
            " computer, pip install 'lobbycount[export]' (AGPL-3.0, some gigabytes with torch), and"
            " bring the result to the device with `lobbycount models pull NAME --from FOLDER`."
        )
    command = [sys.executable, "-m", "model_export", *request.arguments()]
    return subprocess.run(command, check=False).returncode  # noqa: S603  our own interpreter
