"""`lobbycount models pull`: a model file → checked → its place in the folder of own models."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from edge.adapters.model_catalog import Catalog, add_own, offered_entry
from edge.adapters.model_check import check_runs
from edge.adapters.model_download import NoAnswerError, fetch
from edge.adapters.model_entry import ModelEntry
from edge.adapters.model_file import what_is_wrong
from edge.errors import BadInputError, DownloadError, ModelError

OnBytes = Callable[[int, int | None], None]


def pull(
    catalog: Catalog,
    name: str,
    source: str | None = None,
    *,
    adopt: bool = False,
    on_bytes: OnBytes = lambda _got, _of: None,
) -> tuple[ModelEntry, Path]:
    """Bring the file of a model to its place and return its entry and path.

    source: a mirror's address, a file or a folder; None is the address in the catalog. A folder
    that `models export` wrote brings the entries of its own catalog along.
    adopt: takes the file as the right one where the catalog knows no hash, and writes its hash
    into the own catalog. Raises DownloadError with what to copy where when it cannot be had,
    ModelError when it is another file, BadInputError when it cannot be asked for like that.
    """
    entry = _entry(catalog, name, source)
    _check_request(entry, source, adopt)
    target = catalog.own / entry.file
    if entry.sha256 is not None and target.is_file() and not _wrong(entry, target):
        return entry, target
    place = source or entry.url
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as file:
            _lock(file, part)
            _bring(entry, place, file, part, on_bytes)
            known = entry if entry.sha256 is not None else _adopted(entry, part)
            os.fsync(file.fileno())
            part.chmod(0o644)
            part.replace(target)
        if catalog.entries.get(name) != known:
            _bring_card(entry, place, target.parent)
            add_own(target.parent, known)
    except NoAnswerError as problem:
        raise DownloadError(f"{place}: {problem}.\n{by_hand(entry, target)}") from problem
    except OSError as problem:
        raise DownloadError(
            f"{problem.filename or part}: cannot be written ({problem.strerror}); is the disk"
            f" full, and may this user write to {target.parent}?"
        ) from problem
    return known, target


def by_hand(entry: ModelEntry, target: Path) -> str:
    """Say what to copy where, for a machine without a network, in both languages."""
    known = entry.sha256 is not None
    again = f"lobbycount models pull {entry.name} --from /media/usb/{entry.published_as}"
    rows = [
        "Without a network, copy the file by hand, e.g. from a USB stick"
        "（没有网络时，请用 U 盘等手动复制）:",
        f"  file 文件:    {entry.published_as}" + (f"  ({entry.url})" if entry.url else ""),
    ]
    if known:
        rows += [f"  size 大小:    {entry.bytes} bytes", f"  SHA-256:      {entry.sha256}"]
    rows += [
        f"  to 目标:      {target}",
        f"  with 命令:    {again}{'' if known else ' --adopt'}",
        f"  check 核验:   lobbycount models verify {entry.name}",
    ]
    return "\n".join(rows)


def _entry(catalog: Catalog, name: str, source: str | None) -> ModelEntry:
    """Return the entry; one of a folder's own catalog where this one knows no hash for sure."""
    known = catalog.entries.get(name)
    pinned = known is not None and known.sha256 is not None and name not in catalog.own_names
    if source and not pinned and "://" not in source and Path(source).is_dir():
        offered = offered_entry(Path(source), name)
        if offered is not None and offered.sha256 is not None:
            _refuse_taken(catalog, offered, source)
            return replace(offered, shipped=False)
    return catalog.entry(name)


def _refuse_taken(catalog: Catalog, offered: ModelEntry, source: str) -> None:
    for other in catalog.entries.values():
        if other.name != offered.name and (taken := offered.files & other.files):
            raise BadInputError(
                f"{source} offers {offered.name} with {', '.join(sorted(taken))}, which here is a"
                f" file of {other.name}; export it under another name, e.g. --name door-model"
            )


def _bring_card(entry: ModelEntry, place: str, folder: Path) -> None:
    card = Path(place) / entry.card
    if entry.card and "://" not in place and card.is_file() and card.parent != folder:
        shutil.copyfile(card, folder / entry.card)


def _check_request(entry: ModelEntry, source: str | None, adopt: bool) -> None:
    if entry.shipped:
        raise BadInputError(
            f"{entry.name} comes with lobbycount and needs no pulling; if its file is damaged,"
            " reinstall lobbycount."
        )
    if entry.weights is not None:
        raise BadInputError(
            f"{entry.name} is two files, {entry.file} and {entry.weights.file}; make them with:"
            " python models/recipes/ncnn_g.py, or copy both into the models folder."
        )
    if entry.export and not source:
        raise BadInputError(
            f"Nobody offers {entry.name}: make it with `lobbycount models export {entry.export}`,"
            f" or bring a file of your own with --from FILE."
        )
    if entry.sha256 is None and not adopt:
        raise BadInputError(
            f"The catalog knows no SHA-256 of {entry.name}, because nobody of this project has had"
            " the file; `--adopt` takes the file that comes as the right one and writes its"
            " SHA-256 down: compare that with what its publisher says."
        )
    if not source and not entry.url:
        raise BadInputError(
            f"No public address is known for {entry.name} ({entry.source}); say where it is:"
            f" --from https://mirror.example.org/models/ or --from /media/usb/{entry.file}"
        )


def _bring(entry: ModelEntry, place: str, file: IO[bytes], part: Path, on_bytes: OnBytes) -> None:
    """Fill the part file from an address or a path, until it is the entry's file."""
    if "://" not in place:
        _copy(Path(place), entry, file)
        _refuse(entry, part, place)
        return
    address = _address(place, entry)
    resumed = file.tell() > 0
    if entry.bytes is None or file.tell() != entry.bytes:
        fetch(address, file, entry.bytes, on_bytes)
    file.flush()
    if resumed and _wrong(entry, part):
        file.truncate(0)  # the part was of another file, or of another version of it
        file.seek(0)
        fetch(address, file, entry.bytes, on_bytes)
        file.flush()
    _refuse(entry, part, address)


def _refuse(entry: ModelEntry, part: Path, place: str) -> None:
    if wrong := _wrong(entry, part):
        part.unlink()
        raise ModelError(
            f"The file from {place} {wrong}; it was thrown away. Ask for {entry.file} with"
            f" SHA-256 {entry.sha256}."
        )


def _address(place: str, entry: ModelEntry) -> str:
    parts = urlsplit(place)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadInputError(
            f"--from {place}: must be an http or https address, a file or a folder,"
            " e.g. --from https://mirror.example.org/models/ or --from /media/usb"
        )
    return place if place.endswith(".onnx") else f"{place.rstrip('/')}/{entry.published_as}"


def _copy(given: Path, entry: ModelEntry, file: IO[bytes]) -> None:
    source = given
    if given.is_dir():
        own = given / entry.file
        source = own if own.exists() else given / entry.published_as
    file.truncate(0)
    file.seek(0)
    try:
        opened = source.open("rb")
    except OSError as problem:
        raise NoAnswerError(f"{source} cannot be read ({problem.strerror})") from problem
    with opened:
        shutil.copyfileobj(opened, file)
    file.flush()


def _lock(file: IO[bytes], part: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise DownloadError(
            f"{part}: another `lobbycount models pull` is at it; wait for it."
        ) from None


def _wrong(entry: ModelEntry, path: Path) -> str:
    return what_is_wrong(entry, path.stat().st_size, _sha256(path))


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _adopted(entry: ModelEntry, part: Path) -> ModelEntry:
    """Give the entry the hash of what came, if that is such a network and it runs."""
    known = replace(entry, sha256=_sha256(part), bytes=part.stat().st_size)
    try:
        check_runs(known, part)
    except ModelError:
        part.unlink()
        raise
    return known
