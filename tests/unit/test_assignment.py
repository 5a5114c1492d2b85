"""Our pairs have the sum of those of scipy's independent solver."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import linear_sum_assignment

from edge.assignment import assign

tables = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
    elements=st.sampled_from([0.0, 2.0, 2.25, 2.5, 3.0]) | st.floats(0, 3),
)


@given(tables)
def test_no_other_pairs_are_worth_more(values):
    rows, columns = assign(values)
    assert len(rows) == len(columns) == min(values.shape)
    assert len(set(rows.tolist())) == len(rows)
    assert len(set(columns.tolist())) == len(columns)
    best = values[linear_sum_assignment(values, maximize=True)].sum()
    assert abs(values[rows, columns].sum() - best) <= 1e-9


def test_each_gets_the_one_that_leaves_most_for_all():
    rows, columns = assign(np.float32([[3.0, 2.9, 0.0], [3.0, 1.0, 0.0]]))
    assert (rows.tolist(), columns.tolist()) == ([0, 1], [1, 0])
