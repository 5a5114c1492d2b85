"""What every figure promises, and the interval of a share against a second opinion."""

import pytest
from scipy.stats import binomtest

from evaluation.assessment.wilson import wilson
from evaluation.assessment.words import (
    GRADE_WORDS,
    REASON_WORDS,
    Figure,
    Grade,
    Reason,
    not_rated,
    worst,
)


@pytest.mark.parametrize(
    "bounds", [(0.5, 0.6, 0.7), (0.5, 0.4, 0.45), (0.5, float("nan"), 0.7),
               (0.5, 0.4, float("inf")), (None, 0.4, 0.6)],
)  # fmt: skip
def test_a_figure_without_its_range_cannot_be_made(bounds):
    value, low, high = bounds
    with pytest.raises(ValueError, match="low <= value <= high"):
        Figure(value, low, high, Grade.RELIABLE)


def test_what_is_not_rated_has_no_value_at_all():
    with pytest.raises(ValueError, match="no value"):
        Figure(0.0, 0.0, 0.0, Grade.NOT_RATED, Reason.COVERAGE)
    assert not_rated(Reason.COVERAGE, coverage=0.4).parts == {"coverage": 0.4}


def test_the_worst_grade_holds_and_everything_has_words_in_both_languages():
    assert worst(Grade.RELIABLE, Grade.ESTIMATED) is Grade.ESTIMATED
    assert worst() is Grade.RELIABLE
    assert GRADE_WORDS.keys() == set(Grade)
    assert REASON_WORDS.keys() == set(Reason)
    for zh, en in [*GRADE_WORDS.values(), *REASON_WORDS.values()]:
        assert not zh.isascii()
        assert en.isascii()


@pytest.mark.parametrize(("hits", "of"), [(0, 1), (1, 1), (9, 10), (27, 30), (0, 500), (333, 500)])
def test_the_interval_of_a_share_is_that_of_scipy(hits, of):
    low, high = wilson(hits, of)
    expected = binomtest(hits, of).proportion_ci(0.95, method="wilson")
    assert (low, high) == (
        pytest.approx(expected.low, abs=1e-4), pytest.approx(expected.high, abs=1e-4),
    )  # fmt: skip
    assert low <= hits / of <= high


@pytest.mark.parametrize(("hits", "of"), [(0, 0), (3, 2), (-1, 2)])
def test_what_is_no_share_is_refused(hits, of):
    with pytest.raises(ValueError, match="no share"):
        wilson(hits, of)
