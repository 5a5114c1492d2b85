"""Opening hours as people write them: `Mon-Fri 09:00-12:00,13:30-17:30; Sat 09:00-12:00`.

In Chinese `周一至周五 9:00-17:30；周六 9:00-12:00`, and `每天` or `daily`. Days that are not
named are closed. Of a single day only the spans: `09:00-12:00`, or `closed` or `休息`.
"""

import json
import re
from collections.abc import Mapping

from evaluation.assessment.opening import Hours, checked_hours
from evaluation.spreadsheet import CellError, a_minute, half_width

_EN = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ZH = ("一", "二", "三", "四", "五", "六", "日")
_DAILY = ("daily", "每天", "每日")
_CLOSED = ("closed", "休息", "闭馆", "休")
_TO = re.compile(r"\s*(?:-|~|至|到|–|—)\s*")
EXAMPLE = "Mon-Fri 09:00-17:30; Sat 09:00-12:00"
EXAMPLE_ZH = "周一至周五 9:00-17:30；周六 9:00-12:00"


def weekly_hours(text: str) -> dict[int, Hours]:
    """Return the hours by weekday, 0 is Monday. Raises CellError."""
    found: dict[int, Hours] = {}
    for part in filter(None, (each.strip() for each in half_width(text).split(";"))):
        match = re.match(r"[^0-9]*", part)
        days, spans = part[: match.end() if match else 0], part[match.end() if match else 0 :]
        for day in _days(days.strip(), text):
            if day in found:
                raise _wrong(text, "a day is there twice", "同一天写了两次")
            found[day] = day_hours(spans)
    if not found:
        raise _wrong(text, "says no hours", "没有写时间")
    return found


def day_hours(text: str) -> Hours:
    """Return the spans of one day; none when it is closed. Raises CellError."""
    plain = half_width(text).strip().lower()
    if plain in _CLOSED:
        return ()
    spans = []
    for part in filter(None, (each.strip() for each in re.split(r"[,、]", plain))):
        ends = _TO.split(part)
        if len(ends) != 2:
            raise _wrong(text, f"{part!r} is no span of time", f"{part!r} 不是时间段")
        spans.append((a_minute(ends[0]), a_minute(ends[1])))
    if not spans:
        raise _wrong(text, "says no hours", "没有写时间")
    try:
        return checked_hours(tuple(spans))
    except ValueError as error:
        raise _wrong(text, str(error), "时间段重叠或前后颠倒") from None


def as_text(hours: Hours) -> str:
    """Return the spans as they are kept in the database."""
    return json.dumps([list(span) for span in hours], separators=(",", ":"))


def from_text(stored: str) -> Hours:
    """Read back what `as_text` wrote."""
    return tuple((start, stop) for start, stop in json.loads(stored))


def _days(text: str, whole: str) -> list[int]:
    if text.lower() in _DAILY:
        return list(range(7))
    days: list[int] = []
    for part in filter(None, re.split(r"[,、\s]+", _TO.sub("-", text))):
        first, _, last = part.partition("-")
        begin = _day(first, whole)
        end = _day(last, whole) if last else begin
        days += [day % 7 for day in range(begin, end + 1 + (7 if end < begin else 0))]
    if not days:
        raise _wrong(whole, "names no day", "没有写星期")
    return days


def _day(text: str, whole: str) -> int:
    word = text.strip().lower()
    for prefix in ("星期", "礼拜", "周"):
        word = word.removeprefix(prefix)
    names: Mapping[str, int] = {name: n for n, name in enumerate(_ZH)} | {"天": 6}
    if word in names:
        return names[word]
    if word[:3] in _EN:
        return _EN.index(word[:3])
    raise _wrong(whole, f"{text!r} is no day of the week", f"{text!r} 不是星期")


def _wrong(text: str, en: str, zh: str) -> CellError:
    return CellError(f"{text!r}: {en}; e.g. {EXAMPLE}", f"{text!r}：{zh}；例如 {EXAMPLE_ZH}")
