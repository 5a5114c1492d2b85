"""Privacy masks: parts of a picture made black before anything looks at it."""

from collections.abc import Sequence

import cv2
import numpy as np

from edge.vocabulary import Image, Point


def burn(image: Image, masks: Sequence[Sequence[Point]]) -> None:
    """Blacken polygons of normalised points in a (height, width, 3) picture, in place."""
    height, width = image.shape[:2]
    for mask in masks:  # one by one: together, OpenCV would leave their overlap open
        corners = np.rint(np.array(mask) * (width, height)).astype(np.int32)
        cv2.fillPoly(image, [corners], (0, 0, 0))
