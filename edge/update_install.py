"""From a bundle of root's to a slot that passed its self-test: verify, unpack, build."""

import platform
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from edge import __version__
from edge.adapters import slot_builder
from edge.adapters.drop_folder import check_room, sha256_of
from edge.adapters.outbox_schema import SCHEMA_VERSION
from edge.adapters.update_keys import trusted_keys
from edge.adapters.update_place import Place
from edge.adapters.update_trial_file import highest_confirmed
from edge.updating.acceptance import Here
from edge.updating.bundle import Signed, read_signed, read_wheels
from edge.updating.manifest import Manifest, Wheel
from edge.updating.words import Code, refusal


def here(place: Place) -> Here:
    """Return what this device is; the version is the one that runs this."""
    machine = {"arm64": "aarch64"}.get(platform.machine(), platform.machine())
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    highest = highest_confirmed(place.own, __version__)
    return Here(machine, python, __version__, highest, SCHEMA_VERSION)


def signed_by(path: Path, place: Place) -> Signed:
    """Verify the beginning of a bundle. Raises UpdateError, OSError."""
    with path.open("rb") as file:
        return read_signed(file, trusted_keys(place.keys))


def unpack(place: Place, manifest: Manifest) -> None:
    """Put all wheels of a verified manifest into one folder, each by its hash.

    Those left out come from the wheels of what is in use. Raises UpdateError, OSError.
    """
    carried = sum(wheel.size for wheel in manifest.carried)
    check_room(place.home, slot_builder.ROOM_BYTES + carried)
    shutil.rmtree(place.new_wheels, ignore_errors=True)
    place.new_wheels.mkdir()
    _link_left_out(place, manifest)

    @contextmanager
    def open_for(wheel: Wheel) -> Iterator[BinaryIO]:
        with (place.new_wheels / wheel.name).open("xb") as out:
            yield out

    with place.taken.open("rb") as file:
        read_signed(file, trusted_keys(place.keys))
        read_wheels(file, manifest, open_for)


def _link_left_out(place: Place, manifest: Manifest) -> None:
    missing = []
    for wheel in manifest.wheels:
        kept = place.wheels / wheel.name
        if wheel.carried:
            continue
        if kept.is_file() and sha256_of(kept) == wheel.sha256:
            (place.new_wheels / wheel.name).hardlink_to(kept)
        else:
            missing.append(wheel.project)
    if missing:
        raise refusal(Code.WHEELS_MISSING, what=", ".join(missing))


def make_slot(place: Place, slot: str, in_use: str, manifest: Manifest) -> None:
    """Build and test the slot; it is whole and has its stamp then. Raises UpdateError, OSError."""
    slot_builder.build(place, slot, manifest, place.new_wheels)
    slot_builder.self_test(place, slot, in_use, manifest.version)
    slot_builder.stamp(place, slot, manifest)
