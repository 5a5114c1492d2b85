import json

import pytest

from edge.errors import BadInputError
from edge.scoring import load_truth, overall, score, total_count_error
from edge.vocabulary import Crossing, Line, Outcome

IN, OUT = Outcome.IN, Outcome.OUT


def crossings(*items):
    return [Crossing(line, outcome, at) for line, outcome, at in items]


def test_errors_in_two_directions_do_not_cancel():
    truth = crossings(("a", IN, 1.0), ("a", IN, 5.0), ("a", OUT, 9.0), ("b", IN, 1.0))
    seen = crossings(("a", IN, 1.2), ("a", OUT, 9.0), ("a", OUT, 20.0), ("b", IN, 1.0))
    worst, best = score(truth, seen, ["a", "b"])
    assert (worst.line, worst.matched, worst.count_error) == ("a", 2, pytest.approx(2 / 3))
    assert (best.line, best.f1, best.count_error) == ("b", 1.0, 0.0)
    assert total_count_error([worst, best]) == pytest.approx(0.5)
    assert overall([worst, best]).f1 == pytest.approx(2 * 3 / 8)


def test_an_event_matches_once_and_only_within_the_tolerance():
    truth = crossings(("a", IN, 1.0))
    (twice,) = score(truth, crossings(("a", IN, 0.9), ("a", IN, 1.1)), ["a"])
    (late,) = score(truth, crossings(("a", IN, 2.1)), ["a"])
    assert (twice.matched, late.matched) == (1, 0)


def test_right_count_in_the_wrong_direction_is_no_match():
    (s,) = score(crossings(("a", IN, 1.0)), crossings(("a", OUT, 1.0)), ["a"])
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
    assert load_truth(path, [line], 10.0, (100, 100)) == crossings(("door", IN, 0.1))


def test_labelled_feet_that_tremble_on_the_line_are_one_crossing(tmp_path):
    tops = [150, 298, 301, 299, 302, 299, 450]  # feet 50 lower, the line at 350
    rows = [f"{k},1,100,{top},20,50,1" for k, top in enumerate(tops, 1)]
    path = tmp_path / "gt.txt"
    path.write_text("\n".join(rows), "utf-8")
    line = Line("door", ((0.0, 0.5), (1.0, 0.5)), 1)
    assert len(load_truth(path, [line], 10.0, (700, 700))) == 1


def test_truth_from_a_list(tmp_path):
    path = tmp_path / "truth.json"
    path.write_text(json.dumps({"crossings": [{"line": "a", "direction": "in", "at_s": 2}]}))
    assert load_truth(path, [], 10.0, (1, 1)) == crossings(("a", IN, 2.0))


def test_something_else_is_no_truth(tmp_path):
    path = tmp_path / "truth.txt"
    path.write_text("hello world")
    with pytest.raises(BadInputError, match=r"truth\.txt: not a ground truth"):
        load_truth(path, [], 10.0, (1, 1))
