"""A still in which nobody can be recognised: a mosaic of few blocks, masks burned in already."""

import cv2
import numpy as np

from edge.errors import CameraError
from edge.vocabulary import Image

BLOCKS_WIDE = 40
MOST_BLOCKS_HIGH = 80
BLOCK_PIXELS = 8
"""320 pixels wide when shown, each block 1/40 of the width."""


def mosaic(image: Image) -> Image:
    """Return the mean colours of 40 blocks across: (rows, 40, 3) uint8 BGR, all that is kept."""
    height, width = image.shape[:2]
    rows = min(MOST_BLOCKS_HIGH, max(1, round(BLOCKS_WIDE * height / width)))
    # INTER_AREA weighs every pixel; where it would enlarge instead, blocks repeat pixels.
    return np.asarray(cv2.resize(image, (BLOCKS_WIDE, rows), interpolation=cv2.INTER_AREA))


def png(blocks: Image) -> bytes:
    """Return a mosaic as PNG, 320 pixels wide."""
    height, width = blocks.shape[:2]
    size = (width * BLOCK_PIXELS, height * BLOCK_PIXELS)
    done, data = cv2.imencode(".png", cv2.resize(blocks, size, interpolation=cv2.INTER_NEAREST))
    if not done:
        raise CameraError("the still cannot be written as PNG; is the camera's picture empty?")
    return bytes(data)
