"""A table of sites, one row for each device, as it comes out of a spreadsheet."""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from edge.config_errors import sentences
from edge.errors import BadInputError
from edge.provision_file import Provision

MOST_ROWS = 2000
_NEEDED = ("id", "name", "tenant", "camera")
_COLUMNS = {
    "id": ("编号", "device.id"),
    "name": ("名称", "device.name"),
    "tenant": ("街道", "device.tenant"),
    "camera": ("摄像机", "camera.source"),
    "wifi_ssid": ("无线名称", "network.wifi.ssid"),
    "wifi_password": ("无线密码", "network.wifi.password"),
    "address": ("地址", "network.ethernet.address"),
    "gateway": ("网关", "network.ethernet.gateway"),
    "dns": ("域名服务器", "network.ethernet.dns"),
    "unit": ("责任单位", "privacy.unit"),
    "purpose": ("用途", "privacy.purpose"),
    "contact": ("电话", "privacy.contact"),
}
_EXAMPLE = "id,name,tenant,camera\nlobby-001,幸福里,street-1,rtsp://192.168.1.64:554/stream"
Document = dict[str, Any]
"""What a provision file says."""


def read_sites(path: Path, common: Mapping[str, Any]) -> list[Document]:
    """Return what the provision file of each row shall say.

    common: the sections that all have. Raises BadInputError, `file:row: column: what; e.g. …` for
    every problem at once.
    """
    rows = csv.reader(io.StringIO(_text(path), newline=""))
    columns = _columns(path, next(rows, []))
    found: list[Document] = []
    problems: list[str] = []
    seen: dict[str, int] = {}
    for number, cells in enumerate(rows, 2):
        if not any(cell.strip() for cell in cells):
            continue
        document = _document(dict(zip(columns, map(str.strip, cells), strict=False)), common)
        told = _problems(document)
        if len(cells) > len(columns) and any(cells[len(columns) :]):
            told.append(
                f"has {len(cells)} cells, the heading has {len(columns)}; is a comma in it?"
            )
        dev = str(document["device"].get("id", ""))
        if dev and dev in seen:
            told.append(f"id (编号): {dev} is in row {seen[dev]} too; every device needs its own")
        seen.setdefault(dev, number)
        problems += [f"{path}:{number}: {each}" for each in told]
        found.append(document)
    if problems or not found or len(found) > MOST_ROWS:
        empty = f"{path}: has no rows, or more than {MOST_ROWS}; e.g.\n{_EXAMPLE}"
        raise BadInputError("\n".join(problems[:50]) or empty)
    return found


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read: {error.strerror}") from error
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\xff\xfe", b"\xfe\xff")):
        raise BadInputError(
            f"{path}: is a workbook or UTF-16 text; save it as “CSV UTF-8” 请另存为 CSV UTF-8 格式"
        )
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise BadInputError(f"{path}: is neither UTF-8 nor GB18030 text; save it as “CSV UTF-8”")


def _columns(path: Path, heading: list[str]) -> list[str]:
    names = {spelt: name for name, (zh, _) in _COLUMNS.items() for spelt in (name, zh)}
    columns = [names.get(cell.strip().lower(), "") for cell in heading]
    known = ", ".join(f"{name} ({zh})" for name, (zh, _) in _COLUMNS.items())
    for number, (cell, name) in enumerate(zip(heading, columns, strict=True), 1):
        if not name and cell.strip():
            raise BadInputError(f"{path}:1: column {number} {cell.strip()!r}: not one of {known}")
    missing = [name for name in _NEEDED if name not in columns]
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if missing or twice:
        what = f"lacks {', '.join(missing)}" if missing else f"has {twice[0]} twice"
        raise BadInputError(f"{path}:1: the heading {what}; e.g.\n{_EXAMPLE}")
    return columns


def _document(cells: Mapping[str, str], common: Mapping[str, Any]) -> Document:
    document: Document = json.loads(json.dumps(common))
    document.setdefault("device", {})
    for name, value in cells.items():
        if not name or not value:
            continue
        *parents, key = _COLUMNS[name][1].split(".")
        node = document
        for parent in parents:
            node = node.setdefault(parent, {})
        node[key] = value.replace(";", " ").split() if name == "dns" else value
    return document


def _problems(document: Document) -> list[str]:
    """Return what is wrong with a row by the names of its columns, never with a password."""
    try:
        Provision.model_validate(document, context={"folder": Path()})
    except ValidationError as error:
        found = sentences(error, Provision)
    else:
        return []
    return [_by_column(str(mistake)) for mistake in found]


def _by_column(sentence: str) -> str:
    path, _, what = sentence.partition(": ")
    if path == "network.wifi.password":
        what = what.partition(", not ")[0] + "; 8 to 63 characters"
    for name, (zh, place) in _COLUMNS.items():
        if path == place or path.startswith(f"{place}["):
            return f"{name} ({zh}): {what}"
    return sentence
