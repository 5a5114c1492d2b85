"""Dates: one offset to the monotonic clock, and how far it can be trusted."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.testing import ManualClock
from edge.timeline import STEP_S, Change, Timeline
from edge.vocabulary import TimeQuality

NOON = 1_767_268_800.0  # 2026-01-01 12:00 UTC
NTP, RTC, UNSYNCED = TimeQuality.NTP, TimeQuality.RTC, TimeQuality.UNSYNCED


def utc_s(year):
    return datetime(year, 1, 1, tzinfo=UTC).timestamp()


def timeline(utc=NOON, quality=NTP, monotonic=100.0, **more):
    clock = ManualClock(utc, monotonic, quality)
    return clock, Timeline(clock, **more)


def test_moments_of_the_monotonic_clock_get_dates():
    _, times = timeline()
    assert times.started_at == 100.0
    assert times.utc_ms(100.0) == NOON * 1000
    assert times.utc_ms(100.25) == NOON * 1000 + 250
    assert times.boot_ms() == NOON * 1000 - 100_000
    assert times.offset_ms == NOON * 1000 - 100_000
    assert (times.dated, times.quality) == (True, NTP)


@settings(deadline=None)
@given(st.floats(NOON, NOON + 1e8), st.floats(0, 1e7), st.floats(0, 1e6), st.floats(-1e6, 1e6))
def test_what_was_dated_by_one_offset_moves_exactly_to_the_next(utc, monotonic, at, by_s):
    """So an interval that is moved ends where the next one begins."""
    _, times = timeline(utc, monotonic=monotonic)
    before_ms, old_ms = times.utc_ms(at), times.offset_ms
    times.adopt(Change(times.offset_ms / 1000 + by_s, RTC))
    assert times.utc_ms(at) == before_ms - old_ms + times.offset_ms
    assert times.quality is RTC


@settings(deadline=None)
@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_dates_keep_the_order_of_moments(a, b):
    _, times = timeline()
    assert (times.utc_ms(a) <= times.utc_ms(b)) or a > b


@pytest.mark.parametrize(
    ("utc", "quality", "dated"),
    [
        (NOON, NTP, True),
        (NOON, RTC, True),
        (NOON, UNSYNCED, False),
        (NOON, TimeQuality.REDATED, False),
        (utc_s(1999), NTP, False),
        (utc_s(1970), RTC, False),
        (utc_s(2025), NTP, False),
        (utc_s(2075), NTP, True),
        (utc_s(2080), NTP, False),
        (utc_s(2080), RTC, False),
    ],
)
def test_a_date_needs_a_trusted_clock_and_a_plausible_year(utc, quality, dated):
    clock, times = timeline(utc, quality)
    assert times.dated is dated
    assert times.change() is None
    clock.jump(NOON - utc, NTP)
    expected = None if dated and utc == NOON else NOON - 100
    change = times.change()
    assert (change and change.offset_s) == expected


def test_a_recording_is_dated_at_once():
    _, times = timeline(utc_s(1999), UNSYNCED, waits=False)
    assert times.dated
    assert times.quality is UNSYNCED
    assert times.change() is None


def test_before_it_is_trusted_the_offset_stays_as_it_was():
    clock, times = timeline(utc_s(1999), UNSYNCED)
    offset_ms = times.offset_ms
    clock.jump(1e6, UNSYNCED)
    assert times.change() is None
    assert times.offset_ms == offset_ms
    clock.jump(NOON - clock.utc(), NTP)
    change = times.change()
    assert not times.dated  # until the pipeline has cut its interval
    times.adopt(change)
    assert times.dated
    assert times.utc_ms(100.0) == NOON * 1000
    assert times.change() is None


@pytest.mark.parametrize("by_s", [STEP_S + 0.01, -STEP_S - 0.01, 3600.0, -86_400.0, 1e9 - NOON])
def test_a_step_is_a_change_and_less_is_not(by_s):
    clock, times = timeline()
    clock.jump(by_s * 0.9 / max(1, abs(by_s)))
    assert times.change() is None
    clock.jump(by_s)
    change = times.change()
    plausible = clock.utc() >= utc_s(2026)
    assert (change is not None) is plausible
    assert times.utc_ms(100.0) == NOON * 1000  # nothing changes by looking


def test_small_steps_that_add_up_are_followed_in_the_end():
    clock, times = timeline()
    changes = []
    for _ in range(5):
        clock.jump(0.4)
        if (change := times.change()) is not None:
            changes.append(change.offset_s)
            times.adopt(change)
    assert changes == pytest.approx([NOON - 100 + 1.2])


def test_a_clock_that_is_not_synchronised_any_more_goes_on_as_rtc():
    clock, times = timeline()
    clock.advance(10)
    clock.jump(-5000, UNSYNCED)  # whatever it says now
    assert times.change() is None
    assert (times.dated, times.quality) == (True, RTC)
    assert times.utc_ms(110.0) == (NOON + 10) * 1000
    clock.jump(5000.5, NTP)
    assert times.change() is None
    assert times.quality is NTP


def test_a_clock_that_is_vouched_for_stays_so_when_nobody_looks():
    clock, times = timeline(quality=RTC)
    clock.jump(0, UNSYNCED)
    assert times.change() is None
    assert (times.dated, times.quality) == (True, RTC)


def test_an_impossible_date_is_not_followed_even_if_it_is_called_good():
    clock, times = timeline()
    clock.jump(utc_s(2080) - NOON, NTP)
    assert times.change() is None
    assert (times.quality, times.utc_ms(100.0)) == (RTC, NOON * 1000)
