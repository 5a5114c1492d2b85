"""A centre's registers as spreadsheets: activities, ratings, service cases.

Times are local ones of the site. A rating without an id gets one from what it says and how
many of the same came before it in the file, so that a file taken over twice counts once.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from edge.errors import Mistake
from evaluation.spreadsheet import (
    CellError,
    Column,
    Line,
    a_count,
    a_moment,
    an_id,
    any_text,
    half_width,
    read_table,
    table_error,
    yes_or_no,
)

Row = dict[str, Any]
_LEVELS = {
    "非常满意": 5, "很满意": 5, "满意": 4, "基本满意": 3, "一般": 3, "不满意": 2, "非常不满意": 1,
}  # fmt: skip


def _level(cell: str) -> int:
    text = half_width(cell).removesuffix("星").removesuffix("分").strip()
    if text in _LEVELS:
        return _LEVELS[text]
    if text in {"1", "2", "3", "4", "5"}:
        return int(text)
    raise CellError(f"{cell!r} is no level: 1 to 5", f"{cell!r} 不是评价等级：1 到 5，或 满意 等")


def _names(cell: str) -> list[str]:
    text = cell.replace("；", ";").replace("、", ";").replace("，", ";").replace(",", ";")
    return [any_text(each.strip()) for each in text.split(";") if each.strip()]


ACTIVITIES = (
    Column("site", "编号", an_id, "site-001"),
    Column("activity", "活动编号", any_text, "2026-01-017"),
    Column("title", "活动名称", any_text, "手机课堂"),
    Column("begin", "开始", a_moment, "2026-01-15 09:30"),
    Column("end", "结束", a_moment, "2026-01-15 11:00"),
    Column("held", "是否举办", yes_or_no, "是"),
    Column("expected", "计划人数", a_count, "30", is_needed=False),
    Column("attended", "实到人数", a_count, "26", is_needed=False),
    Column("zone", "区域", any_text, "hall", is_needed=False),
    Column("audiences", "人群", _names, "elderly;volunteers", is_needed=False, default=()),
    Column("brand", "品牌", any_text, "幸福课堂", is_needed=False),
)
RATINGS = (
    Column("site", "编号", an_id, "site-001"),
    Column("at", "时间", a_moment, "2026-01-15 10:20"),
    Column("level", "评价", _level, "5"),
    Column("rating", "评价编号", any_text, "r-0001", is_needed=False),
)
CASES = (
    Column("site", "编号", an_id, "site-001"),
    Column("case", "事项编号", any_text, "c-0001"),
    Column("due", "期限", a_moment, "2026-01-20"),
    Column("done", "办结时间", a_moment, "2026-01-18 15:30", is_needed=False),
)


def activity_rows(content: bytes, name: str) -> list[Row]:
    """Return activities, times as local datetimes. Raises BadInputError."""
    lines = read_table(content, name, ACTIVITIES)
    mistakes = [
        Mistake("the end is not after the beginning", "结束应晚于开始", line=line.number, file=name)
        for line in lines
        if not timedelta() < line.values["end"] - line.values["begin"] <= timedelta(days=31)
    ]
    if mistakes:
        raise table_error(mistakes)
    return _once(lines, name, "activity")


def rating_rows(content: bytes, name: str) -> list[Row]:
    """Return ratings, times as local datetimes. Raises BadInputError."""
    seen: Counter[tuple[str, datetime, int]] = Counter()
    lines = []
    for line in read_table(content, name, RATINGS):
        values = dict(line.values)
        said = (values["site"], values["at"], values["level"])
        if values["rating"] is None:
            text = f"{said[0]} {said[1].isoformat()} {said[2]} {seen[said]}"
            values["rating"] = f"={hashlib.sha256(text.encode()).hexdigest()[:24]}"
            seen[said] += 1
        lines.append(Line(line.number, values))
    return _once(lines, name, "rating")


def case_rows(content: bytes, name: str) -> list[Row]:
    """Return service cases, times as local datetimes; a due date is its whole day.

    Raises BadInputError.
    """
    rows = _once(read_table(content, name, CASES), name, "case")
    for row in rows:
        if row["due"].time() == datetime.min.time():
            row["due"] += timedelta(days=1)
    return rows


READERS: Mapping[str, Callable[[bytes, str], list[Row]]] = {
    "activities": activity_rows,
    "ratings": rating_rows,
    "cases": case_rows,
}


def _once(lines: Sequence[Line], name: str, key: str) -> list[Row]:
    seen: dict[tuple[str, str], int] = {}
    mistakes = []
    for line in lines:
        of = (line.values["site"], line.values[key])
        if of in seen:
            mistakes.append(
                Mistake(
                    f"{of[1]} is in row {seen[of]} too", f"{of[1]} 与第 {seen[of]} 行重复",
                    line=line.number, file=name,
                )
            )  # fmt: skip
        seen.setdefault(of, line.number)
    if mistakes:
        raise table_error(mistakes)
    return [dict(line.values) for line in lines]
