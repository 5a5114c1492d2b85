"""When a plan closes, and what was in it then."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from evaluation.assessment.opening import month_of
from evaluation.assessment.plan import closes_ms, stood
from evaluation.assessment.registers import Stay
from evaluation.scheme_file import read_scheme

SCHEME = read_scheme(Path("config/schemes/neutral-2026.yaml"))


@pytest.mark.parametrize(
    ("zone", "days", "closes"),
    [
        ("Asia/Shanghai", 0, "2026-02-28T16:00"),
        ("Asia/Shanghai", 3, "2026-03-03T16:00"),
        ("America/New_York", 3, "2026-03-04T05:00"),
        ("America/New_York", 10, "2026-03-11T04:00"),  # summer time has begun
        ("Asia/Shanghai", 27, "2026-03-27T16:00"),
    ],
)
def test_a_plan_closes_at_midnight_on_the_clock_of_the_centre(zone, days, closes):
    month = month_of(2026, 3, ZoneInfo(zone))
    at_ms = closes_ms(month, replace(SCHEME, plan_closes_days=days))
    assert f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%dT%H:%M}" == closes
    assert closes_ms(month, SCHEME) is None


def test_every_month_has_the_last_day_that_can_be_said():
    found = closes_ms(month_of(2026, 2, UTC), replace(SCHEME, plan_closes_days=27))
    assert datetime.fromtimestamp(found / 1000, UTC) == datetime(2026, 2, 28, tzinfo=UTC)


def test_of_what_nobody_knows_since_when_it_was_planned():
    assert stood((), 5)
    assert not stood((Stay(5, True),), 5)
    assert stood((Stay(4, True), Stay(6, False)), 5)
    assert not stood((Stay(3, True), Stay(4, False)), 5)
