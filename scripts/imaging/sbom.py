"""What is in the image: Debian's packages and Python's, as CycloneDX 1.5 JSON.

python sbom.py TREE --name NAME > FILE       TREE: the root of the image
Nothing in it depends on when or where it is made: the same tree gives the same bytes.
"""

import argparse
import hashlib
import json
import os
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from email.parser import HeaderParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

PACKAGES = "usr/share/lobbycount-packages.tsv"
SITE = "opt/lobbycount/a/lib/python3.11/site-packages"


def debian_components(listing: str, suite: str = "bookworm") -> list[dict[str, Any]]:
    """Return one component a line of NAME, VERSION, ARCHITECTURE, SOURCE, parted by tabs.

    Raises ValueError for any other line.
    """
    components = []
    for number, line in enumerate(listing.splitlines(), 1):
        fields = line.split("\t")
        if len(fields) != 4 or not all(fields):
            raise ValueError(
                f"{PACKAGES}:{number}: must be name, version, architecture and source, parted by"
                f" tabs, not {line!r}; e.g. zstd\\t1.5.4+dfsg2-5\\tarm64\\tlibzstd"
            )
        name, version, architecture, source = fields
        query = f"?arch={architecture}&distro={suite}"
        purl = f"pkg:deb/debian/{quote(name)}@{quote(version)}{query}"
        components.append({
            "type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl,
            "properties": [{"name": "debian:source", "value": source}],
        })  # fmt: skip
    return components


def python_component(metadata: str) -> dict[str, Any]:
    """Return the component that the METADATA file of an installed distribution describes."""
    fields = HeaderParser().parsestr(metadata)
    name, version = fields["Name"], fields["Version"]
    if not name or not version:
        raise ValueError(
            "a METADATA file without Name or Version; e.g. Name: numpy, Version: 2.4.6"
        )
    purl = f"pkg:pypi/{quote(name.lower().replace('_', '-'))}@{quote(version)}"
    component = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if spdx := fields["License-Expression"]:
        component["licenses"] = [{"expression": spdx}]
    elif (licence := fields["License"]) and "\n" not in licence and len(licence) < 80:
        component["licenses"] = [{"license": {"name": licence}}]
    return component


def bill(name: str, components: Iterable[dict[str, Any]], at: int) -> dict[str, Any]:
    """Return the bill of materials; `at`: its date in seconds since 1970, UTC."""
    ordered = sorted(components, key=lambda component: component["bom-ref"])
    digest = hashlib.sha256(json.dumps([name, at, ordered], sort_keys=True).encode()).hexdigest()
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.UUID(digest[:32], version=4)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {"type": "operating-system", "bom-ref": name, "name": name},
        },
        "components": ordered,
    }


def of_tree(tree: Path, name: str, at: int) -> dict[str, Any]:
    """Return the bill of a root tree."""
    components = debian_components((tree / PACKAGES).read_text("utf-8"))
    for metadata in (tree / SITE).glob("*.dist-info/METADATA"):
        components.append(python_component(metadata.read_text("utf-8")))
    return bill(name, components, at)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tree", type=Path)
    parser.add_argument("--name", required=True)
    options = parser.parse_args()
    at = int(os.environ["SOURCE_DATE_EPOCH"])
    print(json.dumps(of_tree(options.tree, options.name, at), indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
