"""When too little of the door is seen."""

from itertools import pairwise
from math import floor
from random import Random

import pytest

from edge.sight import Sight


class Door:
    def __init__(self, target_fps=8.0):
        self.sight = Sight(target_fps)
        self.at, self.dropped = 0.0, 0

    def see(self, fps, for_s, drops=1):
        """Look for some time; return what was said of each picture."""
        said = []
        for _ in range(round(for_s * fps)):
            self.at += 1 / fps
            self.dropped += drops
            said.append(self.sight.is_blind(self.at, self.dropped))
        return said


def test_so_few_pictures_that_people_pass_between_them():
    door = Door()
    assert not any(door.see(3.0, 10))
    assert door.see(2.0, 10)[-1]
    assert all(door.see(2.7, 30)), "not yet enough to see again"
    assert door.see(3.0, 20)[-1] is False


def test_a_slow_camera_drops_nothing_and_is_not_overload():
    assert not any(Door().see(1.0, 30, drops=0))
    door = Door()
    assert door.see(1.0, 10)[-1]
    assert not door.see(1.0, 20, drops=0)[-1], "nothing is dropped any more"


def test_a_short_stall_is_forgiven_and_two_seconds_are_not():
    door = Door()
    door.see(8.0, 10, drops=0)
    assert door.see(1 / 1.2, 1.2) == [False]
    door.see(8.0, 10, drops=0)
    assert door.see(1 / 2.1, 2.1) == [True]


def test_a_short_dip_is_told_and_counts_until_ten_good_seconds_have_passed():
    door = Door()
    door.see(8.0, 10, drops=0)
    assert door.see(1 / 2.1, 2.1) == [True]
    after = door.see(8.0, 30, drops=0)
    assert after == [True] * sum(after) + [False] * (len(after) - sum(after)), "it ends once"
    assert 10.0 <= sum(after) / 8.0 <= 12.5


def test_good_seconds_must_come_in_a_row():
    door = Door()
    assert door.see(1.0, 10)[-1]
    for _ in range(10):
        assert all(door.see(8.0, 9.0)), "9 s are too few"
        assert all(door.see(1.0, 3.0))


@pytest.mark.parametrize(
    ("least_s", "most_s"), [(0.30, 0.36), (0.30, 0.42), (0.30, 0.5), (0.2, 0.6)]
)
def test_at_the_limit_it_is_not_said_and_taken_back_all_the_time(least_s, most_s):
    """Three pictures a second are asked for, and now and then one is too late for the next."""
    works_s, sight = Random(2), Sight(8.0)
    at = due = 0.0
    dropped, said = 0, []
    while at < 3600.0:
        missed = max(0, floor((at - due) * 3.0))
        dropped, due = dropped + missed, due + missed / 3.0
        said.append(sight.is_blind(due, dropped))
        at, due = max(at, due) + works_s.uniform(least_s, most_s), due + 1 / 3.0
    assert sum(a != b for a, b in pairwise(said)) <= 12, "in an hour"


def test_who_wants_few_pictures_gets_no_complaint_about_few():
    assert not any(Door(target_fps=1.0).see(1.0, 30))
    assert Door(target_fps=1.0).see(0.5, 30)[-1]


def test_after_a_lost_camera_it_begins_anew():
    door = Door()
    assert door.see(1.0, 10)[-1]
    door.sight.nothing()
    assert door.see(8.0, 1, drops=0) == [False] * 8
