"""What is said of a view: never before it has held, always when it has, healed only when it is."""

from hypothesis import given
from hypothesis import strategies as st

from edge.view_verdict import Verdict, ViewSettings
from edge.vocabulary import CoverageReason

REASONS = [
    CoverageReason.COVERED,
    CoverageReason.DARK,
    CoverageReason.BLURRED,
    CoverageReason.MOVED,
]
SETTINGS = ViewSettings()
LOOKS = st.lists(
    st.tuples(st.sampled_from([None, *REASONS]), st.integers(1, 60), st.sampled_from([0.4, 0.5])),
    max_size=12,
)


def played(runs):
    """Yield time, look and what is said of it, run after run of equal looks."""
    verdict, at = Verdict(SETTINGS), 0.0
    for found, count, step_s in runs:
        for _ in range(count):
            at += step_s
            yield at, found, verdict.add(at, found)


@given(LOOKS)
def test_nothing_is_said_that_has_not_held_for_its_time(runs):
    seen, before = [], None
    for at, found, said in played(runs):
        seen.append((at, found))
        if said is not None and said is not before:
            hold_s = SETTINGS.hold_s[said]
            recent = [f for then, f in seen if then >= at - hold_s]
            longest = [f for then, f in seen if then >= at - max(SETTINGS.hold_s.values())]
            assert seen[0][0] <= at - hold_s
            assert recent.count(said) >= 0.8 * len(recent) or (
                before is None and longest.count(None) <= 0.2 * len(longest)
            )
        before = said


@given(LOOKS)
def test_healthy_is_said_only_after_healthy_looks_for_the_time_to_recover(runs):
    seen, before = [], None
    for at, found, said in played(runs):
        seen.append((at, found))
        if said is None and before is not None:
            assert {f for then, f in seen if then >= at - SETTINGS.recover_s} == {None}
        before = said


@given(LOOKS, st.sampled_from(REASONS))
def test_whatever_was_before_what_lasts_is_said_and_heals(runs, reason):
    lasting = [*runs, (reason, 100, 0.5)]
    assert [said for *_, said in played(lasting)][-1] is reason
    assert [said for *_, said in played([*lasting, (None, 30, 0.5)])][-1] is None


@given(st.lists(st.sampled_from(REASONS), min_size=64, max_size=64))
def test_a_view_that_is_never_healthy_is_said_whatever_it_looks_like(found):
    verdict = Verdict(SETTINGS)
    said = [verdict.add(k * 0.5, reason) for k, reason in enumerate(found)]
    assert said[-1] in set(found)
