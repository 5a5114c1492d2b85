"""Reading the installer's file, and what is said when it is wrong.

What is said never holds a secret of it: the answer is written beside the file, for everybody.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from edge.config_errors import explain, line_of, without_password
from edge.config_text import LARGEST_BYTES, parse, unreadable
from edge.errors import ConfigError, Mistake
from edge.provision_file import Provision
from edge.provision_text import as_meant, decoded, has_wide_quotes

PROVISION_FILE = "provision.yaml"
NAMES = (
    PROVISION_FILE,
    "provision.yaml.txt",
    "provision.yml",
    "provision.yml.txt",
    "provision.txt",
)
"""What Windows makes of the name: it hides endings, and Notepad adds its own."""
_SECRET = re.compile(r"(?m)\b(?:token|password)[\"']?\s*[:：][ \t]*[\"'“‘]?([^\s\"',}#”’]+)")
_SECRET_SECTIONS = ("enrolment", "network")
_ANEW = "copy it from the office's folder again, or begin with the example in docs/provisioning.md"
_ANEW_ZH = "请重新复制办公室给的文件，或从 docs/provisioning.md 的例子开始"


class Found(NamedTuple):
    """A provision file as it was found. lines: those that were read as they were meant."""

    content: bytes
    provision: Provision
    document: Any
    lines: tuple[int, ...] = ()

    def placed(self, name: str, told: str) -> str:
        """Put file and line before what is told of a setting, `section.setting: what`."""
        setting = re.match(r"(\w+)\.(\w+): ", told)
        line = line_of(self.document, setting.groups()) if setting else 0
        return f"{name}:{line}: {told}" if line else told


def provision_files(boot: Path) -> list[Path]:
    """Return the provision files that are there; the first is the one that counts."""
    return [path for name in NAMES if (path := boot / name).exists()]


def beside(boot: Path, name: str) -> Path:
    """Return where a file of this name is; Windows may have put .txt behind it."""
    path = boot / name
    hidden = boot / f"{name}.txt"
    return hidden if hidden.exists() and not path.exists() else path


def read(path: Path) -> Found:
    """Return a provision file and what it says.

    Raises ConfigError, one line per problem: `file:line: path: what; e.g. …`, without secrets.
    """
    content, text = _text(path)
    try:
        if not has_wide_quotes(text):  # YAML would take them for letters
            return Found(content, *_provision(path, text))
    except ConfigError:
        pass
    meant = as_meant(text, set(_names(Provision.model_json_schema())))
    return Found(content, *_provision(path, meant.text), meant.lines)


def _text(path: Path) -> tuple[bytes, str]:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
        if not content.strip(b"\0 \r\n") or len(content) > LARGEST_BYTES:
            said = f"is empty or far too long; {_ANEW}", f"文件是空的，或太长；{_ANEW_ZH}"
            raise ConfigError(Mistake(*said, file=path.name))
        return content, decoded(content)
    except OSError as error:
        en, zh = unreadable(error)
        said = f"cannot be read: {en}; {_ANEW}", f"无法读取：{zh}；{_ANEW_ZH}"
        raise ConfigError(Mistake(*said, file=path.name)) from error
    except UnicodeDecodeError as error:
        said = (
            f"is no text that can be read; in Notepad: Save as, encoding UTF-8; or {_ANEW}",
            f"文字编码无法识别；请用记事本“另存为”，编码选 UTF-8；或{_ANEW_ZH}",
        )
        raise ConfigError(Mistake(*said, file=path.name)) from error


def _provision(path: Path, text: str) -> tuple[Provision, Any]:
    try:
        document = parse(Path(path.name), text, (_ANEW, _ANEW_ZH))
        return _validated(path, document), document
    except ConfigError as error:
        raise ConfigError(*(_without_secrets(m, text) for m in error.mistakes)) from None


def _validated(path: Path, document: Any) -> Provision:
    try:
        return Provision.model_validate(document, context={"folder": path.parent})
    except ValidationError as error:
        raise ConfigError(*explain(Path(path.name), document, error, Provision)) from None


def _names(schema: Any) -> Iterator[str]:
    """Yield the names of all settings of a JSON Schema."""
    if isinstance(schema, dict):
        yield from schema.get("properties", ())
        yield from schema.get("propertyNames", {}).get("enum", ())
    for part in schema.values() if isinstance(schema, dict) else schema:
        if isinstance(part, dict | list):
            yield from _names(part)


def _without_secrets(mistake: Mistake, text: str) -> Mistake:
    """Hide what the file calls a secret, and all values of the sections that hold one."""
    secrets = sorted({value for value in _SECRET.findall(text) if len(value) > 1}, key=len)
    section = re.match(r"\w*", mistake.setting)
    is_secret = section is not None and section[0] in _SECRET_SECTIONS

    def cleaned(told: str) -> str:
        if is_secret:
            told = re.sub(r", not .*?(?=; e\.g\. |$)", "", told)
            told = re.sub(r"，现在是 .*?(?=；例如 |$)", "", told)
        told = re.sub(r" with value .*?\)(?=;|）|$)", "", told)  # a key twice
        for secret in reversed(secrets):
            told = told.replace(secret, "***")
        return without_password(told)

    en, zh, setting = map(cleaned, (mistake.en, mistake.zh, mistake.setting))
    return replace(mistake, en=en, zh=zh, setting=setting)
