"""What a support bundle is about: a config file, which may be broken, and what it leads to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from edge.adapters.plain_file import read_plain
from edge.adapters.secret_files import secrets_of
from edge.config import Config, load
from edge.config_secrets import config_hosts, config_secrets, leaves
from edge.config_sections import RecordsSection
from edge.errors import ConfigError
from edge.redaction import Redactor, Secret

MOST_CONFIG_BYTES = 1_000_000
KEPT_CONFIG = "config.last-good.yaml"
"""In the data folder: what is in force while the file itself cannot be used."""
_IN_TEXT = {
    "records.data_dir": re.compile(r"""\bdata_dir:[ \t]*["']?([^"'#,}\n]+)"""),
    "device.id": re.compile(r"""^device:.*?\bid:[ \t]*["']?([\w-]+)""", re.DOTALL | re.MULTILINE),
    "device.tenant": re.compile(r"""\btenant:[ \t]*["']?([\w-]+)"""),
}
"""Where these are in a file that is no YAML."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One device as its config file describes it, as far as that can be read.

    config: None when the file cannot be used; `trouble` says why.
    text: the file as it is, None when it cannot be read.
    """

    path: Path
    config: Config | None
    trouble: str | None
    text: str | None
    document: object
    settings: Mapping[str, str]

    @property
    def folder(self) -> Path:
        """The data folder, the usual one where the config does not tell."""
        return self.path.parent / self.settings.get(
            "records.data_dir", str(RecordsSection().data_dir)
        )

    @property
    def dev(self) -> str:
        """The device's id."""
        return self.settings.get("device.id", "unknown")

    def kept(self) -> str:
        """Return the config that is kept for when the file cannot be used; may be empty."""
        return _text(self.folder / KEPT_CONFIG) or ""

    def secrets(self) -> list[Secret]:
        """Return every secret value that is known on this machine."""
        kept = self.kept()
        found = {
            *config_secrets(self.document, self.text or ""),
            *config_secrets(_parsed(kept), kept),
        }
        found |= set(secrets_of(self._named(), [self.folder, self.path.parent]))
        return sorted(secret for secret in found if secret.value not in self._public())

    def redactor(self, secrets: list[Secret]) -> Redactor:
        """Return what hides them, and the addresses."""
        kept = self.kept()
        before = config_hosts(_parsed(kept), kept).items()
        hosts = {host: name.replace("<", "<former-") for host, name in before}
        hosts |= config_hosts(self.document, self.text or "")
        return Redactor(secrets, hosts, public=self._public())

    def _public(self) -> frozenset[str]:
        """Return what is in every message of the device, and so no secret as a user name."""
        return frozenset({self.dev, self.settings.get("device.tenant", "")})

    def _named(self) -> list[Path]:
        """Return the password files and keys that the config names."""
        named = ("password_file", "key")
        found = [value for _, key, value in leaves(self.document) if key in named]
        return [self.path.parent / value for value in found]


def subject_of(path: Path) -> Subject:
    """Read a config file as far as it goes. Raises nothing: a broken one is what is reported."""
    text = _text(path)
    document = _parsed(text or "")
    config: Config | None = None
    trouble: str | None = None
    try:
        config = load(path)
    except ConfigError as error:
        trouble = str(error)
    except Exception as error:  # what `load` did not foresee is the very thing to report
        trouble = f"{path}: {type(error).__name__}: {error}"
    in_text = {name: pattern.search(text or "") for name, pattern in _IN_TEXT.items()}
    settings = {name: match[1].strip() for name, match in in_text.items() if match}
    settings |= {where: value for where, _, value in leaves(document)}
    return Subject(path, config, trouble, text, document, settings)


def _text(path: Path) -> str | None:
    try:
        return read_plain(path, MOST_CONFIG_BYTES)
    except OSError:
        return None


def _parsed(text: str) -> object:
    try:
        return YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return None
