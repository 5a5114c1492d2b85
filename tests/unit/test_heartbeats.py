import pytest

from edge.heartbeats import LIMITS_S, Heartbeats
from edge.testing import ManualClock


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def beats(clock):
    return Heartbeats(clock.monotonic, {"frames": 10.0, "relay": 60.0, "database": 20.0})


@pytest.mark.parametrize(("part", "limit_s"), [("frames", 10.0), ("relay", 60.0)])
def test_a_loop_that_has_begun_has_to_go_on(beats, clock, part, limit_s):
    clock.advance(1000)
    assert beats.silent() == [], "nothing has begun"
    beats.beat(part)
    clock.advance(limit_s)
    assert beats.silent() == [], "at its limit"
    clock.advance(1)
    (silence,) = beats.silent()
    assert str(silence) == f"{part} hangs since {limit_s + 1:.0f} s"
    beats.beat(part)
    assert beats.silent() == []


def test_the_first_beat_may_come_when_the_machine_starts():
    clock = ManualClock(monotonic=0.0)
    beats = Heartbeats(clock.monotonic)
    beats.beat("frames")
    clock.advance(LIMITS_S["frames"] + 1)
    assert [silence.part for silence in beats.silent()] == ["frames"]


def test_a_call_that_does_not_return_hangs_and_one_that_fails_does_not(beats, clock):
    with pytest.raises(OSError, match="disk full"), beats.call("database"):
        raise OSError("disk full")
    clock.advance(1000)
    assert beats.silent() == [], "nobody needed the database"
    with beats.call("database"):
        clock.advance(21)
        assert [silence.part for silence in beats.silent()] == ["database"]
    assert beats.silent() == []


def test_every_part_that_hangs_is_named(beats, clock):
    beats.beat("frames")
    beats.beat("relay")
    with beats.call("database"):
        clock.advance(61)
        assert [silence.part for silence in beats.silent()] == ["frames", "relay", "database"]


def test_nobody_is_killed_while_waiting_for_the_database_or_for_a_slow_broker():
    assert LIMITS_S["frames"] >= LIMITS_S["database"] >= 60
    connect_s, publish_s, messages_of_a_birth = 10, 20, 4
    assert LIMITS_S["relay"] > 2 * (connect_s + 2 * connect_s) + messages_of_a_birth * publish_s
