"""A provision file for each row of a table, the tokens for the endpoint, and labels to print."""

import csv
import hashlib
import io
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge import yaml_splice as splice
from edge.adapters.qr_segno import qr_svg
from edge.adapters.tls_identity import check_authority
from edge.adapters.written_whole import OWNER_ONLY, write_whole
from edge.errors import BadInputError
from edge.provision_labels import Label, sheet
from edge.provision_reading import PROVISION_FILE, read
from edge.provision_rows import Document, read_sites

_TOKEN_BYTES = 20
_PORT = 8090
_HEAD = """\
# {dev}: 把本文件和 ca.pem 复制到启动分区，插卡，上电；结果见 provision-result.txt。
# Copy this file and ca.pem onto the boot partition, insert the card, power on; how it went is in
# provision-result.txt. It holds secrets: delete other copies.  含密码，请勿外传。
"""


@dataclass(frozen=True, slots=True)
class Common:
    """What all devices of a table have. enrol: the endpoint, None: certificates come by file."""

    broker: str
    port: int
    ca: Path
    enrol: str | None = None
    setup_page: bool = True


def write_sheet(table: Path, out: Path, common: Common) -> int:
    """Write `ID/provision.yaml` and `ID/ca.pem`, `tokens.csv` and `labels.html` into a new folder.

    Returns how many devices. Raises BadInputError; nothing is written then.
    """
    try:
        ca = common.ca.read_bytes()
    except OSError as error:
        raise BadInputError(f"--ca {common.ca}: cannot be read: {error.strerror}") from error
    check_authority(ca)
    sites = read_sites(table, _sections(common))
    labels = sheet([_label(site, common.setup_page) for site in sites], qr_svg)
    try:
        out.mkdir(parents=True, mode=0o700)
        tokens = {site["device"]["id"]: _write_device(out, site, ca) for site in sites}
        if common.enrol:
            write_whole(out / "tokens.csv", _token_table(tokens))
        write_whole(out / "labels.html", labels.encode(), 0o644)
    except FileExistsError:
        raise BadInputError(
            f"--out {out}: is there already, and its tokens may be in use; name a new folder"
        ) from None
    except OSError as error:
        raise BadInputError(f"--out {out}: cannot be written: {error.strerror}") from error
    return len(sites)


def _sections(common: Common) -> Mapping[str, Any]:
    found: dict[str, Any] = {"broker": {"host": common.broker, "port": common.port, "ca": "ca.pem"}}
    if common.enrol:
        found["enrolment"] = {"url": common.enrol}
    if common.setup_page:
        found["setup_page"] = {"enabled": True, "network": "lan", "port": _PORT}
    return found


def _write_device(out: Path, site: Document, ca: bytes) -> str:
    dev = site["device"]["id"]
    token = secrets.token_hex(_TOKEN_BYTES)
    if "enrolment" in site:
        site["enrolment"]["token"] = token
    folder = out / dev
    folder.mkdir(mode=0o700)
    path = folder / PROVISION_FILE
    write_whole(folder / "ca.pem", ca, 0o644)
    write_whole(path, (_HEAD.format(dev=dev) + _yaml(site)).encode(), OWNER_ONLY)
    read(path)  # what is given to an installer is what a device takes
    return token


def _yaml(document: Document) -> str:
    lines = []
    for section, values in document.items():
        lines.append(f"{section}:")
        lines += [f"  {key}: {splice.flow(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def _label(site: Document, has_page: bool) -> Label:
    address = site.get("network", {}).get("ethernet", {}).get("address", "").partition("/")[0]
    url = f"https://{address}:{_PORT}" if address and has_page else ""
    return Label(site["device"]["id"], site["device"].get("name", ""), url)


def _token_table(tokens: Mapping[str, str]) -> bytes:
    """Return the endpoint's list: SHA-256 only, the tokens themselves are in the files."""
    text = io.StringIO()
    rows: Sequence[tuple[str, str]] = [
        (dev, hashlib.sha256(token.encode()).hexdigest()) for dev, token in tokens.items()
    ]
    csv.writer(text, lineterminator=os.linesep).writerows([("id", "sha256"), *rows])
    return text.getvalue().encode()
