"""Turning pydantic's and YAML's findings into lines an installer can act on, in both languages.

What is allowed and what works is read from the model's own JSON Schema, so that a
new setting explains itself.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from json import dumps
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from edge.config_words import finding_zh, yaml_zh
from edge.errors import Mistake, SettingError

Location = tuple[int | str, ...]


def explain(
    path: Path, document: Any, error: ValidationError, model: type[BaseModel]
) -> list[Mistake]:
    """Return what is wrong and what is allowed, e.g. …, with its line, in the file's order.

    document: what ruamel.yaml's round-trip loader returned, with its line marks.
    """
    found = {
        replace(mistake, line=line_of(document, location), file=str(path))
        for location, mistake in _findings(error, model)
    }
    return sorted(found, key=lambda mistake: (mistake.line or 0, mistake.setting, mistake.en))


def sentences(error: ValidationError, model: type[BaseModel]) -> list[Mistake]:
    """Return the same without a file."""
    return sorted({mistake for _, mistake in _findings(error, model)}, key=str)


def yaml_mistake(path: Path, error: YAMLError) -> Mistake:
    """Return what is wrong with a text that is no YAML; the reader's own words stay English."""
    words, mark = str(error), None
    if isinstance(error, MarkedYAMLError):
        words, mark = str(error.problem or error.context), error.problem_mark
    problem = " ".join(words.split())
    return Mistake(
        f"not valid YAML: {problem};"
        " check indentation, colons and brackets here and in the line above",
        f"不是正确的 YAML：{yaml_zh(problem)}；请检查本行和上一行的缩进、冒号和括号（{problem}）",
        line=mark.line + 1 if mark else 1,
        file=str(path),
    )


def _findings(error: ValidationError, model: type[BaseModel]) -> list[tuple[Location, Mistake]]:
    schema = model.model_json_schema()
    problems = error.errors(include_url=False)
    deep = {problem["loc"][:n] for problem in problems for n in range(len(problem["loc"]))}
    # A list whose only item is wrong is also "too short": that would be said twice.
    return [
        (problem["loc"], _mistake(problem, schema))
        for problem in problems
        if problem["loc"] not in deep
    ]


def unknown(key: str, allowed: Sequence[str]) -> tuple[str, str]:
    """Say what may have been meant by a setting there is not, in English and in Chinese."""
    close = get_close_matches(key, allowed, n=1)
    if close:
        meant = repr(close[0])
        return f"unknown setting; did you mean {meant}?", f"没有这个设置；是不是 {meant}？"
    names = ", ".join(allowed)
    return f"unknown setting; allowed here: {names}", f"没有这个设置；这里可以用：{names}"


def line_of(document: Any, location: Location) -> int:
    """Find the line of a key or item, or of the nearest parent that exists."""
    line, node = 0, document
    for part in location:
        marks: Any = getattr(node, "lc", None)
        key: Any = part
        if isinstance(node, dict) and part not in node:  # a date is no text for YAML
            key = next((each for each in node if str(each) == str(part)), part)
        try:
            line = (marks.key(key) if isinstance(node, dict) else marks.item(key))[0]
            node = node[key]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return line + 1


def _mistake(problem: ErrorDetails, schema: dict[str, Any]) -> Mistake:
    location = problem["loc"]
    return Mistake(*_words(problem, location, schema), dotted(location))


def _words(problem: ErrorDetails, location: Location, schema: dict[str, Any]) -> tuple[str, str]:
    """Say what is wrong and what works, in English and in Chinese."""
    if problem["type"] == "extra_forbidden":
        return unknown(str(location[-1]), _allowed(schema, location[:-1]))
    context = problem.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, SettingError):
        return cause.en, cause.zh
    example = _example(schema, location)
    en, zh = (f"; e.g. {example}", f"；例如 {example}") if example else ("", "")
    if problem["type"] == "missing":
        return f"is missing{en}", f"没有填写{zh}"
    shown = _shown(problem["input"])
    what_zh = finding_zh(problem["type"], context)
    return f"{_what(problem)}, not {shown}{en}", f"{what_zh}，现在是 {shown}{zh}"


def _what(problem: ErrorDetails) -> str:
    if problem["type"] == "string_pattern_mismatch":
        return "only a-z, 0-9 and '-' are allowed, starting with a letter or digit"
    what = problem["msg"][0].lower() + problem["msg"][1:]
    return what.replace("input should", "must")


def without_password(text: str) -> str:
    """Hide what stands before the @ of a URL."""
    return re.sub(r"//[^/@\s]*@", "//***@", text)


def dotted(location: Location) -> str:
    """Return a location as it is written, e.g. lines[0].points."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".")


def _shown(value: Any) -> str:
    text = without_password(dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= 60 else text[:57] + "..."


def _allowed(schema: dict[str, Any], location: Location) -> list[str]:
    return list(_node(schema, location).get("properties", {}))


def _example(schema: dict[str, Any], location: Location) -> str:
    """Return a setting that works, of the nearest key above the problem that has one."""
    for depth in range(len(location), 0, -1):
        examples = _node(schema, location[:depth]).get("examples")
        if examples:
            first = examples[0]
            shown = first if isinstance(first, str) else dumps(first, ensure_ascii=False)
            return f"{location[depth - 1]}: {shown}"
    return ""


def _node(schema: dict[str, Any], location: Location) -> dict[str, Any]:
    """Walk the JSON Schema along a location."""
    node = schema
    for part in location:
        node = _resolve(schema, node)
        if isinstance(part, int):
            items = node.get("prefixItems")
            below = items[part] if items and part < len(items) else node.get("items")
            below = below if isinstance(below, dict) else {}
        else:
            below = node.get("properties", {}).get(part, {})
        node = below
    return _resolve(schema, node)


def _resolve(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference, and the real branch of an optional setting."""
    for branch in node.get("anyOf", ()):
        if branch.get("type") != "null":
            node = {**branch, **{k: v for k, v in node.items() if k != "anyOf"}}
            break
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[-1]
        return {**schema["$defs"][name], **{k: v for k, v in node.items() if k != "$ref"}}
    return node
