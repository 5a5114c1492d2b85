"""Where provisioning finds and leaves its files, and how a step ends a start."""

from dataclasses import dataclass
from pathlib import Path

from edge.provision_words import Outcome


@dataclass(frozen=True, slots=True)
class Place:
    """Where things are. boot: the partition with the file; root: of the device's own files."""

    boot: Path
    config: Path = Path("/etc/lobbycount/lobby.yaml")
    root: Path = Path("/")

    def on_disk(self, path: Path) -> Path:
        """Return where a path of the device is while this runs."""
        return self.root / path.relative_to("/") if path.is_absolute() else self.root / path

    @property
    def folder(self) -> Path:
        """The folder of config, key and certificates."""
        return self.on_disk(self.config).parent


class EndsHereError(Exception):
    """It goes no further at this start."""

    def __init__(self, outcome: Outcome, line: str) -> None:
        super().__init__(line)
        self.outcome = outcome
