"""Registers from other systems over MQTT: `reg/v1/{tenant}/{site}/{activities|ratings|cases}`.

A message has rows with the columns of the table that people import, and goes through the same
checks: it is made a table of, so that there is no second set of rules. A row has an id, so that
what comes twice counts once. What does not pass is refused whole, as a file is.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge.errors import BadInputError, MessageError
from edge.messages import checked_name
from evaluation.register_rows import ACTIVITIES, CASES, RATINGS, READERS, Row
from evaluation.spreadsheet import Column

KINDS = ("activities", "ratings", "cases")
MOST_ROWS = 1000
COLUMNS: Mapping[str, Sequence[Column]] = {
    "activities": ACTIVITIES,
    "ratings": RATINGS,
    "cases": CASES,
}
IDS: Mapping[str, str] = {"activities": "activity", "ratings": "rating", "cases": "case"}
EXAMPLE = '{"v":"1.0","rows":[{"rating":"r-0001","at":"2026-01-15 10:20","level":5}]}'


@dataclass(frozen=True, slots=True)
class RegisterMessage:
    """Rows of one register of one site. complete_for: a month for which there is nothing else."""

    tenant: str
    site: str
    kind: str
    rows: Sequence[Row]
    complete_for: str | None = None


def is_register(topic: str) -> bool:
    """Say whether a topic is one of registers."""
    return topic.startswith("reg/")


def tenant_of(topic: str) -> str | None:
    """Return the tenant that a topic names."""
    parts = topic.split("/")
    return parts[2] if len(parts) > 2 else None


def read_register(topic: str, payload: bytes) -> RegisterMessage:
    """Read a message. Raises BadInputError, naming topic, row and column, and an example."""
    try:
        tenant, site, kind = place_of(topic)
        value = _object(payload)
        rows = [_cells(row, n, site, kind) for n, row in enumerate(_rows(value), 1)]
        complete_for = _month(value)
        content = _table(rows, kind)
    except (MessageError, ValueError, RecursionError) as error:
        raise BadInputError(f"{topic}: {error}; e.g. {EXAMPLE} 消息格式不对") from None
    found = READERS[kind](content, topic) if rows else []
    return RegisterMessage(tenant, site, kind, found, complete_for)


def read_table_of(topic: str, content: bytes, complete_for: str | None) -> RegisterMessage:
    """Read a table as people import it, of the site of a topic. Raises BadInputError."""
    try:
        tenant, site, kind = place_of(topic)
    except (MessageError, ValueError) as error:
        raise BadInputError(f"{topic}: {error}") from None
    rows = READERS[kind](content, topic)
    for row in rows:
        if row["site"] != site:
            raise BadInputError(
                f"{topic}: {IDS[kind]} {row[IDS[kind]]!r} is of {row['site']}, the address is of"
                f" {site}; e.g. a table for each site"
                f" 属于 {row['site']}，而地址是 {site}"
            )
    return RegisterMessage(tenant, site, kind, rows, complete_for)


def example_of(kind: str) -> str:
    """Return a message of a register that is taken, as JSON."""
    row = {each.name: each.example for each in COLUMNS[kind] if each.name != "site"}
    return json.dumps({"v": "1.0", "rows": [row]}, ensure_ascii=False)


def place_of(topic: str) -> tuple[str, str, str]:
    """Return tenant, site and kind of a topic. Raises MessageError and ValueError."""
    parts = topic.split("/")
    if len(parts) != 5 or parts[:2] != ["reg", "v1"] or parts[4] not in KINDS:
        raise MessageError(f"the topic is not reg/v1/{{tenant}}/{{site}}/{'|'.join(KINDS)}")
    return checked_name(parts[2], "tenant"), checked_name(parts[3], "site"), parts[4]


def _object(payload: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(payload.decode("utf-8"))
    except ValueError as error:
        raise MessageError(f"is not JSON in UTF-8 ({error})") from None
    if not isinstance(value, dict):
        raise MessageError("is not a JSON object")
    version = value.get("v")
    if not isinstance(version, str) or not version.startswith("1."):
        raise MessageError(f"version {version!r} is not one this reader knows, which are 1.x")
    return value


def _rows(value: Mapping[str, Any]) -> Sequence[Any]:
    rows = value.get("rows")
    if not isinstance(rows, list) or len(rows) > MOST_ROWS:
        raise MessageError(f"has no list 'rows' of at most {MOST_ROWS}")
    if not rows and value.get("complete_for") is None:
        raise MessageError("has no rows and says 'complete_for' of no month: it says nothing")
    return rows


def _month(value: Mapping[str, Any]) -> str | None:
    month = value.get("complete_for")
    if month is not None and not isinstance(month, str):
        raise MessageError(f"complete_for: {month!r} is not a month; e.g. 2026-01")
    return month


def _cells(row: object, number: int, site: str, kind: str) -> dict[str, str]:
    """Return the cells of a row as they would stand in a table."""
    if not isinstance(row, dict):
        raise MessageError(f"row {number} is not a JSON object")
    if row.get("site", site) != site:
        raise MessageError(f"row {number} is of {row['site']!r}, the topic of {site!r}")
    if not row.get(IDS[kind]):
        raise MessageError(f"row {number} has no id {IDS[kind]!r}")
    names = [column.name for column in COLUMNS[kind] if column.name != "site"]
    cells = {name: _cell(row.get(name), f"row {number}: {name}") for name in names}
    return {"site": site, **cells}


def _cell(value: object, where: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str | int):
        return str(value)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ";".join(value)
    raise MessageError(f"{where} is neither a text, a whole number, true or false, nor texts")


def _table(rows: Sequence[Mapping[str, str]], kind: str) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [column.name for column in COLUMNS[kind]])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8")
