"""What is recommended from what was measured, as tables."""

import pytest

from edge.providers import Provider
from edge.speed_advice import Timing, advise, is_disturbed

CPU, OPENVINO, NCNN = Provider.CPU, Provider.OPENVINO, Provider.NCNN


def timing(wall_ms, cpu_ms=None, threads=1, provider=CPU, trouble=None):
    return Timing("m", provider, threads, wall_ms, cpu_ms or wall_ms, trouble)


@pytest.mark.parametrize(
    ("wall_ms", "fps"),
    # 8 pictures a second leave 125 ms each, of which 87.5 may be used; 5 leave 140; 3 leave 233.
    [(18, 8), (87.4, 8), (87.6, 5), (139.9, 5), (140.1, 3), (233.2, 3), (233.4, None)],
)
def test_the_rate_that_is_kept_with_headroom(wall_ms, fps):
    assert timing(wall_ms).fps == fps


@pytest.mark.parametrize(
    ("timings", "chosen", "fps"),
    [
        # The least processor time that keeps 8, not the shortest time.
        ([timing(60, 60), timing(33, 66, 2), timing(20, 80, 4)], 0, 8),
        # One thread is too slow for 8.
        ([timing(100, 100), timing(55, 110, 2), timing(34, 136, 4)], 1, 8),
        # A slow board: nothing keeps 8, two threads keep 5.
        ([timing(190, 190), timing(110, 220, 2), timing(95, 380, 4)], 1, 5),
        ([timing(300, 300), timing(200, 400, 2)], 1, 3),
        # Costs within a tenth are alike: nothing to install goes first, then fewer threads.
        ([timing(28, 28, provider=OPENVINO), timing(30, 30)], 1, 8),
        ([timing(15, 29, 2), timing(30, 30)], 1, 8),
        ([timing(15, 15, provider=NCNN), timing(30, 30)], 0, 8),
        # Better rates are worth an installation.
        ([timing(70, 70, provider=NCNN), timing(130, 130)], 0, 8),
        # Who finds other people is not recommended, nor what could not be measured.
        ([timing(15, 15, provider=OPENVINO, trouble="misses 1 of 3 people"), timing(30)], 1, 8),
        ([Timing("m", NCNN, 1, trouble="there was no time for it"), timing(30)], 1, 8),
    ],
)
def test_the_cheapest_that_keeps_the_best_rate(timings, chosen, fps):
    advice = advise(timings)
    assert advice.timing == timings[chosen]
    assert advice.fps == fps


@pytest.mark.parametrize("timings", [[], [timing(500)], [timing(9, trouble="misses 3 of 3")]])
def test_no_advice_where_nothing_will_do(timings):
    assert advise(timings) is None


def test_the_cores_that_are_kept_busy():
    assert advise([timing(50, 100, 2)]).cores == pytest.approx(0.8)


def test_a_thread_that_waits_for_its_core_is_a_disturbed_measurement():
    assert is_disturbed([timing(27, 20)])
    assert not is_disturbed([timing(25, 20), timing(20, 39, 2), timing(50, 5, provider=OPENVINO)])
