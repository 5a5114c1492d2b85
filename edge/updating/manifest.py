"""The manifest of an update bundle: what it is for and, by hash, what belongs to it. Pure.

Its bytes are the canonical JSON of its fields, so that one manifest has one signature. Fields
that are not known are allowed: a newer builder may say more. What an older device must not
overlook raises `format`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge.errors import UpdateError
from edge.sealing import canonical
from edge.updating.versions import version_key
from edge.updating.words import Code, refusal

FORMAT = 1
PROGRAM = "lobbycount"
OLDEST_BEFORE = "0.1.0"
"""The oldest version that may be updated to this source tree, for its bundles."""
MOST_BYTES = 256 * 1024
"""Of a manifest."""
MOST_WHEEL_BYTES = 512 * 1024**2
MOST_WHEELS = 200

_WHEEL = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9_.]{0,60})-[A-Za-z0-9_.!+]{1,40}(?:-\d[A-Za-z0-9_.]{0,20})?"
    r"-[A-Za-z0-9_.]{1,40}-[A-Za-z0-9_.]{1,40}-[A-Za-z0-9_.]{1,80}\.whl"
)
_PATTERNS: Mapping[str, re.Pattern[str]] = {
    "built": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII),
    "machine": re.compile(r"x86_64|aarch64"),
    "python": re.compile(r"3\.\d{1,2}", re.ASCII),
    "sha256": re.compile(r"[0-9a-f]{64}"),
    "source": re.compile(r"[0-9a-f]{16}"),
    "wheel": _WHEEL,
}
_LONGEST_NAME = 100  # in the header of a tar


@dataclass(frozen=True, slots=True)
class Wheel:
    """One package. size: bytes. carried: whether it is in the bundle, or has to be there."""

    name: str
    size: int
    sha256: str
    carried: bool

    @property
    def project(self) -> str:
        """The package's name, as its file begins."""
        return self.name.split("-")[0]

    @property
    def version(self) -> str:
        """The package's version."""
        return self.name.split("-")[1]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle is.

    version, requires: of the program; the device must have `requires` or newer.
    built: UTC. machine, python: what the wheels are for, e.g. `aarch64`, `3.11`.
    source: the hash over the source tree that scripts/install knows a slot by.
    data_format: of the outbox that the version writes.
    """

    version: str
    requires: str
    built: str
    machine: str
    python: str
    source: str
    data_format: int
    wheels: Sequence[Wheel]

    @property
    def carried(self) -> list[Wheel]:
        """The wheels that are in the bundle, in its order."""
        return [wheel for wheel in self.wheels if wheel.carried]

    def requirements(self) -> str:
        """Return the wheels with their hashes, as pip reads them."""
        lines = [f"{w.project}=={w.version} --hash=sha256:{w.sha256}\n" for w in self.wheels]
        return "".join(lines)


def manifest_bytes(manifest: Manifest) -> bytes:
    """Return what is signed and put into the bundle. Raises UpdateError for what none may say."""
    wheels = [
        {"name": w.name, "size": w.size, "sha256": w.sha256, "carried": w.carried}
        for w in manifest.wheels
    ]
    fields = {
        "format": FORMAT,
        "program": PROGRAM,
        "version": manifest.version,
        "requires": manifest.requires,
        "built": manifest.built,
        "machine": manifest.machine,
        "python": manifest.python,
        "source": manifest.source,
        "data_format": manifest.data_format,
        "wheels": wheels,
    }
    content = canonical(fields).encode()
    parse_manifest(content)
    return content


def parse_manifest(content: bytes) -> Manifest:
    """Read a manifest whose signature was verified. Raises UpdateError."""
    fields = _fields(content)
    if fields.get("program") != PROGRAM:
        raise _wrong("program")
    if fields.get("format") != FORMAT:
        raise _wrong(f"format {fields.get('format')!r}, known is {FORMAT}")
    wheels = _wheels(fields.get("wheels"))
    return Manifest(
        version=_version(fields, "version"),
        requires=_version(fields, "requires"),
        built=_text(fields, "built"),
        machine=_text(fields, "machine"),
        python=_text(fields, "python"),
        source=_text(fields, "source"),
        data_format=_number(fields, "data_format", 1, 10**6),
        wheels=wheels,
    )


def _fields(content: bytes) -> Mapping[str, Any]:
    try:
        fields = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        raise _wrong("manifest.json is not JSON") from None
    if not isinstance(fields, dict):
        raise _wrong("manifest.json is not an object")
    return fields


def _wheels(value: object) -> list[Wheel]:
    if not isinstance(value, list) or not 0 < len(value) <= MOST_WHEELS:
        raise _wrong("wheels")
    wheels = [_wheel(each) for each in value]
    projects = {_normal(wheel.project) for wheel in wheels}
    if len(projects) != len(wheels):
        raise _wrong("wheels: one is there twice")
    if PROGRAM not in projects:
        raise _wrong("wheels: the program itself is missing")
    return wheels


def _wheel(value: object) -> Wheel:
    if not isinstance(value, dict) or not isinstance(value.get("carried"), bool):
        raise _wrong("wheels")
    name = _text({"wheel": value.get("name")}, "wheel")
    if len(name) > _LONGEST_NAME:
        raise _wrong(f"wheels: {name} is longer than {_LONGEST_NAME} characters")
    size = _number(value, "size", 1, MOST_WHEEL_BYTES)
    return Wheel(name, size, _text(value, "sha256"), value["carried"])


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or _PATTERNS[name].fullmatch(value) is None:
        raise _wrong(name)
    return value


def _version(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise _wrong(name)
    version_key(value)
    return value


def _number(fields: Mapping[str, Any], name: str, least: int, most: int) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise _wrong(name)
    return value


def _normal(project: str) -> str:
    return re.sub(r"[-_.]+", "-", project).lower()


def _wrong(what: str) -> UpdateError:
    return refusal(Code.FORMAT, what=what)
