"""Changing a list in a YAML text without touching what stands around it.

A round trip through a dumper re-indents a file, moves its comments and re-wraps its lines. Here
ruamel.yaml only says where things are; every character that is not changed is kept as it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from json import dumps
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

Edit = tuple[int, int, str]
"""From, to (characters of the text), and what stands there instead."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a list: the node, and the text that goes with it.

    lead: blank lines and comments of nobody before it. own: the comment directly above it.
    start, end: its lines with the comments in and behind them. Flow items have no lead.
    """

    node: Node
    start: int
    end: int
    lead: str = ""
    own: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """Where a list is: its items, and from where to where its text goes."""

    items: tuple[Item, ...]
    start: int
    end: int
    opening: str = ""
    dash: int = 0
    """The column of the dashes."""
    step: int = 2
    """How much deeper than its dash an item is written."""
    is_flow: bool = False


@dataclass(slots=True)
class Slot:
    """An item as it shall be: an old one with edits, or a new one as `key: value` or a value."""

    old: Item | None = None
    edits: list[Edit] = field(default_factory=list)
    new: Any = None


def composed(text: str) -> Node | None:
    """Return the tree of a text that can be read, with its marks."""
    root: Node | None = YAML(typ="rt", pure=True).compose(text)
    return root


def in_order(node: Node) -> bool:
    """Say whether everything below a node stands in the text once and in its order.

    What an alias stands for does not: to change it there would change it elsewhere.
    """
    leaves = list(_leaves(node))
    return all(a.end_mark.index <= b.start_mark.index for a, b in pairwise(leaves)) and all(
        node.start_mark.index <= leaf.start_mark.index for leaf in leaves
    )


def entry(mapping: Node | None, key: str) -> tuple[Node, Node] | None:
    """Return the key and the value of a setting, None where there is none."""
    if not isinstance(mapping, MappingNode):
        return None
    return next(((k, v) for k, v in mapping.value if k.value == key), None)


def end_of(node: Node) -> int:
    """Return where the text of a node ends, without comments behind it."""
    last = node
    while isinstance(last, MappingNode | SequenceNode) and not last.flow_style and last.value:
        last = last.value[-1][1] if isinstance(last, MappingNode) else last.value[-1]
    return int(last.end_mark.index)


def line_end(text: str, index: int) -> int:
    """Return where the next line begins."""
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1


def spliced(text: str, edits: Iterable[Edit], start: int = 0, end: int | None = None) -> str:
    """Return a part of the text with its edits done."""
    out, at = [], start
    for first, last, new in sorted(edits):
        out += [text[at:first], new]
        at = last
    return "".join([*out, text[at : len(text) if end is None else end]])


def replaced(text: str, node: Node, value: Any, key: Node | None = None) -> list[Edit]:
    """Return the edits that write a value in the place of another, in the line of its key."""
    start, end = int(node.start_mark.index), end_of(node)
    if key is not None and node.start_mark.line > key.start_mark.line:
        colon = text.index(":", key.end_mark.index) + 1
        return [
            (colon, colon, " " + flow(value)),
            (_line_start(text, start), line_end(text, end), ""),
        ]
    before = " " if start == end else ""  # `key:` with nothing behind it
    after = newline_of(text) if text[start:end].endswith("\n") else ""
    return [(start, end, before + flow(value) + after)]


def appended(text: str, mapping: MappingNode, settings: Mapping[str, Any]) -> Edit:
    """Return the edit that writes settings behind the last one of a mapping."""
    end = end_of(mapping.value[-1][1])
    parts = [f"{key}: {flow(value)}" for key, value in settings.items()]
    if mapping.flow_style:
        return end, end, "".join(f", {part}" for part in parts)
    at, newline = line_end(text, end), newline_of(text)
    if text[:end].endswith("\n"):
        at = end
    column = " " * mapping.value[0][0].start_mark.column
    head = "" if text[:at].endswith("\n") else newline
    return at, at, head + "".join(f"{column}{part}{newline}" for part in parts)


def listing(text: str, node: SequenceNode) -> Listing:
    """Find the items of a list that is not empty."""
    if node.flow_style:
        inside = tuple(Item(item, item.start_mark.index, end_of(item)) for item in node.value)
        return Listing(inside, node.start_mark.index, node.end_mark.index, is_flow=True)
    dash = node.start_mark.column
    step = node.value[0].start_mark.column - dash
    begin = _line_start(text, node.start_mark.index)
    above = _comment_lines_above(text, begin)
    items: list[Item] = []
    at = above
    for item in node.value:
        at_dash = _dash_line(text, item, dash)
        lead, own = _split_gap(text[at:at_dash])
        at = line_end(text, end_of(item))
        at = _past_deeper_comments(text, at, dash)
        items.append(Item(item, at_dash, at, lead, own))
    opening, items[0] = _opening(items)
    return Listing(tuple(items), above, at, opening, dash, step if 1 < step < 9 else 2)


def rebuilt(text: str, found: Listing, slots: Sequence[Slot]) -> Edit:
    """Return the list with these items instead; deleted ones take their own comments along."""
    if found.is_flow:
        parts = [
            spliced(text, slot.edits, slot.old.start, slot.old.end) if slot.old else flow(slot.new)
            for slot in slots
        ]
        return found.start, found.end, f"[{', '.join(parts)}]"
    kept = {id(slot.old) for slot in slots}
    leads, carried = {}, ""
    for item in found.items:
        if id(item) in kept:
            leads[id(item)], carried = carried + item.lead, ""
        elif "#" in item.lead:
            carried += item.lead
    newline = newline_of(text)
    parts = [found.opening]
    for slot in slots:
        if slot.old is None:
            parts.append(block(slot.new, found.dash, found.step, newline))
        else:
            body = spliced(text, slot.edits, slot.old.start, slot.old.end)
            parts.append(leads[id(slot.old)] + slot.old.own + _whole_line(body, newline))
    return found.start, found.end, "".join([*parts, carried])


def block(value: Any, dash: int, step: int, newline: str) -> str:
    """Write a new item of a list in block style."""
    head, deeper = " " * dash + "-" + " " * (step - 1), " " * (dash + step)
    if not isinstance(value, Mapping):
        return head + flow(value) + newline
    lines = [f"{key}: {flow(part)}" for key, part in value.items()]
    return head + (newline + deeper).join(lines) + newline


def flow(value: Any) -> str:
    """Write a value in one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {flow(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(part) for part in value) + "]"
    if isinstance(value, str) and _is_plain(value):
        return value
    text = dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in text)


def newline_of(text: str) -> str:
    """Return how the lines of a text end."""
    return "\r\n" if "\r\n" in text else "\n"


def _whole_line(body: str, newline: str) -> str:
    return body if body.endswith("\n") else body + newline


def _is_plain(value: str) -> bool:
    """Say whether a text needs no quotes, also in a list in one line."""
    if not value or not all(c.isalnum() or c in " -_/()" for c in value) or not value[0].isalpha():
        return False
    old, new = YAML(typ="safe", pure=True), YAML(typ="safe", pure=True)
    old.version = (1, 1)  # for other readers of the file: `no` is a text here and was not there
    return value == value.strip() and old.load(f"[{value}]") == new.load(f"[{value}]") == [value]


def _leaves(node: Node) -> Iterable[Node]:
    if isinstance(node, ScalarNode):
        yield node
    for part in node.value if isinstance(node, SequenceNode) else ():
        yield from _leaves(part)
    for key, value in node.value if isinstance(node, MappingNode) else ():
        yield from _leaves(key)
        yield from _leaves(value)


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _lines_back(text: str, at: int) -> Iterable[tuple[int, str]]:
    """Yield the lines above a line start, the nearest first, with where each begins."""
    while at > 0:
        start = _line_start(text, at - 1)
        yield start, text[start:at]
        at = start


def _comment_lines_above(text: str, at: int) -> int:
    for start, line in _lines_back(text, at):
        if line.strip() and not line.lstrip().startswith("#"):
            break
        at = start
    return at


def _dash_line(text: str, item: Node, dash: int) -> int:
    start = _line_start(text, item.start_mark.index)
    if text[start + dash : start + dash + 1] == "-":
        return start
    return next(
        (at for at, line in _lines_back(text, start) if line[dash : dash + 1] == "-"), start
    )


def _split_gap(gap: str) -> tuple[str, str]:
    """Split what stands before an item into what is nobody's and the item's own comment."""
    at = len(gap)
    for start, line in _lines_back(gap, len(gap)):
        if not line.strip():
            break
        at = start
    return gap[:at], gap[at:]


def _past_deeper_comments(text: str, at: int, dash: int) -> int:
    """Go past the comments that are indented like the inside of an item."""
    while at < len(text):
        line = text[at : line_end(text, at)]
        if not line.lstrip(" ").startswith("#") or len(line) - len(line.lstrip(" ")) <= dash:
            break
        at += len(line)
    return at


def _opening(items: Sequence[Item]) -> tuple[str, Item]:
    """Take what stands above the first item for the list's, if no other item has a comment."""
    first = items[0]
    if any(item.own for item in items[1:]):
        return first.lead, Item(first.node, first.start, first.end, "", first.own)
    return first.lead + first.own, Item(first.node, first.start, first.end)
