"""Turning pydantic's findings into lines an installer can act on.

What is allowed and what works is read from the model's own JSON Schema, so that a
new setting explains itself.
"""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from json import dumps
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

Location = tuple[int | str, ...]


def explain(path: Path, document: Any, error: ValidationError, model: type[BaseModel]) -> str:
    """Return one line `file:line: path: what; what is allowed, e.g. …` per problem.

    document: what ruamel.yaml's round-trip loader returned, with its line marks.
    """
    found = {(line_of(document, location), text) for location, text in _findings(error, model)}
    return "\n".join(f"{path}:{line}: {text}" for line, text in sorted(found))


def sentences(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Return the same without a file: `path: what; what is allowed, e.g. …` per problem."""
    return sorted({text for _, text in _findings(error, model)})


def _findings(error: ValidationError, model: type[BaseModel]) -> list[tuple[Location, str]]:
    schema = model.model_json_schema()
    problems = error.errors(include_url=False)
    deep = {problem["loc"][:n] for problem in problems for n in range(len(problem["loc"]))}
    # A list whose only item is wrong is also "too short": that would be said twice.
    return [
        (problem["loc"], _sentence(problem, schema))
        for problem in problems
        if problem["loc"] not in deep
    ]


def unknown(key: str, allowed: Sequence[str]) -> str:
    """Say what may have been meant by a setting there is not."""
    close = get_close_matches(key, allowed, n=1)
    if close:
        return f"unknown setting; did you mean {close[0]!r}?"
    return f"unknown setting; allowed here: {', '.join(allowed)}"


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


def _sentence(problem: ErrorDetails, schema: dict[str, Any]) -> str:
    location = problem["loc"]
    where = _dotted(location)
    if problem["type"] == "extra_forbidden":
        return f"{where}: {unknown(str(location[-1]), _allowed(schema, location[:-1]))}"
    if problem["type"] == "missing":
        return f"{where}: is missing{_example(schema, location)}"
    if problem["type"] == "value_error":
        return f"{where}: {problem['ctx']['error']}"
    if problem["type"] == "string_pattern_mismatch":
        what = "only a-z, 0-9 and '-' are allowed, starting with a letter or digit"
    else:
        what = problem["msg"][0].lower() + problem["msg"][1:]
        what = what.replace("input should", "must")
    return f"{where}: {what}, not {_shown(problem['input'])}{_example(schema, location)}"


def without_password(text: str) -> str:
    """Hide what stands before the @ of a URL."""
    return re.sub(r"//[^/@\s]*@", "//***@", text)


def _dotted(location: Location) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".") or "the file"


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
            return f"; e.g. {location[depth - 1]}: {shown}"
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
