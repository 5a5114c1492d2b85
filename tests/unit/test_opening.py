"""Opening hours as slots of a month, in time zones of all kinds."""

from datetime import date, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from evaluation.assessment.opening import Opening, checked_hours, month_of

MORNING, WHOLE_DAY = (540, 600), (0, 1440)


def test_hours_are_put_in_order_and_may_touch():
    assert checked_hours(((840, 1020), (540, 720), (720, 840))) == (
        (540, 720), (720, 840), (840, 1020),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("spans", "where"),
    [
        (((600, 540),), "10:00-09:00"),
        (((1380, 1500),), "23:00-25:00"),
        (((540, 720), (700, 800)), "overlap at 11:40"),
    ],
)
def test_hours_that_cannot_be_are_named(spans, where):
    with pytest.raises(ValueError, match=where):
        checked_hours(spans)


def test_a_special_day_replaces_its_weekday_and_only_whole_slots_are_open():
    opening = Opening(
        {0: (MORNING,)},
        {date(2026, 2, 9): (), date(2026, 2, 14): ((545, 600),)},
    )
    month = month_of(2026, 2, ZoneInfo("Asia/Shanghai"))
    is_open = month.open_slots(opening)
    by_day = np.bincount(month.day, is_open, minlength=month.days)
    assert {day + 1: n for day, n in enumerate(by_day.tolist()) if n} == {2: 4, 16: 4, 23: 4, 14: 3}


@pytest.mark.parametrize(
    ("name", "month", "slots"),
    [("Asia/Shanghai", 3, 2976), ("Europe/Berlin", 3, 2972), ("Europe/Berlin", 10, 2980),
     ("Australia/Lord_Howe", 4, 2882), ("Asia/Kathmandu", 2, 2688)],
)  # fmt: skip
def test_a_month_has_the_slots_that_its_clock_changes_leave(name, month, slots):
    made = month_of(2026, month, ZoneInfo(name))
    assert made.slots == slots == len(made.day)
    assert made.open_slots(Opening(dict.fromkeys(range(7), (WHOLE_DAY,)))).all()
    assert made.t1_ms == month_of(2026, month + 1, ZoneInfo(name)).t0_ms


def test_a_time_zone_that_does_not_keep_to_quarters_is_refused():
    with pytest.raises(ValueError, match="quarters of an hour"):
        month_of(2026, 1, timezone(timedelta(hours=5, minutes=53)))
