"""Opening hours as people write them."""

import pytest

from evaluation.hours_text import as_text, day_hours, from_text, weekly_hours
from evaluation.spreadsheet import CellError

DAY = ((540, 720), (810, 1050))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mon-Fri 09:00-12:00,13:30-17:30", dict.fromkeys(range(5), DAY)),
        ("周一至周五 9:00-12:00，13:30-17:30", dict.fromkeys(range(5), DAY)),
        ("一到五 9：00－12：00、13：30～17：30", dict.fromkeys(range(5), DAY)),
        ("星期六 9:00-12:00；星期日 9:00-12:00", {5: ((540, 720),), 6: ((540, 720),)}),
        ("周六、周天 9:00-12:00", {5: ((540, 720),), 6: ((540, 720),)}),
        ("Sat-Mon 10:00-11:00", dict.fromkeys((5, 6, 0), ((600, 660),))),
        ("每天 0:00-24:00", dict.fromkeys(range(7), ((0, 1440),))),
        ("daily 13:30-17:30,09:00-12:00", dict.fromkeys(range(7), DAY)),
    ],
)
def test_hours_of_a_week(text, expected):
    assert weekly_hours(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "says no hours"),
        ("Mon", "says no hours"),
        ("9:00-17:00", "names no day"),
        ("Mon 17:00-9:00", "not within a day"),
        ("Mon 9:00-12:00,11:00-13:00", "overlap"),
        ("Mon 9:00-25:00", "no time of day"),
        ("Mon 9:60-10:00", "no time of day"),
        ("Mon-Wed 9:00-10:00; Tue 9:00-10:00", "twice"),
        ("Mon 9:00", "no span"),
        ("Holiday 9:00-10:00", "no day of the week"),
    ],
)
def test_what_is_no_hours_is_told_with_an_example_in_both_languages(text, why):
    with pytest.raises(CellError) as raised:
        weekly_hours(text)
    assert why in raised.value.en
    assert "9:00" in raised.value.en
    assert any("一" <= c <= "龥" for c in raised.value.zh)


@pytest.mark.parametrize("text", ["closed", "休息", "闭馆", " Closed "])
def test_a_closed_day_has_no_hours(text):
    assert day_hours(text) == ()


def test_hours_are_kept_as_they_are():
    assert from_text(as_text(DAY)) == DAY
