"""Where an update's files are, and the two links; see docs/adr/0023 and 0027.

Under /opt/lobbycount everything is root's. What is decided there is never read from a folder
that the service may write to.
"""

import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from edge.adapters.config_file import sync_folder
from edge.updating.slots import SLOTS

STAMP = ".source"
"""What scripts/install knows a whole slot by."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where things are. root: of the device's own files, another one in tests and images."""

    root: Path = Path("/")

    @property
    def home(self) -> Path:
        """Slots and links."""
        return self.root / "opt/lobbycount"

    @property
    def own(self) -> Path:
        """What an update needs in between, and the trial."""
        return self.home / "update"

    @property
    def keys(self) -> Path:
        """The public keys that are trusted."""
        return self.home / "update-keys"

    @property
    def wheels(self) -> Path:
        """The wheels of what is in use, for bundles that leave some out."""
        return self.home / "wheels"

    @property
    def drop(self) -> Path:
        """The drop folder, which is the service's."""
        return self.root / "var/lib/lobbycount/update"

    @property
    def settings(self) -> Path:
        """The configs."""
        return self.root / "etc/lobbycount"

    @property
    def taken(self) -> Path:
        """The bundle that is worked on."""
        return self.own / "bundle.lcu"

    @property
    def new_wheels(self) -> Path:
        """The wheels of the version on trial."""
        return self.own / "wheels"

    def slot_of(self, link: str) -> str | None:
        """Return which slot a link points to."""
        with suppress(OSError):
            target = (self.home / link).readlink().name
            return target if target in SLOTS else None
        return None

    def version_of(self, slot: str) -> str | None:
        """Return the version in a slot, by what pip wrote there."""
        found = (self.home / slot).glob("lib/python3*/site-packages/lobbycount-*.dist-info")
        names = [path.name for path in found]
        return names[0].removeprefix("lobbycount-").removesuffix(".dist-info") if names else None

    def point(self, link: str, slot: str) -> None:
        """Turn a link; a power cut must not find it at files that are not on the disk yet."""
        os.sync()
        draft = self.home / f"{link}.new"
        draft.unlink(missing_ok=True)
        draft.symlink_to(slot)
        draft.replace(self.home / link)
        sync_folder(self.home)

    def whole(self) -> frozenset[str]:
        """Return the slots that were built to the end, and the one that is known to work.

        Whoever installed that one by hand left no stamp in it; it can be gone back to all the same.
        """
        known = self.slot_of("confirmed") or self.slot_of("current")
        works = {known} if known and (self.home / known / "bin/lobbycount").exists() else set()
        return frozenset({slot for slot in SLOTS if (self.home / slot / STAMP).is_file()} | works)

    def clear(self, slot: str) -> None:
        """Remove a slot, its stamp first, unless this program runs from it."""
        path = self.home / slot
        if Path(sys.prefix).resolve() != path.resolve():
            (path / STAMP).unlink(missing_ok=True)
            shutil.rmtree(path, ignore_errors=True)

    def keep_wheels(self) -> None:
        """Let the wheels of the version on trial be those of what is in use."""
        if self.new_wheels.is_dir():
            shutil.rmtree(self.wheels, ignore_errors=True)
            self.new_wheels.replace(self.wheels)

    def clear_new_wheels(self) -> None:
        """Remove the wheels of a version that is not on trial."""
        shutil.rmtree(self.new_wheels, ignore_errors=True)


@contextmanager
def only_one(place: Place) -> Iterator[bool]:
    """Hold the lock that scripts/install holds too; yields whether it could be had."""
    descriptor = os.open(place.home.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)
