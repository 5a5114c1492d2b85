"""What the counting thread shows: numbers of today, and at most one mosaic."""

import threading
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from edge.adapters.still_opencv import BLOCKS_WIDE, mosaic, png
from edge.panel import STILL_EVERY_S, Panel, day_of
from edge.pipeline import Step
from edge.vocabulary import (
    Counted,
    CoverageReason,
    Crossing,
    Detections,
    Frame,
    NoFrame,
    Occupancy,
    Outcome,
    Tracks,
)
from tests.system.setup_page_device import wait_until

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON_MS = round(datetime(2026, 3, 2, 4, tzinfo=UTC).timestamp() * 1000)
PICTURE = np.arange(90 * 160 * 3, dtype=np.uint8).reshape(90, 160, 3)
NOBODY = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), 16 / 9)


def a_panel(stored=lambda _t0, _t1: {}, made=mosaic, start_ms=NOON_MS):
    return Panel(SHANGHAI, lambda at: start_ms + round(at * 1000), stored, made)


def a_step(at, *, booked=(), live=(), heads=(), item=None):
    frame = item or Frame(at, 0, PICTURE)
    counted = Counted(tuple(booked), tuple(live), at)
    return Step(frame, NOBODY, Tracks(at, 16 / 9), counted, tuple(heads))


def crossing(at, outcome=Outcome.IN):
    return Crossing("door", outcome, at)


@pytest.mark.parametrize(
    ("zone", "now", "begin", "end"),
    [
        ("Asia/Shanghai", "2026-03-02T15:59:59Z", "2026-03-01T16:00:00Z", "2026-03-02T16:00:00Z"),
        ("Asia/Shanghai", "2026-03-02T16:00:00Z", "2026-03-02T16:00:00Z", "2026-03-03T16:00:00Z"),
        ("Europe/Berlin", "2026-03-29T10:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
        ("Europe/Berlin", "2026-10-25T10:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
    ],
)
def test_a_day_is_the_local_one_however_long(zone, now, begin, end):
    ms = [round(datetime.fromisoformat(t).timestamp() * 1000) for t in (now, begin, end)]
    assert day_of(ms[0], ZoneInfo(zone)) == (ms[1], ms[2])


def test_today_is_what_is_stored_and_what_is_booked_since():
    asked = []

    def stored(t0_ms, t1_ms):
        asked.append((t0_ms, t1_ms))
        return {("door", Outcome.IN): 40}

    panel = a_panel(stored)
    panel.show(a_step(1.0, live=[crossing(1.0)]))
    panel.show(a_step(2.0, booked=[crossing(1.0), crossing(1.5, Outcome.UTURN)]))
    reading = panel.reading()
    assert reading.today == {("door", Outcome.IN): 41, ("door", Outcome.UTURN): 1}
    assert reading.live == {("door", Outcome.IN): 1}
    assert asked == [day_of(NOON_MS, SHANGHAI)]


def test_at_midnight_today_begins_with_what_is_stored_of_it():
    panel = a_panel()
    panel.show(a_step(1.0, booked=[crossing(1.0)]))
    midnight_s = 12 * 3600.0
    panel.show(a_step(midnight_s + 1, booked=[crossing(midnight_s - 1)]))
    assert panel.reading().today == {}
    panel.show(a_step(midnight_s + 3, booked=[crossing(midnight_s - 0.5)]))  # late, of yesterday
    panel.show(a_step(midnight_s + 4, booked=[crossing(midnight_s + 2)]))
    assert panel.reading().today == {("door", Outcome.IN): 1}
    assert panel.reading().live == {}


def test_another_time_zone_begins_its_own_day():
    asked = []
    panel = a_panel(lambda t0_ms, t1_ms: asked.append((t0_ms, t1_ms)) or {})
    berlin = ZoneInfo("Europe/Berlin")
    for zone in (SHANGHAI, berlin, berlin):
        panel.follow(zone)
        panel.show(a_step(1.0))
    assert asked == [day_of(NOON_MS, SHANGHAI), day_of(NOON_MS + 1000, berlin)]


def test_what_is_seen_now_is_shown():
    panel = a_panel()
    assert panel.reading().seen is CoverageReason.RESTART
    assert panel.reading().aspect is None
    panel.show(a_step(1.0, heads=[Occupancy("hall", 3)]))
    assert (panel.reading().seen, panel.reading().headcounts) == (None, {"hall": 3})
    assert panel.reading().aspect == pytest.approx(16 / 9)
    panel.show(a_step(2.0, item=NoFrame(2.0, CoverageReason.NO_CAMERA)))
    assert panel.reading().seen is CoverageReason.NO_CAMERA
    assert panel.reading().frames == 1


def test_a_mosaic_is_made_only_when_asked_for_and_not_too_often():
    made = []
    panel = a_panel(made=lambda image: made.append(1) or mosaic(image))
    panel.show(a_step(1.0))
    assert not made
    answers = []
    asking = [threading.Thread(target=lambda: answers.append(panel.still(20.0))) for _ in "12"]
    for each in asking:
        each.start()
    wait_until(lambda: panel._asking == 2, "both asking")
    panel.show(a_step(1.1))
    wait_until(lambda: len(answers) == 1, "one answered")
    panel.show(a_step(1.2))
    assert len(made) == 1
    panel.show(a_step(1.1 + STILL_EVERY_S))
    for each in asking:
        each.join()
    assert len(made) == 2
    assert [answer.shape for answer in answers] == [(22, 40, 3), (22, 40, 3)]
    assert panel._still is None
    panel.show(a_step(20.0))
    assert len(made) == 2


def test_without_a_picture_nobody_waits_for_ever():
    panel = a_panel()
    assert panel.still(0.05) is None
    panel.show(a_step(1.0))
    assert panel._still is None  # nobody waits for it any more


@pytest.mark.parametrize("shape", [(1080, 1920, 3), (90, 160, 3), (768, 576, 3), (8, 16, 3)])
def test_a_mosaic_has_40_blocks_across_and_nothing_between(shape):
    picture = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    blocks = mosaic(picture)
    assert blocks.shape[1] == BLOCKS_WIDE
    assert blocks.nbytes <= 40 * 80 * 3
    assert blocks.base is None or blocks.base.nbytes <= blocks.nbytes
    if shape[1] >= 400:  # each block is the mean of all of its pixels, none is one of them
        assert blocks.std() < picture.std() / 5
    assert png(blocks)[:4] == b"\x89PNG"
