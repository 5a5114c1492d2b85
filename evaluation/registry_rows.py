"""The tables of a city as spreadsheets: its sites, its devices, its special days."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from edge.errors import Mistake
from evaluation.hours_text import (
    EXAMPLE,
    as_text,
    day_hours,
    weekly_hours,
)
from evaluation.site_tables import EVERY_SITE
from evaluation.spreadsheet import (
    CellError,
    Column,
    Line,
    a_count,
    a_day,
    an_id,
    any_text,
    read_table,
    table_error,
)

EVER = date(2000, 1, 1)
"""From when something holds that has no date."""
Row = dict[str, Any]


def _zone(cell: str) -> str:
    try:
        return ZoneInfo(cell).key
    except (ZoneInfoNotFoundError, ValueError):
        raise CellError(
            f"{cell!r} is no time zone; e.g. Asia/Shanghai",
            f"{cell!r} 不是时区；例如 Asia/Shanghai",
        ) from None


def _site_or_all(cell: str) -> str:
    return EVERY_SITE if cell in {EVERY_SITE, "全部", "all"} else an_id(cell)


def _lines(cell: str) -> list[str]:
    return [any_text(each) for each in cell.replace("；", ";").replace(" ", ";").split(";") if each]


SITES = (
    Column("site", "编号", an_id, "site-001"),
    Column("name", "名称", any_text, "幸福里党群服务中心"),
    Column("area", "街道", any_text, "和平街道", is_needed=False, default=""),
    Column("residents", "常住人口", a_count, "8200"),
    Column("hours", "开放时间", weekly_hours, EXAMPLE),
    Column("from_day", "起始日期", a_day, "2026-01-01", is_needed=False, default=EVER),
    Column("time_zone", "时区", _zone, "Asia/Shanghai", is_needed=False, default="Asia/Shanghai"),
)
DEVICES = (
    Column("dev", "设备", an_id, "lobby-001"),
    Column("site", "编号", an_id, "site-001"),
    Column("place", "位置", any_text, "north-door", is_needed=False),
    Column("from_day", "起始日期", a_day, "2026-01-01", is_needed=False, default=EVER),
    Column("to_day", "结束日期", a_day, "2026-07-01", is_needed=False),
    Column("lines", "计数线", _lines, "door;side", is_needed=False),
)
SPECIAL_DAYS = (
    Column("site", "编号", _site_or_all, "*"),
    Column("day", "日期", a_day, "2026-02-17"),
    Column("hours", "开放时间", day_hours, "closed"),
)


def site_rows(content: bytes, name: str, tenant: str) -> dict[str, list[Row]]:
    """Return the rows of `sites`, `site_residents` and `site_hours`. Raises BadInputError.

    A site may be there several times with other dates: the latest row gives its name.
    """
    lines = read_table(content, name, SITES)
    _check_once(lines, name, ("site", "from_day"))
    sites: dict[str, Row] = {}
    residents: list[Row] = []
    hours: list[Row] = []
    for line in sorted(lines, key=lambda each: each.values["from_day"]):
        values = line.values
        site, from_day = values["site"], values["from_day"].isoformat()
        names = {each: values[each] for each in ("site", "name", "area", "time_zone")}
        sites[site] = {**names, "tenant": tenant}
        dated = {"site": site, "from_day": from_day}
        residents.append({**dated, "residents": values["residents"]})
        hours += [
            {**dated, "weekday": weekday, "hours": as_text(values["hours"].get(weekday, ()))}
            for weekday in range(7)
        ]
    return {"sites": list(sites.values()), "site_residents": residents, "site_hours": hours}


def device_rows(content: bytes, name: str, tenant: str) -> dict[str, list[Row]]:
    """Return the rows of `devices` and `device_sites`. Raises BadInputError."""
    lines = read_table(content, name, DEVICES)
    _check_once(lines, name, ("dev", "from_day"))
    _check_spans(lines, name)
    devices: dict[str, Row] = {}
    places: list[Row] = []
    for line in lines:
        values = line.values
        to_day = values["to_day"]
        devices[values["dev"]] = {
            "dev": values["dev"], "tenant": tenant, "lines": values["lines"],
        }  # fmt: skip
        places.append(
            {"dev": values["dev"], "site": values["site"]}
            | {
                "place": values["place"] or values["dev"],
                "from_day": values["from_day"].isoformat(),
            }
            | {"to_day": to_day and to_day.isoformat()}
        )
    return {"devices": list(devices.values()), "device_sites": places}


def special_day_rows(content: bytes, name: str, tenant: str) -> dict[str, list[Row]]:
    """Return the rows of `special_days`. Raises BadInputError."""
    lines = read_table(content, name, SPECIAL_DAYS)
    _check_once(lines, name, ("site", "day"))
    rows = [
        {"tenant": tenant, "site": line.values["site"]}
        | {"day": line.values["day"].isoformat(), "hours": as_text(line.values["hours"])}
        for line in lines
    ]
    return {"special_days": rows}


def _check_once(lines: Sequence[Line], name: str, keys: tuple[str, ...]) -> None:
    seen: dict[tuple[Any, ...], int] = {}
    mistakes = []
    for line in lines:
        key = tuple(line.values[each] for each in keys)
        if key in seen:
            mistakes.append(
                Mistake(
                    f"is the same as row {seen[key]} ({', '.join(map(str, key))})",
                    f"与第 {seen[key]} 行重复（{'，'.join(map(str, key))}）",
                    line=line.number,
                    file=name,
                )
            )
        seen.setdefault(key, line.number)
    if mistakes:
        raise table_error(mistakes)


def _check_spans(lines: Sequence[Line], name: str) -> None:
    mistakes = [
        Mistake(
            "to_day is not after from_day", "结束日期应晚于起始日期", line=line.number, file=name
        )
        for line in lines
        if line.values["to_day"] is not None and line.values["to_day"] <= line.values["from_day"]
    ]
    if mistakes:
        raise table_error(mistakes)
