import json

import pytest

from edge.errors import BadInputError
from edge.scoring import Truth, load_truth, overall, pair, score, total_count_error
from edge.vocabulary import Crossing, Line, Outcome

IN, OUT = Outcome.IN, Outcome.OUT


def crossings(*items):
    return tuple(Crossing(line, outcome, at) for line, outcome, at in items)


def test_errors_in_two_directions_do_not_cancel():
    truth = crossings(("a", IN, 1.0), ("a", IN, 5.0), ("a", OUT, 9.0), ("b", IN, 1.0))
    seen = crossings(("a", IN, 1.2), ("a", OUT, 9.0), ("a", OUT, 20.0), ("b", IN, 1.0))
    worst, best = score(Truth(truth), seen, ["a", "b"])
    assert (worst.line, worst.matched, worst.count_error) == ("a", 2, pytest.approx(2 / 3))
    assert (best.line, best.f1, best.count_error) == ("b", 1.0, 0.0)
    assert total_count_error([worst, best]) == pytest.approx(0.5)
    assert overall([worst, best]).f1 == pytest.approx(2 * 3 / 8)


def test_an_event_matches_once_and_only_within_the_tolerance():
    truth = crossings(("a", IN, 1.0))
    (twice,) = score(Truth(truth), crossings(("a", IN, 0.9), ("a", IN, 1.1)), ["a"])
    (late,) = score(Truth(truth), crossings(("a", IN, 2.1)), ["a"])
    assert (twice.matched, late.matched) == (1, 0)


def test_right_count_in_the_wrong_direction_is_no_match():
    (s,) = score(Truth(crossings(("a", IN, 1.0))), crossings(("a", OUT, 1.0)), ["a"])
    assert (s.matched, s.count_error) == (0, 2.0)


def test_truth_from_labelled_boxes(tmp_path):
    # One person walks down over y = 0.5 (feet at 40, 60), one stays above, one is marked 0.
    rows = [
        "1,1,10,20,10,20,1",
        "2,1,10,40,10,20,1",
        "1,2,50,10,10,20,1",
        "2,2,50,12,10,20,1",
        "1,3,80,20,10,20,0",
        "2,3,80,40,10,20,0",
    ]
    path = tmp_path / "gt.txt"
    path.write_text("\n".join(rows), "utf-8")
    line = Line("door", ((0.0, 0.5), (1.0, 0.5)), 1)
    assert load_truth(path, [line], 10.0, (100, 100)) == Truth(crossings(("door", IN, 0.1)))


@pytest.fixture
def truth_of(tmp_path):
    """Make the truth of someone 50 pixels tall with the feet at these rows; the line is 350."""

    def made(*feet):
        rows = [f"{k},1,100,{foot - 50},20,50,1" for k, foot in enumerate(feet, 1)]
        path = tmp_path / "gt.txt"
        path.write_text("\n".join(rows), "utf-8")
        return load_truth(path, [Line("door", ((0.0, 0.5), (1.0, 0.5)), 1)], 10.0, (700, 700))

    return made


def test_labelled_feet_that_tremble_on_the_line_are_one_crossing(truth_of):
    assert truth_of(200, 348, 351, 349, 352, 349, 500) == Truth(crossings(("door", IN, 0.6)))


def test_a_peek_of_less_than_a_foot_is_doubtful(truth_of):
    peek = truth_of(300, 340, 354, 340, 300)
    assert peek == Truth((), crossings(("door", IN, 0.2), ("door", OUT, 0.3)))
    assert peek.strict() == Truth(peek.doubtful)


def test_a_stop_on_the_line_leaves_one_certain_crossing(truth_of):
    assert truth_of(300, 354, 346, 354, 400) == Truth(
        crossings(("door", IN, 0.3)), crossings(("door", IN, 0.1), ("door", OUT, 0.2))
    )


def test_who_is_first_labelled_on_the_line_is_doubtful(truth_of):
    assert truth_of(346, 360, 400) == Truth((), crossings(("door", IN, 0.1)))


def test_what_is_doubtful_is_no_miss_and_no_false_count():
    truth = Truth(crossings(("a", IN, 1.0)), crossings(("a", IN, 1.4), ("a", OUT, 6.0)))
    (quiet,) = score(truth, crossings(("a", IN, 1.1)), ["a"])
    (busy,) = score(truth, crossings(("a", IN, 1.1), ("a", IN, 1.5), ("a", OUT, 6.1)), ["a"])
    assert quiet == busy
    assert (busy.true, busy.counted, busy.matched) == (1, 1, 1)


def test_as_many_certain_crossings_are_matched_as_can_be():
    truth = Truth(crossings(("a", IN, 1.0), ("a", IN, 2.5)), crossings(("a", IN, 1.6)))
    found = pair(truth, crossings(("a", IN, 1.7), ("a", IN, 1.9)))
    assert (len(found.matched), found.misses, found.ignored) == (2, (), ())


def test_the_nearest_in_time_is_the_partner():
    truth = Truth(crossings(*(("a", IN, t) for t in (1.0, 2.0, 9.0))))
    found = pair(truth, crossings(("a", IN, 1.8), ("a", IN, 5.0)))
    assert found.misses == crossings(("a", IN, 1.0), ("a", IN, 9.0))
    assert found.false_counts == crossings(("a", IN, 5.0))


def test_truth_from_a_list(tmp_path):
    path = tmp_path / "truth.json"
    sure = {"line": "a", "direction": "in", "at_s": 2}
    path.write_text(json.dumps({"crossings": [sure, {**sure, "at_s": 3, "doubtful": True}]}))
    expected = Truth(crossings(("a", IN, 2.0)), crossings(("a", IN, 3.0)))
    assert load_truth(path, [], 10.0, (1, 1)) == expected


@pytest.mark.parametrize("text", ["hello world", "1,1,10,20,10,20"])
def test_something_else_is_no_truth(tmp_path, text):
    path = tmp_path / "truth.txt"
    path.write_text(text)
    with pytest.raises(BadInputError, match=r"truth\.txt: not a ground truth"):
        load_truth(path, [], 10.0, (1, 1))
