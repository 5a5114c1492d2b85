"""A device moves to another board or card: identity, config, history and what is still to be sent.

The old board is retired with the export, and the new one begins a new stream: two boards never
send different records under the same numbers.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.adapters import acknowledgement_file, device_key, shadow_file, view_file
from edge.adapters.continued_file import write_continued
from edge.adapters.data_folder import OUTBOX_FILE, claim
from edge.adapters.outbox_handover import (
    Handover,
    Row,
    begin_with,
    parsed,
    read_handover,
    stream_of,
)
from edge.adapters.retirement import begin_import, end_import, retire, was_begun
from edge.adapters.site_package import LARGEST_BYTES, Files, opened, package_id, packed, sealed
from edge.adapters.written_whole import write_whole
from edge.config import Config, checked, load
from edge.errors import OutboxError, SitePackageError
from edge.setup_page.pin import PIN_FILE

SHORTEST_PASSPHRASE = 10
_KEPT = (
    device_key.KEY_FILE,
    acknowledgement_file.FILE_NAME,
    shadow_file.FILE_NAME,
    view_file.FILE_NAME,
    PIN_FILE,
)
_CALIBRATIONS = "calibration-*.json"
_RECORDS = "records.jsonl"
_TRIES = 8
_HEADER_BYTES = 2000


@dataclass(frozen=True, slots=True)
class Moved:
    """What a package holds. left_out: the oldest delivered records, if there was no room."""

    dev: str
    records: int
    pending: int
    left_out: int


def export_site(config_path: Path, out: Path, passphrase: str) -> Moved:
    """Write the package of a device that is stopped, and retire it.

    Raises OutboxError while it runs or when it is retired, SitePackageError when the package
    cannot be written or what is still to be sent is too much; then it is not retired.
    """
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise SitePackageError(f"the passphrase has to have {SHORTEST_PASSPHRASE} letters or more")
    config = load(config_path)
    folder, dev = config.records.data_dir, config.device.id
    with claim(folder):
        handed = read_handover(folder / OUTBOX_FILE, dev)
        files = {"config": config_path.read_bytes(), **dict(_secrets(config)), **_data(folder)}
        chosen, contents = _fitting(files, handed)
        moved = Moved(
            dev,
            len(chosen),
            sum(row.retired_ms is None for row in chosen),
            len(handed.rows) - len(chosen),
        )
        made = time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime())
        header = {"dev": dev, "made": made, "records": moved.records, "left_out": moved.left_out}
        try:
            write_whole(out, sealed(contents, passphrase, header))
            retire(folder)
        except OSError as error:
            raise SitePackageError(f"{out}: cannot be written: {error.strerror}") from error
    return moved


def import_site(package: Path, config_path: Path, passphrase: str, root: Path = Path("/")) -> Moved:
    """Make this board the device of a package. May be done again after a power cut.

    root: where the paths of the config begin. Raises SitePackageError for a package that cannot
    be used, and OutboxError when this board has a history of its own; nothing is changed then.
    """
    head, files = opened(package, passphrase)
    try:
        config = checked(config_path, files["config"].decode("utf-8"))
        handed = parsed(files[_RECORDS])
    except (KeyError, ValueError, TypeError) as error:
        raise SitePackageError(f"{package}: is not complete ({error}); export it again") from error
    folder, dev = _under(root, config.records.data_dir), config.device.id
    try:
        with claim(folder, for_import=True):
            _take_over(config, config_path, files, handed, (package_id(head), root))
    except OSError as error:
        where = error.filename or folder
        raise SitePackageError(
            f"{where}: cannot be written ({error.strerror}); run this as the user of the service,"
            " e.g. sudo -u lobbycount lobbycount site import site.zip, and again after a failure"
        ) from error
    pending = sum(row.retired_ms is None for row in handed.rows)
    return Moved(dev, len(handed.rows), pending, int(head.get("left_out", 0)))


def _take_over(
    config: Config, config_path: Path, files: Files, handed: Handover, of: tuple[str, Path]
) -> None:
    """Write everything. Nobody counts here from the first mark to the last.

    of: which package, and where the paths of the config begin.
    """
    package, root = of
    folder = _under(root, config.records.data_dir)
    _refuse_another(folder, files, package)
    begin_import(folder, package)
    _put(_under(root, config_path), files["config"], 0o640)
    for name, path in _secret_paths(config):
        if name in files:
            _put(_under(root, path), files[name])
    for name in files:
        if name.startswith("data/"):
            write_whole(folder / Path(name).name, files[name])
    if not (folder / OUTBOX_FILE).exists():
        begin_with(folder / OUTBOX_FILE, config.device.id, handed)
    write_continued(folder, stream_of(folder / OUTBOX_FILE), package)
    end_import(folder)


def _refuse_another(folder: Path, files: Mapping[str, bytes], package: str) -> None:
    """Raise OutboxError where there is a history already, before anything is written."""
    key = folder / device_key.KEY_FILE
    other = key.exists() and key.read_bytes() != files.get(f"data/{device_key.KEY_FILE}")
    if not was_begun(folder, package) and (other or (folder / OUTBOX_FILE).exists()):
        raise OutboxError(
            f"{folder}: this board has records or a key of its own, or has taken the package"
            f" already; if they may go, stop the service and: sudo mv {folder} {folder}.old"
            " 本机已有记录或密钥"
        )


def _secret_paths(config: Config) -> Iterator[tuple[str, Path]]:
    tls = config.mqtt.tls
    named = {
        "tls/ca": tls.ca if tls else None,
        "tls/cert": tls.cert if tls else None,
        "tls/key": tls.key if tls else None,
        "password": config.mqtt.password_file,
    }
    for name, path in named.items():
        if path is not None:
            yield name, path


def _secrets(config: Config) -> Iterator[tuple[str, bytes]]:
    for name, path in _secret_paths(config):
        try:
            yield name, path.read_bytes()
        except OSError as error:
            raise SitePackageError(
                f"{path}: cannot be read ({error.strerror}); run this as the user of the service,"
                " e.g. sudo -u lobbycount lobbycount site export --out site.zip"
            ) from error


def _data(folder: Path) -> Files:
    paths = [folder / name for name in _KEPT] + sorted(folder.glob(_CALIBRATIONS))
    return {f"data/{path.name}": path.read_bytes() for path in paths if path.is_file()}


def _fitting(files: Files, handed: Handover) -> tuple[list[Row], bytes]:
    """Take what is still to be sent, and of the rest the newest for which there is room."""
    pending = [row for row in handed.rows if row.retired_ms is None]
    rest = [row for row in handed.rows if row.retired_ms is not None]
    rest.sort(key=lambda row: str(json.loads(row.body).get("t0")), reverse=True)

    def of(count: int) -> tuple[list[Row], bytes]:
        chosen = sorted(pending + rest[:count])
        text = handed._replace(rows=chosen).text()
        return chosen, packed({**files, _RECORDS: text})

    room = LARGEST_BYTES - _HEADER_BYTES
    best = of(len(rest))
    if len(best[1]) <= room:
        return best
    best, low, high = of(0), 0, len(rest)
    if len(best[1]) > room:
        raise SitePackageError(
            f"{len(pending)} records have not been delivered and are more than a package holds;"
            " connect the device to its broker first 未上报的记录过多，请先联网上报"
        )
    for _ in range(_TRIES):
        middle = (low + high) // 2
        tried = of(middle)
        if len(tried[1]) <= room:
            best, low = tried, middle
        else:
            high = middle
    return best


def _under(root: Path, path: Path) -> Path:
    return root / path.relative_to("/") if path.is_absolute() else path


def _put(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file; another one that was there is kept beside it."""
    if path.exists() and path.read_bytes() != content:
        write_whole(path.with_name(f"{path.name}.before-import"), path.read_bytes())
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content, mode)
