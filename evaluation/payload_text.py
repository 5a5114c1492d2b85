"""A `counts` payload taken apart without changing a byte of its records.

The chain and the signed head are about the text that a device sealed. To write a record anew
from what was parsed could change it (a number written as 1.0, an escape), so it is cut out.
"""

import json
import re
from typing import Any, NoReturn

from edge.errors import MessageError
from edge.payloads import unpacked

_SPACE = re.compile(r"[ \t\n\r]*")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)

Cut = tuple[str, Any]
"""The text of a value, and the value."""


def take_apart(payload: bytes) -> tuple[dict[str, Any], list[Cut]]:
    """Return the fields of the envelope but `records`, and each record with its text.

    Of a name that stands twice the last one holds, as with `json.loads`.
    Raises MessageError when it is not a JSON object with a list `records`.
    """
    try:
        text = unpacked(payload).decode("utf-8")
        fields, cuts = _object(text)
    except (ValueError, IndexError, RecursionError) as error:
        reason = "it ends too early" if isinstance(error, IndexError) else error
        raise MessageError(f"the payload is not a JSON object in UTF-8 ({reason})") from None
    if cuts is None:
        raise MessageError("the payload has no list 'records'")
    return fields, cuts


def _object(text: str) -> tuple[dict[str, Any], list[Cut] | None]:
    fields: dict[str, Any] = {}
    cuts: list[Cut] | None = None
    at = _expect(text, 0, "{")
    while text[at] != "}":
        name, at = _DECODER.raw_decode(text, at)
        if not isinstance(name, str):
            raise ValueError(f"a name is missing before character {at}")
        at = _expect(text, at, ":")
        if name == "records":
            cuts, at = _list(text, at)
        else:
            fields[name], at = _DECODER.raw_decode(text, at)
        at = _next(text, at, "}")
    if _skip(text, at + 1) != len(text):
        raise ValueError(f"there is more after character {at}")
    return fields, cuts


def _list(text: str, at: int) -> tuple[list[Cut] | None, int]:
    if text[at] != "[":
        _, at = _DECODER.raw_decode(text, at)
        return None, at
    cuts: list[Cut] = []
    at = _skip(text, at + 1)
    while text[at] != "]":
        value, end = _DECODER.raw_decode(text, at)
        cuts.append((text[at:end], value))
        at = _next(text, end, "]")
    return cuts, at + 1


def _next(text: str, at: int, closing: str) -> int:
    """Go on behind a value: to the next one after a comma, or to the closing bracket."""
    at = _skip(text, at)
    if text[at] == closing:
        return at
    at = _expect(text, at, ",")
    if text[at] == closing:
        raise ValueError(f"a value is missing at character {at}")
    return at


def _expect(text: str, at: int, character: str) -> int:
    at = _skip(text, at)
    if text[at] != character:
        raise ValueError(f"{character!r} is missing at character {at}")
    return _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at
