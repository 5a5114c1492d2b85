"""Updates from a stick: mounted for this process alone, read-only, nothing on it is executed.

Only regular files in its top folder whose names begin with `lobbycount` and end in `.lcu` are
looked at. A stick without one is somebody's own: nothing is written to it.
"""

import os
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

import structlog

from edge.adapters import services_systemd
from edge.adapters.drop_folder import DropFolder, sha256_of
from edge.adapters.update_keys import trusted_keys
from edge.adapters.update_place import Place
from edge.adapters.written_whole import write_whole
from edge.errors import BadInputError, UpdateError
from edge.provision_words import for_any_editor
from edge.update_install import here
from edge.update_verb import last_report, run_updates
from edge.updating.acceptance import expect_acceptable
from edge.updating.bundle import SUFFIX, read_signed
from edge.updating.report import Report
from edge.updating.versions import Key, version_key

RESULT_FILE = "lobbycount-update-result.txt"
LIMIT_S = 3600.0
_TYPES = "vfat,exfat,ext4"
_OPTIONS = "noexec,nosuid,nodev"
_LOOK_S = 1.0
_log = structlog.get_logger(__name__)


def from_stick(stick: Path, place: Place, within_s: float) -> str | None:
    """Apply the newest acceptable bundle of a stick; return what was written to it.

    None: there is no bundle on it. Raises BadInputError when it cannot be mounted.
    """
    with _folder_of(stick) as folder:
        found = _bundles(folder)
        if not found:
            return None
        best, lines = _best(found, place)
        if best is not None:
            lines += _applied(best, place, within_s)
        text = "".join(f"{line}\n" for line in ["lobbycount 升级结果 · update result", *lines])
        _leave(stick, folder, text)
        return text


def _bundles(folder: Path) -> list[Path]:
    names = sorted(folder.glob(f"lobbycount*{SUFFIX}"))
    return [path for path in names if stat.S_ISREG(path.lstat().st_mode)]


def _best(found: list[Path], place: Place) -> tuple[Path | None, list[str]]:
    """Return the newest that this device may take, and why not, where there is none."""
    keys, device = trusted_keys(place.keys), here(place)
    acceptable: list[tuple[Key, Path]] = []
    lines = []
    for path in found:
        try:
            with path.open("rb") as file:
                manifest = read_signed(file, keys).manifest
            expect_acceptable(manifest, device)
        except UpdateError as error:
            lines += [f"{path.name}: {error.zh}", f"    {error.en}"]
        except OSError as error:
            lines += [f"{path.name}: 读不出来 it cannot be read ({error.strerror})"]
        else:
            acceptable.append((version_key(manifest.version), path))
    return (max(acceptable)[1], []) if acceptable else (None, lines)


def _applied(path: Path, place: Place, within_s: float) -> list[str]:
    digest = sha256_of(path)
    with path.open("rb") as file:
        DropFolder(place.drop).put(file)
    if place.root == Path("/") and services_systemd.has_systemd():
        services_systemd.start_updater()
        report = _ended(place, digest)
    else:
        run_updates(place, within_s)
        report = last_report(place)
    if report is None or report.bundle not in {digest, None}:
        return [f"{path.name}: 没有结果，见 journalctl -u lobbycount-update · no result, see there"]
    return [
        f"{path.name}: {report.zh}",
        f"    {report.en}",
        f"版本 version in use: {report.version} ({report.at})",
    ]


def _ended(place: Place, digest: str) -> Report | None:
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        report = last_report(place)
        if report is not None and report.bundle == digest and report.has_ended:
            return report
        time.sleep(_LOOK_S)
    return None


@contextmanager
def _folder_of(stick: Path) -> Iterator[Path]:
    """Mount a device where only this process sees it; a folder is there already."""
    if stick.is_dir():
        yield stick
        return
    folder = Path(mkdtemp(prefix="lobbycount-usb-", dir=os.environ.get("RUNTIME_DIRECTORY")))
    try:
        _mount("-t", _TYPES, "-o", f"ro,{_OPTIONS}", "--", str(stick), str(folder))
    except OSError as error:
        folder.rmdir()
        raise BadInputError(
            f"{stick}: {error}; a stick is FAT32, exFAT or ext4 无法读取 U 盘，请格式化为 FAT32"
        ) from error
    try:
        yield folder
    finally:
        subprocess.run(["/usr/bin/umount", str(folder)], check=False)  # noqa: S603
        with suppress(OSError):
            folder.rmdir()


def _leave(stick: Path, folder: Path, text: str) -> None:
    """Write the result; a stick that is locked, or gone, has none, and the log has it."""
    _log.info("update.usb", result=text)
    try:
        if not stick.is_dir():
            _mount("-o", f"remount,rw,{_OPTIONS}", "--", str(folder))
        write_whole(folder / RESULT_FILE, for_any_editor(text))
    except OSError as error:
        _log.warning("update.result-not-written", reason=error.strerror or str(error))


def _mount(*options: str) -> None:
    done = subprocess.run(  # noqa: S603
        ["/usr/bin/mount", *options], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise OSError(f"it cannot be mounted: {' '.join(done.stderr.split())}")
