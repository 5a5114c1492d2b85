"""The city's spreadsheets: sites, devices, holidays, activities, ratings, service cases."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import timedelta

import numpy as np

from evaluation.assessment.opening import Month

from .plan import Centre, Story
from .records import REPLACED_ON

HOLIDAYS = range(3)
"""Days of the month, from 0, on which every centre is closed."""
_ACTIVITY_HEADING = (
    "编号", "活动编号", "活动名称", "开始", "结束", "是否举办", "计划人数", "实到人数", "人群",
)  # fmt: skip
AUDIENCES = ("elderly", "children", "youth", "women", "workers", "volunteers")


def tables(centres: Sequence[Centre], month: Month) -> dict[str, bytes]:
    """Return the files by kind, as a spreadsheet writes them (GB18030 and UTF-8 with BOM)."""
    rows = {
        "sites": [("编号", "名称", "街道", "常住人口", "开放时间")]
        + [(c.site, c.name, c.area, str(c.residents), c.hours) for c in centres],
        "devices": [("dev", "site", "place", "from_day", "to_day"), *_devices(centres, month)],
        "days": [("site", "day", "hours"), *_days(centres, month)],
        "activities": [
            _ACTIVITY_HEADING,
            *_activities(centres, month),
        ],
        "ratings": [("site", "at", "level"), *_ratings(centres, month)],
        "cases": [("site", "case", "due", "done"), *_cases(centres, month)],
    }  # fmt: skip
    return {
        kind: _written(lines, "gb18030" if kind == "activities" else "utf-8-sig")
        for kind, lines in rows.items()
    }


def _written(lines: Iterable[Sequence[str]], encoding: str) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue().encode(encoding)


def _devices(centres: Sequence[Centre], month: Month) -> Iterable[tuple[str, ...]]:
    for centre in centres:
        swap = month.date_of(REPLACED_ON).isoformat()
        if centre.story is Story.REPLACED:
            yield centre.device, centre.site, "door", "", swap
            yield f"{centre.device}b", centre.site, "door", swap, ""
        else:
            yield centre.device, centre.site, "door", "", ""


def _days(centres: Sequence[Centre], month: Month) -> Iterable[tuple[str, ...]]:
    for day in HOLIDAYS:
        yield "*", month.date_of(day).isoformat(), "closed"
    for centre in centres:
        if centre.story is Story.HOLIDAY:
            for day in range(month.days):
                yield centre.site, month.date_of(day).isoformat(), "休息"


def _told(centres: Sequence[Centre], part: int) -> Iterable[tuple[Centre, np.random.Generator]]:
    """Yield the centres that keep registers, each with its own dice."""
    for centre in centres:
        if centre.story is not Story.NO_REGISTER:
            yield centre, np.random.default_rng([centre.seed, centre.number, part])


def _activities(centres: Sequence[Centre], month: Month) -> Iterable[tuple[str, ...]]:
    for centre, random in _told(centres, 2):
        for n in range(int(random.integers(4, 12))):
            day = month.date_of(int(random.integers(1, month.days)))
            expected = int(random.integers(10, 50))
            came = int(expected * min(1.2, random.normal(0.75, 0.2)))
            people = random.choice(AUDIENCES, size=2, replace=False).tolist()
            yield (
                centre.site, f"{month.name}-{n:02}", f"活动{n + 1}", f"{day} 10:00",
                f"{day} 11:30", "是" if random.random() < 0.9 else "否", str(expected),
                str(max(0, came)), ";".join(people),
            )  # fmt: skip


def _ratings(centres: Sequence[Centre], month: Month) -> Iterable[tuple[str, ...]]:
    for centre, random in _told(centres, 3):
        good = random.uniform(0.7, 0.97)
        for _ in range(int(random.integers(5, 120))):
            day = month.date_of(int(random.integers(0, month.days)))
            level = random.choice([4, 5]) if random.random() < good else random.integers(1, 4)
            minute = int(random.integers(0, 480))
            yield centre.site, f"{day} {9 + minute // 60}:{minute % 60:02}", str(level)


def _cases(centres: Sequence[Centre], month: Month) -> Iterable[tuple[str, ...]]:
    for centre, random in _told(centres, 4):
        timely = random.uniform(0.75, 1.0)
        for n in range(int(random.integers(20, 90))):
            due = month.date_of(int(random.integers(0, month.days)))
            done = due - timedelta(days=1) if random.random() < timely else due + timedelta(days=2)
            yield centre.site, f"{month.name}-{n:04}", due.isoformat(), f"{done} 15:00"
