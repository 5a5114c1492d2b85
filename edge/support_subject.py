"""What a support bundle is about: a config file, which may be broken, and what it leads to."""

from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from edge.adapters.secret_files import secrets_of
from edge.config import Config, load
from edge.config_secrets import config_hosts, config_secrets, leaves
from edge.config_sections import RecordsSection
from edge.errors import ConfigError
from edge.redaction import Redactor, Secret

MOST_CONFIG_BYTES = 1_000_000


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
    folder: Path
    dev: str

    def secrets(self) -> list[Secret]:
        """Return every secret value that is known on this machine."""
        found = set(config_secrets(self.document, self.text or ""))
        return sorted(found | set(secrets_of(self._named(), [self.folder, self.path.parent])))

    def redactor(self, secrets: list[Secret]) -> Redactor:
        """Return what hides them, and the addresses."""
        hosts = config_hosts(self.document, self.text or "")
        return Redactor(secrets, hosts, public=self.public())

    def public(self) -> frozenset[str]:
        """Return what is in every message of the device, and so no secret as a user name."""
        return frozenset({self.dev, self._setting("device.tenant") or ""})

    def _named(self) -> list[Path]:
        """Return the password files and keys that the config names."""
        named = ("password_file", "key")
        found = [value for _, key, value in leaves(self.document) if key in named]
        return [self.path.parent / value for value in found]

    def _setting(self, path: str) -> str | None:
        return next((value for where, _, value in leaves(self.document) if where == path), None)


def subject_of(path: Path) -> Subject:
    """Read a config file as far as it goes. Raises nothing: a broken one is what is reported."""
    try:
        with path.open("rb") as file:
            text: str | None = file.read(MOST_CONFIG_BYTES).decode("utf-8", "replace")
    except OSError:
        text = None
    document = _parsed(text or "")
    config: Config | None = None
    trouble: str | None = None
    try:
        config = load(path)
    except ConfigError as error:
        trouble = str(error)
    except Exception as error:  # what `load` did not foresee is the very thing to report
        trouble = f"{path}: {type(error).__name__}: {error}"
    settings = {where: value for where, _, value in leaves(document)}
    folder = path.parent / settings.get("records.data_dir", str(RecordsSection().data_dir))
    return Subject(
        path, config, trouble, text, document, folder, settings.get("device.id", "unknown")
    )


def _parsed(text: str) -> object:
    try:
        return YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return None
