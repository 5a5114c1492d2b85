"""Whatever a board goes through, its rate stays in bounds, is explained and does not flap."""

from itertools import cycle, pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from edge.pacing import Pacer, PacingSettings
from edge.vocabulary import Slowdown

S = PacingSettings(hot_c=78.0)
TEMPERATURES_C = st.none() | st.floats(20.0, 100.0)
TARGETS_FPS = st.floats(1.0, 30.0)
MOMENTS = st.lists(
    st.tuples(
        st.floats(0.03, 25.0),  # seconds since the last one
        st.none() | st.floats(0.0, 3.0),  # work
        st.integers(0, 8),  # dropped meanwhile
        TEMPERATURES_C,
    ),
    max_size=120,
)


def lived(target_fps, moments, warmer_c=0.0):
    pacer, at, dropped = Pacer(target_fps, S), 0.0, 0
    for passed_s, work_s, lost, temperature_c in moments:
        at, dropped = at + passed_s, dropped + lost
        felt_c = None if temperature_c is None else temperature_c + warmer_c
        yield at, pacer.decide(at, work_s=work_s, dropped=dropped, temperature_c=felt_c)


@given(TARGETS_FPS, MOMENTS)
def test_never_above_the_target_never_below_the_least_and_never_without_a_reason(target, moments):
    for _, pace in lived(target, moments):
        assert pace.target_fps == target
        assert min(S.least_fps, target) <= pace.fps <= target
        assert (pace.reason is None) == (pace.fps == target)


@given(TARGETS_FPS, MOMENTS)
def test_up_is_one_step_at_a_time_and_needs_a_calm_minute(target, moments):
    story = list(lived(target, moments))
    changed_at = 0.0
    for (_, before), (at, after) in pairwise(story):
        if after.fps > before.fps:
            assert at - changed_at >= S.recover_s
            assert before.fps / after.fps >= S.step_share - 0.01
        if after.fps < before.fps:
            assert after.reason is not None
        if after.fps != before.fps:
            changed_at = at


@given(TARGETS_FPS, MOMENTS, st.floats(0.0, 40.0))
def test_a_hotter_board_is_never_faster(target, moments, warmer_c):
    cool, hot = lived(target, moments), lived(target, moments, warmer_c)
    for (_, one), (_, other) in zip(cool, hot, strict=True):
        assert other.fps <= one.fps


@given(TARGETS_FPS, st.lists(st.floats(72.0, S.hot_c, exclude_max=True), max_size=200))
def test_between_cool_and_hot_nothing_changes(target, temperatures):
    moments = [(30.0, 0.0, 0, 80.0)] + [(5.0, 0.0, 0, t) for t in temperatures]
    assert len({pace for _, pace in lived(target, moments)}) == 1


WORKS_S = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6)


@given(TARGETS_FPS, WORKS_S, WORKS_S)
@example(8.0, [0.0], [0.0] * 7 + [0.5])  # little to do, but all at once
def test_a_steady_load_makes_it_fall_and_then_never_up_and_down(target, before, steady):
    """Pictures come at equal distances; the newest waits until the last one is done."""
    pacer, at, dropped = Pacer(target), 0.0, 0

    def live(works_s, for_s):
        nonlocal at, dropped
        until, late_s, works, fps = at + for_s, 0.0, cycle(works_s), [pacer.pace.fps]
        while at < until:
            due_s, work_s = 1.0 / pacer.pace.fps, next(works)
            came = int((late_s + work_s) / due_s)
            dropped += max(came - 1, 0)
            at += work_s if came else due_s - late_s
            late_s = late_s + work_s - came * due_s if came else 0.0
            pacer.decide(at, work_s=work_s, dropped=dropped, temperature_c=None)
            fps.append(pacer.pace.fps)
        return fps

    live(before, 60.0)
    rates = live(steady, 300.0)
    after_a_rise = False
    for earlier, later in pairwise(rates):
        assert not (after_a_rise and later < earlier), sorted(set(rates))
        after_a_rise |= later > earlier
    assert pacer.pace.reason in {None, Slowdown.OVERLOAD}
