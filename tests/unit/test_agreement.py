"""Two detectors agree when each finds whom the other is sure of."""

import numpy as np
import pytest

from edge.agreement import disagreement
from edge.vocabulary import Detections

SURE = 0.5
PERSON = [0.2, 0.2, 0.3, 0.6]


def people(*rows):
    table = np.array(rows, np.float32).reshape(-1, 5)
    return Detections(table[:, :4], table[:, 4], 16 / 9)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (people([*PERSON, 0.9]), None),
        (people([*PERSON, 0.76]), None),
        (people([*PERSON, 0.7]), "misses 1 of 1 people"),
        (people([0.2, 0.2, 0.3, 0.58, 0.9]), None),
        (people([0.2, 0.2, 0.3, 0.5, 0.9]), "misses 1 of 1 people"),
        (people(), "misses 1 of 1 people"),
        (people([*PERSON, 0.9], [0.6, 0.2, 0.7, 0.6, 0.8]), "finds 1 of 2 people who are not"),
        (people([*PERSON, 0.9], [0.6, 0.2, 0.7, 0.6, 0.4]), None),
    ],
)
def test_what_differs_is_said(found, said):
    told = disagreement(people([*PERSON, 0.9]), found, SURE)
    assert told is None if said is None else said in told


def test_where_nobody_is_nobody_must_be_found():
    assert disagreement(people(), people(), SURE) is None
    assert disagreement(people(), people([*PERSON, 0.9]), SURE) is not None
