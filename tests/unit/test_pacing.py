"""The rate a board can afford."""

from itertools import pairwise

import pytest

from edge.pacing import Pacer, PacingSettings, lost_pictures, rates_fps
from edge.vocabulary import Pace, Slowdown

PI = PacingSettings(hot_c=78.0)
WHOLE = (8.0, 6.58, 5.4, 4.44, 3.65, 3.0)


class Board:
    """A board that works at one picture after another; what comes meanwhile is lost."""

    def __init__(self, target_fps=8.0):
        self.pacer = Pacer(target_fps, PI)
        self.at, self.dropped = 1000.0, 0
        self.rates = []

    def live(self, for_s, *, work_s=0.02, temperature_c=50.0):
        """Go on for some time and return the rate at its end."""
        until = self.at + for_s
        while self.at < until:
            due_s = 1.0 / self.pacer.pace.fps
            missed = int(work_s / due_s)
            self.dropped += missed
            self.at += due_s * (1 + missed)
            self.decide(work_s, temperature_c)
        return self.pacer.pace.fps

    def decide(self, work_s, temperature_c=50.0):
        pace = self.pacer.decide(
            self.at, work_s=work_s, dropped=self.dropped, temperature_c=temperature_c
        )
        if not self.rates or self.rates[-1] != pace.fps:
            self.rates.append(pace.fps)
        return pace


@pytest.mark.parametrize(
    ("target_fps", "rates"),
    [(8.0, WHOLE), (30.0, None), (3.5, (3.5, 3.0)), (3.0, (3.0,)), (1.0, (1.0,))],
)
def test_the_rates_go_down_to_the_least_in_equal_steps(target_fps, rates):
    found = rates_fps(target_fps, 3.0, 0.8)
    assert found[0] == target_fps
    assert found[-1] == min(target_fps, 3.0)
    assert rates in {None, found}
    assert all(0.79 <= b / a < 1 for a, b in pairwise(found))


@pytest.mark.parametrize(
    ("works_s", "lost"),
    [
        ([], 0),
        ([0.24] * 9, 0),
        ([0.4, 0.05, 0.05], 0),  # one comes meanwhile, and waits
        ([0.6], 1),  # two come meanwhile, the newest waits
        ([0.3, 0.3, 0.3, 0.3, 0.3, 0.3], 1),  # a little later each time
        ([1.1], 3),
    ],
)
def test_only_the_newest_picture_waits(works_s, lost):
    assert lost_pictures(works_s, 4.0) == lost


@pytest.mark.parametrize("temperature_c", [None, 20.0, 71.9, 77.9])
def test_a_board_that_is_neither_hot_nor_busy_keeps_its_rate(temperature_c):
    board = Board()
    board.live(600, work_s=0.1, temperature_c=temperature_c)
    assert board.rates == [8.0]
    assert board.pacer.pace == Pace(8.0, 8.0, None)


def test_heat_takes_a_step_every_20_s_and_says_so():
    board = Board()
    board.live(1.0, temperature_c=78.0)
    assert board.pacer.pace == Pace(8.0, 6.58, Slowdown.HOT)
    assert board.live(18, temperature_c=79.0) == 6.58
    assert board.live(2, temperature_c=79.0) == 5.4
    assert board.live(600, temperature_c=90.0) == 3.0
    assert board.rates == list(WHOLE[1:])


def test_heat_is_over_below_72_degrees_and_a_step_comes_back_a_minute():
    board = Board()
    board.live(25, temperature_c=80.0)
    assert board.live(600, temperature_c=72.0) == 5.4, "cooler, but not cool"
    assert board.live(58, temperature_c=71.9) == 5.4
    assert board.live(3, temperature_c=71.9) == 6.58
    board.live(30, temperature_c=71.9)
    board.live(5, temperature_c=74.0)
    assert board.live(58, temperature_c=71.9) == 6.58, "the calm time begins anew"
    assert board.live(3, temperature_c=71.9) == 8.0
    assert board.pacer.pace.reason is None


def test_a_thermometer_that_falls_silent_holds_the_rate_for_a_while_and_not_for_ever():
    board = Board()
    board.live(25, temperature_c=80.0)
    assert board.live(118, temperature_c=None) == 5.4
    assert board.pacer.pace.reason is Slowdown.HOT
    board.live(300, temperature_c=None)
    assert board.rates == [6.58, 5.4, 6.58, 8.0]


def test_a_short_silence_is_not_calm():
    board = Board()
    board.live(25, temperature_c=80.0)
    for _ in range(20):
        board.live(50, temperature_c=None)
        board.live(5, temperature_c=75.0)
    assert board.rates == [6.58, 5.4]


def test_where_nobody_knows_what_is_hot_heat_slows_nothing():
    board = Board()
    board.pacer = Pacer(8.0)
    board.live(600, temperature_c=95.0)
    assert board.rates == [8.0]


def test_overload_falls_at_once_to_what_can_be_done():
    board = Board()
    board.live(11, work_s=0.2)
    assert board.pacer.pace == Pace(8.0, 4.44, Slowdown.OVERLOAD)
    board.live(600, work_s=0.2)
    assert board.rates == [8.0, 4.44]


@pytest.mark.parametrize(
    ("work_s", "fps"), [(0.13, 6.58), (0.2, 4.44), (0.25, 3.0), (0.3, 3.0), (0.35, 3.0), (1.0, 3.0)]
)
def test_a_crowd_after_hours_of_pictures_that_were_not_looked_at(work_s, fps):
    board = Board()
    board.live(600, work_s=0.002)
    board.live(60, work_s=work_s)
    assert board.rates == [8.0, fps], "at once"


def test_one_long_stall_among_little_work_is_no_reason_to_go_slowest():
    board = Board()
    board.live(60, work_s=0.02)
    board.dropped, board.at = board.dropped + 10, board.at + 1.4
    board.decide(1.4)
    board.live(5, work_s=0.02)
    assert board.rates == [8.0, 5.4]


def test_overload_that_no_rate_can_cure_ends_at_the_least():
    board = Board()
    assert board.live(30, work_s=1.0) == 3.0
    assert board.pacer.pace.reason is Slowdown.OVERLOAD


def test_overload_recovers_step_by_step_when_there_is_time_again():
    board = Board()
    board.live(11, work_s=0.2)
    assert board.live(50, work_s=0.05) == 4.44
    board.live(400, work_s=0.05)
    assert board.rates == [8.0, 4.44, 5.4, 6.58, 8.0]
    assert board.pacer.pace == Pace(8.0, 8.0, None)


def test_lost_pictures_are_overload_though_the_mean_work_is_small():
    # Of three pictures one takes far too long: the mean is 0.6 of the time there is.
    board = Board()
    for k in range(200):
        slow = k % 3 == 0
        board.dropped += slow
        board.at += 0.25 if slow else 0.125
        board.decide(0.2 if slow else 0.01)
    assert board.pacer.pace.fps < 8.0
    assert board.pacer.pace.reason is Slowdown.OVERLOAD


def test_one_slow_write_is_no_overload():
    board = Board()
    board.live(60, work_s=0.05)
    board.dropped, board.at = board.dropped + 7, board.at + 1.0
    board.decide(1.0)
    board.live(60, work_s=0.05)
    assert board.rates == [8.0]


def test_the_first_picture_takes_long_and_that_means_nothing():
    board = Board()
    board.at, board.dropped = board.at + 4.0, 31
    board.decide(4.0)
    board.live(60, work_s=0.08)
    assert board.rates == [8.0]


def test_heat_and_overload_together_are_the_slower_of_both():
    board = Board()
    board.live(11, work_s=0.13)
    assert board.pacer.pace == Pace(8.0, 6.58, Slowdown.OVERLOAD)
    board.live(45, work_s=0.13, temperature_c=80.0)
    assert board.pacer.pace == Pace(8.0, 4.44, Slowdown.HOT)
    board.live(400, work_s=0.13, temperature_c=60.0)
    assert board.pacer.pace == Pace(8.0, 6.58, Slowdown.OVERLOAD)


def test_time_without_pictures_says_nothing_of_the_load_and_still_of_the_heat():
    pacer = Pacer(8.0, PI)
    for k in range(30):
        pace = pacer.decide(float(k), work_s=None, dropped=100 * k, temperature_c=80.0)
    assert pace == Pace(8.0, 5.4, Slowdown.HOT)


def test_a_target_below_the_least_is_left_alone():
    board = Board(target_fps=2.0)
    board.live(100, work_s=2.0, temperature_c=90.0)
    assert board.rates == [2.0]
    assert board.pacer.pace == Pace(2.0, 2.0, None)


def test_settings_can_be_given():
    board = Board()
    board.pacer = Pacer(8.0, PacingSettings(least_fps=5.0, hot_c=60.0))
    assert board.live(300, temperature_c=61.0) == 5.0
