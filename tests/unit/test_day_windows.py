"""Daily windows on the wall clock, as intervals of UTC."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from edge.day_windows import overlap_ms, spans
from edge.vocabulary import DailyWindow

SHANGHAI = timezone(timedelta(hours=8))
HOUR = 3_600_000


def ms(text):
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def shown(windows, zone, t0, t1):
    return [
        tuple(datetime.fromtimestamp(t / 1000, UTC).strftime("%d %H:%M") for t in part)
        for part in spans(windows, zone, ms(t0), ms(t1))
    ]


MORNING, EVENING = DailyWindow(9 * 60, 11 * 60 + 30), DailyWindow(19 * 60, 24 * 60)


@pytest.mark.parametrize(
    ("windows", "t0", "t1", "expected"),
    [
        ([MORNING], "2026-01-01T00:00", "2026-01-01T01:00", []),
        ([MORNING], "2026-01-01T00:00", "2026-01-01T02:00", [("01 01:00", "01 02:00")]),
        ([MORNING], "2026-01-01T02:00", "2026-01-01T02:15", [("01 02:00", "01 02:15")]),
        ([MORNING], "2026-01-01T03:00", "2026-01-01T04:00", [("01 03:00", "01 03:30")]),
        ([MORNING], "2026-01-01T03:30", "2026-01-01T04:00", []),
        # Midnight in Shanghai is 16:00 UTC; a day there begins on the UTC day before.
        ([EVENING], "2026-01-01T15:45", "2026-01-01T16:15", [("01 15:45", "01 16:00")]),
        ([DailyWindow(0, 60)], "2026-01-01T16:00", "2026-01-01T18:00", [("01 16:00", "01 17:00")]),
        (
            [EVENING, MORNING],
            "2026-01-01T00:00",
            "2026-01-02T12:00",
            [
                ("01 01:00", "01 03:30"),
                ("01 11:00", "01 16:00"),
                ("02 01:00", "02 03:30"),
                ("02 11:00", "02 12:00"),
            ],
        ),
        ([], "2026-01-01T00:00", "2026-01-02T00:00", []),
    ],
)
def test_windows_become_half_open_parts_of_utc(windows, t0, t1, expected):
    assert shown(windows, SHANGHAI, t0, t1) == expected


def test_clock_changes_move_the_window_with_the_wall_clock():
    berlin = ZoneInfo("Europe/Berlin")
    night = [DailyWindow(60, 4 * 60)]
    for day, hours in (("2026-03-28", 3), ("2026-03-29", 2), ("2026-10-25", 4)):
        parts = spans(night, berlin, ms(f"{day}T00:00") - 2 * HOUR, ms(f"{day}T12:00"))
        assert [(end - start) / HOUR for start, end in parts] == [hours]


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        # At 02:00 the clock went to 03:00, which was 01:00 UTC.
        ([(120, 180)], []),
        ([(120, 150)], []),
        ([(135, 240)], [("29 01:00", "29 02:00")]),
        ([(60, 135)], [("29 00:00", "29 01:00")]),
        ([(120, 150), (150, 180), (180, 240)], [("29 01:00", "29 02:00")]),
    ],
)
def test_a_time_that_is_left_out_is_the_moment_of_the_change(windows, expected):
    berlin = ZoneInfo("Europe/Berlin")
    parts = [DailyWindow(*window) for window in windows]
    assert shown(parts, berlin, "2026-03-28T12:00", "2026-03-29T12:00") == expected


def test_midnight_itself_may_be_left_out():
    # In Beirut the clock goes from 00:00 to 01:00, at 22:00 UTC.
    day = [DailyWindow(0, 24 * 60)]
    assert shown(day, ZoneInfo("Asia/Beirut"), "2026-03-28T12:00", "2026-03-29T12:00") == [
        ("28 12:00", "28 22:00"), ("28 22:00", "29 12:00"),
    ]  # fmt: skip


def test_a_time_that_comes_twice_is_the_first_one():
    # At 03:00 the clock went back to 02:00; the first 02:30 was at 00:30 UTC.
    berlin = ZoneInfo("Europe/Berlin")
    halves = [DailyWindow(60, 150), DailyWindow(150, 240)]
    assert shown(halves, berlin, "2026-10-24T12:00", "2026-10-25T12:00") == [
        ("24 23:00", "25 00:30"), ("25 00:30", "25 03:00"),
    ]  # fmt: skip


def test_overlap_is_what_both_have():
    parts = ((0, 10), (20, 30))
    assert overlap_ms(parts, 5, 25) == 10
    assert overlap_ms(parts, 10, 20) == 0
    assert overlap_ms(parts, -5, 99) == 20
    assert overlap_ms((), 0, 99) == 0
