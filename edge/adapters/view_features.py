"""The numbers that the view watch judges a picture by."""

import math
from collections.abc import Sequence
from zlib import crc32

import cv2
import numpy as np

from edge.adapters.camera_masks import burn
from edge.view_look import COLUMNS, ROWS, Look
from edge.vocabulary import FloatArray, Image, Point

_FINE, _MIDDLE = (384, 288), (192, 144)
_ROWS = 288
"""Of larger pictures only every so many-th row and column is looked at."""
_BLACK = 16.0
"""Grey levels below are mostly the camera's own noise."""
_SPAN = math.log((255 + _BLACK) / _BLACK)
_LOGARITHM = (np.log((np.arange(256) + _BLACK) / _BLACK) / _SPAN * 100).astype(np.float32)


def look_at(image: Image, masked: float = 0.0) -> Look:
    """Take the features of a (height, width, 3) BGR picture; keeps nothing of it.

    They are those of its green, which is most of grey. masked: the share that masks black out,
    which is not why a picture is dark.
    """
    height, width = image.shape[:2]
    step = max(1, height // _ROWS)
    green = np.ascontiguousarray(image[::step, ::step, 1])
    grey = np.asarray(cv2.resize(green, _FINE, interpolation=cv2.INTER_AREA), np.uint8)
    fine = np.asarray(cv2.LUT(grey, _LOGARITHM), np.float32)
    middle = np.asarray(cv2.resize(fine, _MIDDLE, interpolation=cv2.INTER_AREA), np.float32)
    across, down = _gradient(middle)
    edges = np.dstack([across**2 - down**2, 2 * across * down, across**2 + down**2])
    detail = fine - cv2.boxFilter(fine, -1, (3, 3))
    return Look(
        size=(width, height),
        digest=crc32(grey.tobytes()),
        grey=float(np.percentile(grey[::3, ::3], 100 * (masked + 0.75 * (1 - masked)))),
        edges=_averaged(edges, 2),
        coarse=np.dstack(_gradient(_averaged(middle, 1))),
        detail=_averaged(detail * detail, 1),
    )


def masked_share(masks: Sequence[Sequence[Point]]) -> float:
    """Return which share of the picture is under these outlines."""
    picture = np.full((_MIDDLE[1], _MIDDLE[0], 3), 255, np.uint8)
    burn(picture, masks)
    return float((picture == 0).mean())


def _gradient(picture: FloatArray) -> tuple[FloatArray, FloatArray]:
    across = cv2.Sobel(picture, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(picture, cv2.CV_32F, 0, 1, scale=1 / 8)
    return np.asarray(across, np.float32), np.asarray(down, np.float32)


def _averaged(picture: FloatArray, parts: int) -> FloatArray:
    """Average to so many parts of a cell."""
    size = (parts * COLUMNS, parts * ROWS)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)
