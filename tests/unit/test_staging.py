"""When an update may come, what is refused at once, and what is said about it."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from edge.config_drawings import daily_windows
from edge.updating.answers import Reported
from edge.updating.asking import Moment, StagingLimits
from edge.updating.staging import Staging
from edge.updating.wanted import Wanted
from tests.properties.incoming_memory import MemoryIncoming

SHANGHAI = ZoneInfo("Asia/Shanghai")
BUNDLE, OTHER = "ab" * 32, "cd" * 32
LIMITS = StagingLimits(max_bytes=5_000_000, zone=SHANGHAI)


def staging(*, share=0.5, limits=LIMITS, in_use="0.2.0"):
    return Staging(MemoryIncoming(), in_use, share=share, limits=limits)


def wanted(**changes):
    known = {"version": "0.3.0", "bundle": BUNDLE, "size": 3_500_000, "piece_bytes": 16_384}
    return Wanted(**{**known, "spread_s": 0, **changes})


def at(clock, day=1):
    hour, minute = map(int, clock.split(":"))
    return round(datetime(2026, 3, day, hour, minute, tzinfo=SHANGHAI).timestamp() * 1000)


def shown(it):
    return it.said.state, it.said.reason


@pytest.mark.parametrize(
    ("changes", "state", "reason"),
    [
        ({"version": "0.2.0"}, "applied", None),
        ({"version": "0.1.9"}, "refused", "downgrade"),
        ({"version": "0.2.0rc1"}, "refused", "downgrade"),
        ({"size": 5_000_001}, "refused", "too-large"),
        ({"version": "0.2.1"}, "waiting", "spread"),
        ({"version": "0.10.0"}, "waiting", "spread"),
    ],
)
def test_what_would_be_refused_in_the_end_is_refused_at_once(changes, state, reason):
    it = staging()
    it.hear_desired(wanted(**changes), 0.0)
    assert shown(it) == (state, reason)
    assert it.said.zh
    assert it.said.en
    asked = it.tick(Moment(1.0, 0))
    assert (asked is not None) == (state == "waiting")


def test_hours_of_the_device_and_of_the_offer_both_hold():
    limits = StagingLimits(hours=daily_windows(["01:00-05:00"]), zone=SHANGHAI)
    it = staging(limits=limits)
    it.hear_desired(wanted(hours=("04:00-08:00",), not_before_ms=at("04:30", day=2)), 0.0)
    for clock, day, reason in (
        ("04:40", 1, "not-before"), ("03:59", 3, "hours"), ("05:00", 3, "hours"),
    ):  # fmt: skip
        assert it.tick(Moment(1.0, at(clock, day))) is None
        assert shown(it) == ("waiting", reason)
    assert it.tick(Moment(1.0, at("04:40", 2), is_set=False)) is None
    assert shown(it) == ("waiting", "clock")
    assert it.tick(Moment(1.0, at("04:40", 2))) is not None
    assert shown(it) == ("downloading", None)


def test_a_city_does_not_ask_at_once():
    firsts = []
    for share in (0.0, 0.25, 0.99):
        it = staging(share=share)
        it.hear_desired(wanted(spread_s=600), 1000.0)
        now = 1000.0
        while it.tick(Moment(now, 0)) is None:
            assert shown(it) == ("waiting", "spread")
            now += 1.0
        firsts.append(now - 1000.0)
    assert firsts == [0.0, 150.0, 594.0]


def test_pieces_are_asked_for_no_faster_than_is_allowed():
    limits = StagingLimits(bytes_per_s=32_768.0, window_bytes=65_536)
    it = staging(limits=limits)
    it.hear_desired(wanted(), 0.0)
    asked = []
    for tenth in range(1000):
        now = tenth / 10
        want = it.tick(Moment(now, 0))
        if want is not None:
            asked.append(now)
            assert want.pieces == 4
            for n in range(4):
                assert it.hear_piece(_piece(want.offset + n * 16_384), now)
    assert asked == [2.0 * n for n in range(50)]


def _piece(offset):
    from edge.updating.wanted import Piece

    return Piece(BUNDLE, offset, bytes(16_384))


@pytest.mark.parametrize("state", ["verifying", "installing", "trial", "reverted", "refused"])
def test_what_the_root_side_says_of_the_bundle_is_said_and_nothing_is_asked(state):
    it = staging()
    it.hear_desired(wanted(), 0.0)
    it.hear_report(Reported("0.2.0", state, "0.3.0", BUNDLE, reason="x", zh="原因", en="why"))
    assert it.tick(Moment(1.0, 0)) is None
    assert (shown(it), it.said.zh, it.said.en) == ((state, "x"), "原因", "why")
    assert it.said.wanted == "0.3.0"
    it.hear_report(Reported("0.2.0", state, "0.3.0", OTHER))  # of another bundle
    assert it.tick(Moment(1.0, 0)) is not None


def test_what_failed_is_tried_again_only_as_another_file():
    it = staging()
    it.hear_report(Reported("0.2.0", "reverted", "0.3.0", BUNDLE, zh="退回", en="went back"))
    assert shown(it) == ("reverted", None)  # though nothing is wanted: perhaps from a USB stick
    it.hear_desired(wanted(), 0.0)
    assert it.tick(Moment(4000.0, 0)) is None
    it.hear_desired(wanted(bundle=OTHER), 4000.0)
    assert it.tick(Moment(4001.0, 0)) is not None


def test_the_same_wish_once_more_changes_nothing():
    it = staging()
    it.hear_desired(wanted(), 0.0)
    want = it.tick(Moment(1.0, 0))
    assert it.hear_piece(_piece(0), 1.0)
    it.hear_desired(wanted(), 2.0)
    assert it.said.had == 16_384
    assert want is not None
