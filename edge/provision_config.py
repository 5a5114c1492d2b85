"""The config file made of a provision file: settings put into a text that keeps its comments."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from edge import yaml_splice as splice
from edge.config import checked
from edge.errors import ConfigError, Mistake
from edge.provision_file import Provision

Settings = Mapping[str, Mapping[str, Any]]


def settings_of(provision: Provision, folder: Path) -> Settings:
    """Return what a provision file says, as sections of the config.

    folder: where the certificates lie once the device runs.
    """
    tls = {"ca": f"{folder}/ca.pem", "cert": f"{folder}/device.pem", "key": f"{folder}/device.key"}
    broker = provision.broker
    found: dict[str, Mapping[str, Any]] = {
        name: section.model_dump(mode="json", exclude_unset=True)
        for name in ("device", "camera", "privacy", "hours", "setup_page")
        if (section := getattr(provision, name)) is not None
    }
    return {**found, "mqtt": {"host": broker.host, "port": broker.port, "tls": tls}}


def with_settings(text: str, settings: Settings, path: Path) -> str:
    """Return the text of a config with other settings; comments and all else stay.

    path: the file's, for errors. Raises ConfigError when the result is no config.
    """
    for section, values in settings.items():
        text = _with_section(text, section, values)
    checked(path, text)
    return text


def _with_section(text: str, section: str, values: Mapping[str, Any]) -> str:
    found = splice.entry(splice.composed(text), section)
    if found is None or not isinstance(found[1], MappingNode) or section == "hours":
        return _with_new_section(text if found is None else _without(text, found), section, values)
    for key, value in values.items():
        text = _with_setting(text, section, key, value)
    return text


def _with_setting(text: str, section: str, key: str, value: Any) -> str:
    """Change a setting where it stands, where it stands as a comment, or behind the last one."""
    found = splice.entry(splice.composed(text), section)
    if found is None or not isinstance(found[1], MappingNode):
        raise ConfigError(
            Mistake(
                f"cannot be changed; write it as `{section}:` and lines below",
                f"无法修改；请写成 `{section}:`，各项设置写在下面几行",
                section,
            )
        )
    node = found[1]
    there = splice.entry(node, key)
    if there is not None and _says(there[1], value):
        return text
    if there is not None:
        return splice.spliced(text, splice.replaced(text, there[1], value, there[0]))
    start, end = int(node.start_mark.index), _section_end(text, int(node.start_mark.index))
    commented = re.search(rf"(?m)^(\s+)# {key}: [^\n]*?(\s+#[^\n]*)?$", text[start:end])
    if commented and not node.flow_style:
        line = f"{commented[1]}{key}: {splice.flow(value)}{commented[2] or ''}"
        return text[: start + commented.start()] + line + text[start + commented.end() :]
    return splice.spliced(text, [splice.appended(text, node, {key: value})])


def _says(node: Node, value: Any) -> bool:
    """Whether it is written there already, in whatever way; lists are written anew."""
    if isinstance(node, MappingNode) and isinstance(value, Mapping):
        said = {key.value: each for key, each in node.value}
        return said.keys() == value.keys() and all(_says(said[k], v) for k, v in value.items())
    return isinstance(node, ScalarNode) and isinstance(value, str) and node.value == value


def _section_end(text: str, start: int) -> int:
    """Return where the lines of a section end: at the next line that is not indented."""
    following = re.compile(r"(?m)^\S").search(text, start)
    return following.start() if following else len(text)


def _without(text: str, found: tuple[Any, Any]) -> str:
    start = int(found[0].start_mark.index)
    return splice.spliced(text, [(start, splice.line_end(text, splice.end_of(found[1])), "")])


def _with_new_section(text: str, section: str, values: Mapping[str, Any]) -> str:
    lines = "".join(f"  {key}: {splice.flow(value)}\n" for key, value in values.items())
    return f"{text.rstrip()}\n\n{section}:\n{lines}"
