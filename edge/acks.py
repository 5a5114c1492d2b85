"""What the backend says it has: the `ack` topic, and what the relay makes of it.

A PUBACK only says that the broker has a message; a broker that loses its disk loses it.
An ack says that the backend has *committed* records, so only an ack is a reason to forget.
"""

import json
from dataclasses import dataclass
from typing import Any

from edge.errors import MessageError

MOST_SPANS = 200
"""Of `have` no more are read; what is beyond is sent again, which costs only time."""
Span = tuple[int, int]
"""A range of sequence numbers, both ends included."""


@dataclass(frozen=True, slots=True)
class Ack:
    """The backend has every record of a stream up to `upto`, and the later ones in `have`.

    rewind: send everything from this number on once more, whatever was said before.
    """

    stream: str
    upto: int
    have: tuple[Span, ...] = ()
    rewind: int | None = None


def parse_ack(payload: bytes) -> Ack | None:
    """Read an `ack` payload; None for an empty one, which clears what was retained.

    Raises MessageError with one sentence.
    """
    if not payload:
        return None
    try:
        value = json.loads(payload.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise MessageError(f"the ack is not JSON in UTF-8 ({error})") from None
    if not isinstance(value, dict) or not str(value.get("v")).startswith("1."):
        raise MessageError("the ack is not of a version this device knows, which are 1.x")
    stream: object = value.get("stream")
    upto: Any = value.get("upto")
    rewind: Any = value.get("rewind")
    if not isinstance(stream, str) or not _is_number(upto, 0):
        raise MessageError('the ack has no valid "stream" and "upto"')
    if rewind is not None and not _is_number(rewind, 1):
        raise MessageError('the "rewind" of the ack is not a number from 1 on')
    return Ack(stream, upto, tuple(_spans(value.get("have"))), rewind)


def _is_number(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _spans(have: object) -> list[Span]:
    if have is None:
        return []
    if not isinstance(have, list):
        raise MessageError('"have" of the ack is not a list')
    spans = []
    for each in have[:MOST_SPANS]:
        if not isinstance(each, list) or len(each) != 2:
            raise MessageError('"have" of the ack is not a list of [first, last]')
        first, last = each
        if not _is_number(first, 1) or not _is_number(last, 1) or last < first:
            raise MessageError('"have" of the ack is not a list of [first, last]')
        spans.append((first, last))
    return spans
