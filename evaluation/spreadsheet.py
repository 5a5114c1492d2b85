"""A table out of a spreadsheet: CSV in UTF-8 (with or without BOM) or GB18030, comma or tab.

Every mistake of a file is told at once, by row and column, in both languages; a file with one
is not taken at all, so that nobody has to find out which half of it was.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from edge.errors import BadInputError, Mistake
from edge.messages import checked_name

MOST_BYTES = 50_000_000
MOST_TOLD = 50
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\xff\xfe", b"\xfe\xff")
_ENCODINGS = ("utf-8-sig", "gb18030")
_FULL_WIDTH = str.maketrans("，：；－～（）／　０１２３４５６７８９", ",:;-~()/ 0123456789")
_TRUE = frozenset({"1", "yes", "y", "true", "是", "有", "已举办", "held", "√"})
_FALSE = frozenset({"0", "no", "n", "false", "否", "无", "未举办", "取消", "cancelled", ""})


class CellError(ValueError):
    """What is wrong with a cell, in English and in Chinese."""

    def __init__(self, en: str, zh: str) -> None:
        super().__init__(en, zh)
        self.en, self.zh = en, zh


@dataclass(frozen=True, slots=True)
class Column:
    """One column. parse: from the text of a cell; raises CellError. default: of an empty cell."""

    name: str
    zh: str
    parse: Callable[[str], Any]
    example: str
    is_needed: bool = True
    default: Any = None


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a file: its number, which is what a spreadsheet shows, and its values."""

    number: int
    values: Mapping[str, Any]


def decoded(content: bytes, name: str) -> str:
    """Return the text of a file. Raises BadInputError."""
    if len(content) > MOST_BYTES:
        raise BadInputError(f"{name}: has more than {MOST_BYTES // 1_000_000} MB 文件过大")
    if content.startswith(_WORKBOOKS):
        raise BadInputError(
            f"{name}: is a workbook or UTF-16 text; save it as “CSV UTF-8” 请另存为 CSV UTF-8 格式"
        )
    for encoding in _ENCODINGS:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise BadInputError(
        f"{name}: is neither UTF-8 nor GB18030 text; save it as “CSV UTF-8”"
        " 既不是 UTF-8 也不是 GB18030 文本，请另存为 CSV UTF-8 格式"
    )


def read_table(content: bytes, name: str, columns: Sequence[Column]) -> list[Line]:
    """Return the rows of a file; empty ones are left out.

    Raises BadInputError with every mistake, a line each: `file:row: column: what`, zh and en.
    """
    text = decoded(content, name)
    heading_end = text.find("\n")
    delimiter = "\t" if "\t" in text[: heading_end if heading_end >= 0 else None] else ","
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        at = _heading(next(rows, []), name, columns)
        found, mistakes = _lines(rows, at, name, columns)
    except csv.Error as error:
        raise BadInputError(f"{name}: is no CSV ({error}) 不是 CSV 文件") from None
    if mistakes:
        raise table_error(mistakes)
    return found


def table_error(mistakes: Sequence[Mistake]) -> BadInputError:
    """Return the error that tells mistakes of a file, in both languages."""
    told = [f"{each}\n    {each.zh}" for each in mistakes[:MOST_TOLD]]
    if len(mistakes) > MOST_TOLD:
        rest = len(mistakes) - MOST_TOLD
        told.append(f"… and {rest} more 另有 {rest} 处")
    told.append("nothing was taken over 没有导入任何内容")
    return BadInputError("\n".join(told))


def _heading(cells: Sequence[str], name: str, columns: Sequence[Column]) -> dict[int, Column]:
    by_name = {spelt: each for each in columns for spelt in (each.name, each.zh)}
    at: dict[int, Column] = {}
    for n, cell in enumerate(cells):
        column = by_name.get(cell.strip().lower())
        if column is not None and column not in at.values():
            at[n] = column
    missing = [each for each in columns if each.is_needed and each not in at.values()]
    if missing:
        names = ", ".join(f"{each.name} ({each.zh})" for each in missing)
        example = ",".join(each.name for each in columns)
        values = ",".join(each.example for each in columns)
        raise BadInputError(
            f"{name}:1: the heading lacks {names} 表头缺少这些列；e.g. 例如\n{example}\n{values}"
        )
    return at


def _lines(
    rows: Any, at: Mapping[int, Column], name: str, columns: Sequence[Column]
) -> tuple[list[Line], list[Mistake]]:
    found: list[Line] = []
    mistakes: list[Mistake] = []
    for cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        number = rows.line_num
        values: dict[str, Any] = {each.name: each.default for each in columns}
        for n, column in at.items():
            cell = cells[n].strip() if n < len(cells) else ""
            try:
                values[column.name] = _value(cell, column)
            except CellError as error:
                place = f"{column.name} ({column.zh})"
                mistakes.append(Mistake(error.en, error.zh, place, number, name))
        found.append(Line(number, values))
    return found, mistakes


def _value(cell: str, column: Column) -> Any:
    if cell:
        return column.parse(cell)
    if column.is_needed:
        raise CellError(f"is empty; e.g. {column.example}", f"不能为空；例如 {column.example}")
    return column.default


def half_width(text: str) -> str:
    """Return a text with the punctuation and digits of a Latin keyboard."""
    return text.translate(_FULL_WIDTH)


def any_text(cell: str) -> str:
    """Take a text of up to 200 characters."""
    if len(cell) > 200 or not cell.isprintable():
        raise CellError("is too long, or has characters that cannot be shown", "过长或有不可见字符")
    return cell


def an_id(cell: str) -> str:
    """Take the id of a site, a device or a tenant."""
    try:
        return checked_name(half_width(cell), "it")
    except ValueError:
        raise CellError(
            f"{cell!r} is no id: small letters, digits and '-', e.g. site-001",
            f"{cell!r} 不是编号：只能用小写字母、数字和 '-'，例如 site-001",
        ) from None


def a_count(cell: str) -> int:
    """Take a whole number from 0 on."""
    digits = half_width(cell).replace(",", "").removesuffix(".0")
    if not digits.isdecimal() or len(digits) > 9:
        raise CellError(f"{cell!r} is no whole number; e.g. 30", f"{cell!r} 不是整数；例如 30")
    return int(digits)


def a_day(cell: str) -> date:
    """Take a date as spreadsheets write it."""
    text = half_width(cell).split()[0]
    text = text.replace("年", "-").replace("月", "-").replace("日", "")
    for form in ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d"):
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    raise CellError(f"{cell!r} is no date; e.g. 2026-01-31", f"{cell!r} 不是日期；例如 2026-01-31")


def a_minute(cell: str) -> int:
    """Take a time of day; return minutes after midnight, 24:00 allowed."""
    parts = half_width(cell).split(":")
    if len(parts) in {2, 3} and all(part.isdecimal() and len(part) <= 2 for part in parts):
        minute = int(parts[0]) * 60 + int(parts[1])
        if int(parts[1]) < 60 and minute <= 1440:
            return minute
    raise CellError(f"{cell!r} is no time of day; e.g. 09:00", f"{cell!r} 不是时刻；例如 09:00")


def a_moment(cell: str) -> datetime:
    """Take a local date and time, without a zone."""
    day, _, clock = half_width(cell).strip().replace("T", " ").partition(" ")
    minute = min(a_minute(clock or "0:00"), 1439)
    return datetime.combine(a_day(day), time(minute // 60, minute % 60))


def yes_or_no(cell: str) -> bool:
    """Take a yes or a no."""
    word = half_width(cell).lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise CellError(f"{cell!r} is neither yes nor no", f"{cell!r} 应填 是 或 否")
