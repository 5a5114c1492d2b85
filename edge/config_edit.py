"""New drawings in the text of a config file: lines, zones and masks; everything else as it was.

The setup page writes what was drawn into the file the installer edits by hand, so comments,
order, quotes and indentation stay theirs.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from edge import yaml_splice as splice
from edge.config import Config
from edge.config_drawings import LineSection, Section, ZoneSection
from edge.config_errors import sentences
from edge.config_text import parse
from edge.errors import ConfigError, Mistake

DIGITS = 4
"""Of a coordinate: a tenth of a thousandth of the picture is less than a pixel in 4K."""
SECTIONS: dict[str, tuple[str, ...]] = {
    "lines": ("lines",),
    "zones": ("zones",),
    "masks": ("camera", "masks"),
}
_MODELS: dict[str, type[Section]] = {"lines": LineSection, "zones": ZoneSection}
_Old = tuple[splice.Item, Any]
"""An item of the file and what it says."""
_EXAMPLE = "points: [[0.2, 0.6], [0.8, 0.6]]"
_BY_HAND = f"change the drawings in the file itself, e.g. {_EXAMPLE}"
_BY_HAND_ZH = f"请直接在配置文件中修改，例如 {_EXAMPLE}"


def with_drawings(text: str, drawings: Mapping[str, Any], path: Path = Path("lobby.yaml")) -> str:
    """Return the text of a config file with other `lines`, `zones` and `masks`.

    drawings: what to put there; a list that is not named stays. Items are known again by their
    id, masks by their outline; a setting that an item does not name stays as it is in the file.
    Coordinates are rounded to 4 decimals. path: the file's, for errors and relative paths.
    Raises ConfigError with one line per problem, `path.of.setting: what` for the new drawings
    and `file:line: …` for the file, when the result is not exactly what was wanted.
    """
    wanted = {key: _rounded(drawings[key]) for key in SECTIONS if key in drawings}
    expected = _expected(_plain(parse(path, text)), wanted)
    _check(expected, path)
    for key, items in wanted.items():
        text = _with_list(text, key, items, path)
    try:
        is_right = _rounded(_plain(parse(path, text))) == _rounded(expected)
    except ConfigError:
        is_right = False
    if not is_right:
        raise ConfigError(
            Mistake(
                f"the drawings cannot be written into it; {_BY_HAND}",
                f"画的内容无法写入；{_BY_HAND_ZH}",
                line=1,
                file=str(path),
            )
        )
    return text


def _check(document: Any, path: Path) -> None:
    try:
        Config.model_validate(document, context={"folder": path.parent})
    except ValidationError as error:
        raise ConfigError(*sentences(error, Config)) from error


def _expected(document: Any, wanted: Mapping[str, Any]) -> Any:
    """Return what the file shall say afterwards."""
    after = dict(document)
    for key, items in wanted.items():
        if key == "masks":
            camera = after.get("camera")
            if isinstance(camera, Mapping) and (items or "masks" in camera):
                after["camera"] = {**camera, "masks": items}
        elif items or key in after:
            known = _by_id(after.get(key))
            after[key] = [_merged(known.get(_id(i), {}), i, _MODELS.get(key)) for i in items]
    return after


def _merged(old: Mapping[str, Any], item: Any, model: type[Section] | None) -> Any:
    """Put an item over the one in the file; defaults that are not said there stay unsaid."""
    if model is None or not isinstance(item, Mapping):
        return item
    said = {k: v for k, v in item.items() if k in old or not _is_default(model, k, v)}
    return {**old, **said}


def _is_default(model: type[Section], key: str, value: Any) -> bool:
    fields = model.model_fields
    return key in fields and value == _rounded(fields[key].get_default())


def _with_list(text: str, key: str, items: Sequence[Any], path: Path) -> str:
    node, document = splice.composed(text), _plain(parse(path, text))
    *parents, name = SECTIONS[key]
    for parent in parents:
        above = splice.entry(node, parent)
        node, document = above[1] if above else None, document.get(parent, {})
    if not isinstance(node, MappingNode):
        return text
    found, model = splice.entry(node, name), _MODELS.get(key)
    fresh = [_merged({}, item, model) for item in items]
    if found is None:
        return splice.spliced(text, [_added(text, node, name, fresh)] if items else [])
    value = found[1]
    if not splice.in_order(value):
        line = value.start_mark.line + 1
        raise ConfigError(
            Mistake(
                f"{name} is written with anchors (&, *); {_BY_HAND}",
                f"{name} 用了锚点 (&, *)；{_BY_HAND_ZH}",
                line=line,
                file=str(path),
            )
        )
    if not isinstance(value, SequenceNode) or not value.value:
        return splice.spliced(text, _filled(text, node, found, fresh))
    place = splice.listing(text, value)
    if not items:
        return splice.spliced(text, _emptied(text, place, found))
    old = list(zip(place.items, _rounded(document[name]), strict=True))
    pairs = _mask_pairs(old, items) if key == "masks" else _item_pairs(old, items)
    slots = [_slot(text, before, item, model) for before, item in pairs]
    return splice.spliced(text, [splice.rebuilt(text, place, slots)])


def _added(text: str, parent: MappingNode, name: str, items: Sequence[Any]) -> splice.Edit:
    """Write a list that was not there: zones behind the lines, masks at the camera's end."""
    if parent.flow_style:
        at = splice.end_of(parent.value[-1][1])
        return at, at, f", {name}: {splice.flow(items)}"
    newline, column = splice.newline_of(text), parent.value[0][0].start_mark.column
    before = (splice.entry(parent, "lines") if name == "zones" else None) or parent.value[-1]
    at = splice.line_end(text, splice.end_of(before[1]))
    gap = newline if name == "zones" else ""
    head = "" if text[:at].endswith("\n") else newline
    body = "".join(splice.block(item, column + 2, 2, newline) for item in items)
    return at, at, f"{head}{gap}{' ' * column}{name}:{newline}{body}"


def _filled(
    text: str, parent: MappingNode, found: tuple[Node, Node], items: Sequence[Any]
) -> list[splice.Edit]:
    """Write items where `[]` or nothing stood; a comment behind it stays there."""
    key, value = found
    start, end = value.start_mark.index, splice.end_of(value)
    if not items:
        return []
    if parent.flow_style:
        return [(start, end, splice.flow(items))]
    after = splice.line_end(text, end)
    is_bare = not text[end:after].strip()
    if is_bare:
        start = len(text[:start].rstrip(" "))
    newline, column = splice.newline_of(text), key.start_mark.column
    body = "".join(splice.block(item, column + 2, 2, newline) for item in items)
    head = "" if text[:after].endswith("\n") else newline
    gap = "" if is_bare else " " * (end - start)  # a comment behind it stays in its column
    return [(start, end, gap), (after, after, head + body)]


def _emptied(text: str, place: splice.Listing, found: tuple[Node, Node]) -> list[splice.Edit]:
    if place.is_flow:
        return [(place.start, place.end, "[]")]
    colon = text.index(":", found[0].end_mark.index) + 1
    rest = "".join(item.lead for item in place.items if "#" in item.lead)
    behind = colon + (3 if text[colon:].startswith("    ") else 0)  # a comment keeps its column
    return [(colon, behind, " []"), (place.start, place.end, place.opening + rest)]


def _item_pairs(old: Sequence[_Old], items: Sequence[Any]) -> list[tuple[_Old | None, Any]]:
    """Find the old item of each by its id."""
    left = {_id(value): (item, value) for item, value in old}
    return [(left.pop(_id(item), None), item) for item in items]


def _mask_pairs(old: Sequence[_Old], items: Sequence[Any]) -> list[tuple[_Old | None, Any]]:
    """Find the old outline of each mask; those left over are moved ones if they are as many."""
    left = list(old)
    found: list[_Old | None] = []
    for item in items:
        same = next((pair for pair in left if pair[1] == item), None)
        found.append(same)
        if same:
            left.remove(same)
    if len(left) == found.count(None):
        found = [pair or left.pop(0) for pair in found]
    return list(zip(found, items, strict=True))


def _slot(text: str, old: _Old | None, item: Any, model: type[Section] | None) -> splice.Slot:
    if old is None:
        return splice.Slot(new=_merged({}, item, model))
    found, before = old
    if model is not None and isinstance(found.node, MappingNode):
        return splice.Slot(found, _item_edits(text, found.node, before, item, model))
    return splice.Slot(found, [] if before == item else splice.replaced(text, found.node, item))


def _item_edits(
    text: str, node: MappingNode, before: Any, item: Any, model: type[Section]
) -> list[splice.Edit]:
    """Change the settings that differ, where they stand, and write those that are new behind."""
    edits: list[splice.Edit] = []
    added = {}
    for key, value in _merged(before, item, model).items():
        found = splice.entry(node, key)
        if key in before and before[key] == value:
            continue
        if found is not None:
            edits += splice.replaced(text, found[1], value, found[0])
        else:
            added[key] = value
    return [*edits, splice.appended(text, node, added)] if added else edits


def _by_id(items: Any) -> dict[Any, Any]:
    return {_id(item): item for item in items} if isinstance(items, list) else {}


def _id(item: Any) -> Any:
    return str(item.get("id")) if isinstance(item, Mapping) else None


def _plain(document: Any) -> Any:
    """Return what a document says, without ruamel's marks."""
    if isinstance(document, Mapping):
        return {_plain(key): _plain(value) for key, value in document.items()}
    if isinstance(document, list):
        return [_plain(item) for item in document]
    for plain in (bool, int, float, str):
        if isinstance(document, plain):
            return plain(document)
    return document


def _rounded(value: Any) -> Any:
    """Return a drawing with lists for tuples, and coordinates that a person can read."""
    if isinstance(value, Mapping):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(part) for part in value]
    if isinstance(value, float):
        short = round(value, DIGITS)
        return int(short) if short.is_integer() else short
    return str(value) if isinstance(value, str) else value
