from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from edge.audit import (
    CONFIDENCE,
    LIMIT,
    Mark,
    Row,
    Verdict,
    Watch,
    at_most,
    compare_events,
    judge,
    judge_lines,
    needed_crossings,
    wilson,
)
from edge.audit_intervals import compare_intervals, fit, unrecorded, usable_intervals
from edge.records import CountRecord
from edge.vocabulary import Crossing, Outcome

IN, OUT = Outcome.IN, Outcome.OUT
HOUR = 3_600_000
QUARTER = 900_000


def rows(n, misses=0, false=0):
    return [Row("door", IN, n, n - misses + false, misses, false)]


@pytest.mark.parametrize(("errors", "n"), [(0, 59), (1, 93), (2, 124), (3, 153)])
def test_the_published_sample_sizes(errors, n):
    assert needed_crossings(errors) == n


@settings(deadline=None)
@given(st.integers(0, 400))
def test_the_sample_size_is_the_smallest_by_the_exact_test(errors):
    n = needed_crossings(errors)
    assert stats.binom.cdf(errors, n, LIMIT) <= 1 - CONFIDENCE
    assert stats.binom.cdf(errors, n - 1, LIMIT) > 1 - CONFIDENCE


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(0, 3000))
def test_the_binomial_agrees_with_scipy(errors, n):
    assert at_most(errors, n) == pytest.approx(stats.binom.cdf(errors, n, LIMIT), rel=1e-9)


@settings(deadline=None)
@given(st.integers(2, 300), st.data())
def test_the_verdicts_are_those_of_the_exact_tests_of_scipy(n, data):
    errors = data.draw(st.integers(0, n))
    less = stats.binomtest(errors, n, LIMIT, alternative="less").pvalue
    greater = stats.binomtest(errors, n, LIMIT, alternative="greater").pvalue
    verdict = judge(rows(n, misses=errors)).verdict
    assert (verdict is Verdict.UNDER) == (less <= 1 - CONFIDENCE)
    assert (verdict is Verdict.OVER) == (greater < 1 - CONFIDENCE)


@settings(deadline=None)
@given(st.integers(1, 5000), st.data())
def test_the_wilson_interval_agrees_with_scipy(n, data):
    errors = data.draw(st.integers(0, n))
    theirs = stats.binomtest(errors, n).proportion_ci(0.95, method="wilson")
    assert wilson(errors, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(0, 10_000))
def test_the_wilson_interval_holds_the_share_and_stays_within_0_and_1(n, errors):
    low, high = wilson(errors, n)
    assert 0 <= low <= min(errors, n) / n <= high <= 1


@settings(deadline=None)
@given(st.integers(1, 400), st.integers(0, 400))
def test_one_more_right_crossing_never_weakens_the_claim_one_more_error_never_helps(n, errors):
    misses = min(errors, n)
    now = judge(rows(n, misses))
    if now.verdict is Verdict.UNDER:
        assert judge(rows(n + 1, misses)).verdict is Verdict.UNDER
    else:
        assert judge(rows(n, misses, false=1)).verdict is not Verdict.UNDER
    assert judge(rows(n + now.more, misses)).verdict is (Verdict.UNDER if now.more else now.verdict)


def test_verdicts_at_their_borders():
    assert judge(rows(59)).verdict is Verdict.UNDER
    assert (judge(rows(58)).verdict, judge(rows(58)).more) == (Verdict.OPEN, 1)
    one = judge(rows(92, misses=1))
    assert (one.verdict, one.needed, one.more) == (Verdict.OPEN, 93, 1)
    # A false count is as much of an error as a miss.
    assert judge(rows(92, false=1)).more == 1
    # P(X >= 6 | 50, 5 %) = 0.038, P(X >= 5) = 0.104
    assert judge(rows(50, misses=5)).verdict is Verdict.OPEN
    assert judge(rows(50, misses=6)).verdict is Verdict.OVER
    # One of one has P = exactly 0.05: nobody condemns a device for a single person.
    assert judge(rows(1, misses=1)).verdict is Verdict.OPEN
    assert judge(rows(2, misses=2)).verdict is Verdict.OVER


def test_nothing_tallied_is_no_share():
    with pytest.raises(ValueError, match="0 of 0"):
        judge(rows(0))


def crossings(*items):
    return [Crossing(line, direction, at) for line, direction, at in items]


def test_misses_and_false_counts_are_apart_and_do_not_cancel():
    true = crossings(("a", IN, 1.0), ("a", IN, 5.0), ("a", OUT, 9.0), ("b", IN, 1.0))
    seen = crossings(("a", IN, 1.2), ("a", OUT, 9.0), ("a", OUT, 20.0), ("b", OUT, 1.0))
    rows, found = compare_events(true, seen, ["a", "b"])
    assert rows == [
        Row("a", IN, 2, 1, 1, 0),
        Row("a", OUT, 1, 2, 0, 1),
        Row("b", IN, 1, 0, 1, 0),
        Row("b", OUT, 0, 1, 0, 1),
    ]
    assert list(found.misses) == crossings(("b", IN, 1.0), ("a", IN, 5.0))
    assert list(found.false_counts) == crossings(("b", OUT, 1.0), ("a", OUT, 20.0))


def test_other_lines_and_outcomes_take_no_part():
    true = crossings(("a", IN, 1.0), ("c", IN, 1.0))
    seen = crossings(("a", IN, 1.0), ("c", OUT, 1.0), ("a", Outcome.AMBIGUOUS, 1.0))
    rows, found = compare_events(true, seen, ["a"])
    assert rows == [Row("a", IN, 1, 1, 0, 0), Row("a", OUT, 0, 0, 0, 0)]
    assert (found.misses, found.false_counts) == ((), ())


@settings(deadline=None)
@given(st.data())
def test_the_single_errors_add_up_to_the_rows(data):
    some = st.lists(
        st.builds(Crossing, st.sampled_from("ab"), st.sampled_from([IN, OUT]), st.floats(0, 20))
    )
    rows, found = compare_events(data.draw(some), data.draw(some), ["a", "b"])
    assert len(found.misses) == sum(r.misses for r in rows)
    assert len(found.false_counts) == sum(r.false for r in rows)
    assert all(r.difference == r.false - r.misses for r in rows)


def test_a_bad_line_does_not_hide_behind_a_good_one():
    good, bad = Row("a", IN, 300, 300, 0, 0), Row("b", IN, 40, 34, 6, 0)
    assert judge([good, bad]).verdict is Verdict.UNDER
    verdicts = {line: j.verdict for line, j in judge_lines([good, bad]).items()}
    assert verdicts == {"a": Verdict.UNDER, "b": Verdict.OVER}


def test_a_line_where_nobody_was_tallied_is_not_judged():
    rows = [Row("a", IN, 0, 3, 0, 3), Row("a", OUT, 0, 0, 0, 0), Row("b", IN, 1, 1, 0, 0)]
    assert list(judge_lines(rows)) == ["b"]


def record(t0=0, t1=QUARTER, *, entered=0, left=0, uturn=0, line="door", seq=1, cov=1.0, cfg="c"):
    return CountRecord(
        dev="d",
        stream="s",
        seq=seq,
        line=line,
        t0_ms=t0,
        t1_ms=t1,
        entered=entered,
        left=left,
        uturn=uturn,
        ambiguous=0,
        born_past_line=0,
        in_low=entered,
        in_high=entered,
        out_low=left,
        out_high=left,
        tot_in=0,
        tot_out=0,
        cov=cov,
        cov_reason=None,
        tq="ntp",
        cfg=cfg,
        model="m",
        cal=None,
        chain="",
        raw={},
    )


def marks(direction, *times, line="door"):
    return [Mark(at, line, direction) for at in times]


def test_sums_of_intervals_and_a_uturn_as_one_in_and_one_out():
    tally = marks(IN, 10_000, 20_000, 30_000) + marks(OUT, 40_000)
    (entered, left) = compare_intervals(tally, [record(entered=2, left=0, uturn=1)], ["door"])
    assert entered == Row("door", IN, 3, 3, 0, 0)
    assert left == Row("door", OUT, 1, 1, 0, 0)


def test_errors_of_two_intervals_do_not_cancel():
    tally = marks(IN, 100_000, 200_000, QUARTER + 100_000)
    records = [record(entered=1), record(QUARTER, 2 * QUARTER, entered=2, seq=2)]
    (entered, _) = compare_intervals(tally, records, ["door"])
    assert (entered.misses, entered.false, entered.difference) == (1, 1, 0)


def test_a_key_pressed_just_after_the_edge_belongs_where_it_fits():
    records = [record(entered=1), record(QUARTER, 2 * QUARTER, entered=0, seq=2)]
    (late, _) = compare_intervals(marks(IN, QUARTER + 900), records, ["door"])
    assert (late.misses, late.false, late.tallied) == (0, 0, 1)
    (too_late, _) = compare_intervals(marks(IN, QUARTER + 1100), records, ["door"])
    assert (too_late.misses, too_late.false) == (1, 1)


def test_beyond_a_gap_an_edge_is_an_edge_of_its_own():
    records = [record(entered=1), record(2 * QUARTER, 3 * QUARTER, entered=0, seq=2)]
    (row, _) = compare_intervals(marks(IN, QUARTER + 900), records, ["door"])
    assert (row.tallied, row.misses, row.false) == (1, 0, 0)
    (row, _) = compare_intervals(marks(IN, QUARTER + 450_000), records, ["door"])
    assert (row.tallied, row.misses, row.false) == (0, 0, 1)


def brute(times, edges, counts):
    """The least disagreement, by trying both sides for every mark near an edge."""

    def places(at):
        near = min(range(len(edges)), key=lambda k: abs(edges[k] - at))
        if abs(edges[near] - at) <= 1000:
            return (near - 1, near)
        return (sum(edge < at for edge in edges) - 1,)

    costs = []
    for choice in product(*map(places, times)):
        costs.append(sum(abs(c - choice.count(k)) for k, c in enumerate(counts)))
    return min(costs)


@settings(deadline=None)
@given(
    st.lists(st.integers(-2, 22), max_size=7), st.lists(st.integers(0, 4), min_size=1, max_size=4)
)
def test_marks_near_edges_are_placed_with_the_least_disagreement(seconds, counts):
    times = [s * 1000 + 1 for s in seconds]
    edges = [k * 5000 for k in range(len(counts) + 1)]
    fitted = fit(times, edges, counts)
    assert len(fitted) == len(counts)
    cost = sum(abs(c - t) for c, t in zip(counts, fitted, strict=True))
    assert cost == brute(times, edges, counts)


@settings(deadline=None)
@given(st.lists(st.integers(1, 4 * QUARTER - 1), max_size=30), st.integers(-1000, 1000))
def test_a_slow_finger_makes_no_error(times, delay):
    records = [
        record(t0, t0 + QUARTER, entered=sum(t0 <= at < t0 + QUARTER for at in times), seq=t0 + 1)
        for t0 in range(0, 4 * QUARTER, QUARTER)
    ]
    tally = marks(IN, *(at + delay for at in times))
    (entered, left) = compare_intervals(tally, records, ["door"])
    assert (entered.misses, entered.false, left.misses, left.false) == (0, 0, 0, 0)


def why(*records, window=(0, HOUR)):
    found = usable_intervals(records, [Watch("door", *window)], ("c", "m"))
    return [r.seq for r in found.usable], [(r.seq, text) for r, text in found.left_out]


def test_only_whole_intervals_of_these_lines_are_used():
    inside = record()
    assert why(inside) == ([1], [])
    assert why(inside, window=(1, HOUR)) == ([], [])
    assert why(inside, window=(0, QUARTER - 1)) == ([], [])
    assert why(record(line="other")) == ([], [])


def test_what_is_left_out_says_why():
    assert "the camera saw 98 %" in why(record(cov=0.98))[1][0][1]
    assert why(record(cov=0.991)) == ([1], [])
    assert "0 % of it (no reason" in why(record(entered=None, cov=0.0))[1][0][1]
    assert "another config or model" in why(record(cfg="old"))[1][0][1]


def test_intervals_that_overlap_are_all_left_out():
    first, second = record(seq=1), record(300_000, 600_000, seq=2)
    third, fourth = record(700_000, QUARTER + 1, seq=3), record(QUARTER + 1, HOUR, seq=4)
    usable, left_out = why(first, second, third, fourth)
    assert usable == [4]
    assert [seq for seq, text in left_out if "set back" in text] == [1, 2, 3]


def test_each_tally_has_its_own_watched_time():
    watches = [Watch("door", 0, QUARTER), Watch("door", 2 * QUARTER, HOUR)]
    records = [record(k * QUARTER, (k + 1) * QUARTER, seq=k + 1) for k in range(4)]
    found = usable_intervals(records, watches, ("c", "m"))
    assert [r.seq for r in found.usable] == [1, 3, 4]


def test_two_watches_that_meet_in_an_interval_are_not_one():
    watches = [Watch("door", 0, QUARTER // 2), Watch("door", QUARTER // 2, QUARTER)]
    assert usable_intervals([record()], watches, ("c", "m")).usable == ()


def test_watched_intervals_without_a_record_are_named():
    cut_short = record(0, 300_000, seq=1)
    later = record(3 * QUARTER, HOUR, seq=2)
    other = record(QUARTER, 2 * QUARTER, line="side", seq=3)
    found = unrecorded([cut_short, later, other], [Watch("door", 0, HOUR + 1)], QUARTER)
    assert found == [Watch("door", QUARTER, 3 * QUARTER)]
    assert unrecorded([], [Watch("door", 1, QUARTER)], QUARTER) == []
