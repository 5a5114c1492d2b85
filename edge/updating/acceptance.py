"""Whether a bundle that is signed is for this device, and comes after what it has. Pure."""

from dataclasses import dataclass

from edge.updating.manifest import Manifest
from edge.updating.versions import is_newer, version_key
from edge.updating.words import Code, refusal


@dataclass(frozen=True, slots=True)
class Here:
    """The device. highest: of the versions that ever worked here.

    data_format: the newest of the outbox that the version in use can read.
    """

    machine: str
    python: str
    version: str
    highest: str
    data_format: int


def expect_acceptable(manifest: Manifest, here: Here, *, allow_older: bool = False) -> None:
    """Raise UpdateError for a bundle that is not for this device, or is no step forward.

    allow_older: for whoever is root and says so by hand; a signature does not age, so an old
    bundle with a known hole would otherwise be as good as a new one.
    """
    wanted, own = f"{manifest.machine} Python {manifest.python}", f"{here.machine} Python"
    if wanted != f"{own} {here.python}":
        raise refusal(Code.PLATFORM, what=wanted, here=f"{own} {here.python}")
    if version_key(manifest.version) == version_key(here.version):
        raise refusal(Code.NOT_NEWER, what=manifest.version)
    if not is_newer(manifest.version, here.highest) and not allow_older:
        raise refusal(Code.DOWNGRADE, what=manifest.version, here=here.highest)
    if is_newer(manifest.requires, here.version):
        raise refusal(Code.REQUIRES, what=manifest.requires, here=here.version)
    if manifest.data_format > here.data_format:
        raise refusal(Code.DATA_FORMAT, what=manifest.data_format, here=here.data_format)
