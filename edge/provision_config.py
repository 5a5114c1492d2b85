"""The config file made of a provision file: settings put into a text that keeps its comments."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from edge import yaml_splice as splice
from edge.config import checked
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
    root, edits, anew = splice.composed(text), list[splice.Edit](), dict[str, Mapping[str, Any]]()
    for section, values in settings.items():
        found = splice.entry(root, section)
        if found is not None and isinstance(found[1], MappingNode) and section != "hours":
            edits += _changes(text, found[1], values)
            continue
        anew[section] = values
        if found is not None:
            start = int(found[0].start_mark.index)
            edits.append((start, splice.line_end(text, splice.end_of(found[1])), ""))
    text = splice.spliced(text, edits)
    for section, values in anew.items():
        text = _with_new_section(text, section, values)
    checked(path, text)
    return text


def _changes(text: str, section: MappingNode, values: Mapping[str, Any]) -> list[splice.Edit]:
    """Change settings where they stand, where they stand as a comment, or behind the last one."""
    edits: list[splice.Edit] = []
    others: dict[str, Any] = {}
    for key, value in values.items():
        there = splice.entry(section, key)
        if there is None:
            commented = _in_comment(text, section, key, value)
            edits += commented
            others |= {} if commented else {key: value}
        elif not _says(there[1], value):
            edits += splice.replaced(text, there[1], value, there[0])
    if others:
        edits.append(splice.appended(text, section, others))
    return edits


def _in_comment(text: str, node: MappingNode, key: str, value: Any) -> list[splice.Edit]:
    """Return the edit of a line that has the setting as a comment, if there is one."""
    start = int(node.start_mark.index)
    section = text[start : _section_end(text, start)]
    line = re.search(rf"(?m)^(\s+)# {key}: [^\n]*?(\s+#[^\n]*)?$", section)
    if line is None or node.flow_style:
        return []
    said = f"{line[1]}{key}: {splice.flow(value)}{line[2] or ''}"
    return [(start + line.start(), start + line.end(), said)]


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


def _with_new_section(text: str, section: str, values: Mapping[str, Any]) -> str:
    lines = "".join(f"  {key}: {splice.flow(value)}\n" for key, value in values.items())
    return f"{text.rstrip()}\n\n{section}:\n{lines}"
