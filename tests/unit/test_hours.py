"""When the doors are open, on the clock on the wall."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from edge.config_sections import HoursSection

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
OFFICE = {
    "weekly": {day: ["09:00-12:00", "13:30-17:00"] for day in ("mon", "tue", "wed", "thu", "fri")},
    "closed": [date(2026, 10, 1), date(2026, 10, 2)],
    "special": {date(2026, 10, 10): ["09:00-12:00"]},  # a Saturday that is worked on
}


def hours(zone=SHANGHAI, **said):
    return HoursSection.model_validate(said or OFFICE).hours(zone)


def at(zone, *when):
    return round(datetime(*when, tzinfo=zone).timestamp() * 1000)


@pytest.mark.parametrize(
    ("when", "is_open"),
    [
        ((2026, 3, 2, 8, 59), False),  # a Monday
        ((2026, 3, 2, 9, 0), True),
        ((2026, 3, 2, 11, 59), True),
        ((2026, 3, 2, 12, 0), False),
        ((2026, 3, 2, 13, 30), True),
        ((2026, 3, 2, 17, 0), False),
        ((2026, 3, 7, 10, 0), False),  # a Saturday
        ((2026, 10, 1, 10, 0), False),  # a Thursday, and a holiday
        ((2026, 10, 10, 10, 0), True),
        ((2026, 10, 10, 14, 0), False),
    ],
)
def test_open_and_closed_on_the_wall_clock(when, is_open):
    assert hours().open_at(at(SHANGHAI, *when)) is is_open


@pytest.mark.parametrize(
    ("day", "lasts_h"),
    [(date(2026, 3, 29), 5), (date(2026, 10, 25), 7), (date(2026, 6, 7), 6)],
)
def test_a_day_with_a_clock_change_is_as_long_as_the_wall_clock_makes_it(day, lasts_h):
    open_ = hours(BERLIN, weekly={"sun": ["00:00-06:00"]})
    ((start, end),) = open_.open_spans(day)
    assert end - start == lasts_h * 3_600_000
    assert start == at(BERLIN, day.year, day.month, day.day)
    assert open_.open_at(start)
    assert open_.open_at(end - 1)
    assert not open_.open_at(end)


def test_spans_of_all_days_are_when_it_is_open():
    open_ = hours(BERLIN, weekly={"sat": ["20:00-24:00"], "sun": ["00:00-03:30"]})
    found = [
        span for k in range(5) for span in open_.open_spans(date(2026, 3, 26) + timedelta(days=k))
    ]
    moment, end = at(UTC, 2026, 3, 26), at(UTC, 2026, 3, 31)
    while moment < end:
        assert open_.open_at(moment) == any(a <= moment < b for a, b in found), moment
        moment += 900_000
    assert [b - a for a, b in found] == [4 * 3_600_000, 2.5 * 3_600_000]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"weekly": {"mon": ["17:00-09:00"]}}, "mon: '17:00-09:00' is not a part of a day"),
        ({"weekly": {"mon": ["9-17"]}}, "mon: '9-17' is not a part of a day"),
        ({"weekly": {"mon": ["09:00-12:00", "11:00-13:00"]}}, "overlap; join them"),
        ({"weekly": {"monday": ["09:00-12:00"]}}, "'mon', 'tue'"),
        ({"weekly": {}, "special": {"2026-10-10": []}}, r"closed: \[2026-10-10\]"),
        (
            {"weekly": {}, "closed": ["2026-10-10"], "special": {"2026-10-10": ["09:00-10:00"]}},
            "2026-10-10 is in closed and in special",
        ),
        ({"weekly": {}, "closed": ["10-01"]}, "date"),
        ({}, "weekly"),
    ],
)
def test_what_is_wrong_is_said(said, words):
    with pytest.raises(ValidationError, match=words):
        HoursSection.model_validate(said)
