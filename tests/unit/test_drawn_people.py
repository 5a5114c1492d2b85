"""The picture that every board is asked about, and the answer that is known."""

import numpy as np
import pytest

from edge.adapters.detectors import open_detector
from edge.adapters.drawn_people import NETWORK, SIZE, drawn_people, known_answer
from edge.adapters.model_catalog import load_catalog
from edge.agreement import disagreement
from edge.vocabulary import Frame

CATALOG = load_catalog()
ENTRY = CATALOG.entry()


def test_the_default_model_gives_the_known_answer():
    """Another default needs another answer, or `lobbycount doctor speed` compares nothing."""
    assert CATALOG.default in NETWORK
    found = open_detector(CATALOG, ENTRY).detect(Frame(0.0, 0, drawn_people(*SIZE)))
    assert disagreement(known_answer(), found, ENTRY.sure_score) is None
    assert (found.scores >= ENTRY.sure_score).sum() == 3


def test_all_of_the_known_people_are_compared():
    assert (known_answer().scores >= ENTRY.sure_score).sum() == 3


@pytest.mark.parametrize("size", [(640, 360), (768, 576), (1920, 1080), (90, 160)])
def test_a_picture_of_any_size(size):
    image = drawn_people(*size)
    assert image.shape == (size[1], size[0], 3)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, drawn_people(*size))
