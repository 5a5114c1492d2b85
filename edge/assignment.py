"""Pairing rows with columns for the largest sum of values. Pure.

By the Jonker-Volgenant algorithm (Computing 38, 1987, 325-340) of lapx. Of its functions only
`lapjv` is used, which the older package `lap` has too: both are called `lap` when imported, and
ultralytics brings the one where lapx may be already.
"""

import lap
import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.intp]


def assign(values: npt.NDArray[np.floating]) -> tuple[Indices, Indices]:
    """Return the rows and the columns of the pairs, as many as the shorter side has.

    values: (N, M), N and M at least 1.
    """
    _, column_of, _ = lap.lapjv(-values.astype(np.float64), extend_cost=True)
    rows = np.flatnonzero(column_of >= 0)
    return rows, np.asarray(column_of[rows], np.intp)
