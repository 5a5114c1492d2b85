"""What the view watch knows of one picture: directions of edges and a few numbers. Pure.

The grid is 24 × 32 cells over the whole picture, whatever its size. Contrasts are those of the
logarithm of grey, so that lamps and the camera's own exposure change little of them.
"""

from dataclasses import dataclass

import numpy as np

from edge.vocabulary import FloatArray

ROWS, COLUMNS = 24, 32
BLOCKS = (3, 4)
"""Rows and columns of the blocks in which sharpness and shifts are judged, 8 × 8 cells each."""


@dataclass(frozen=True, slots=True)
class Look:
    """The features of one picture, see `adapters/view_features.py`.

    size: width and height in pixels.
    digest: the same for two pictures only when they are the same.
    grey: the level that a quarter of the picture is brighter than, of 255.
    edges: (48, 64, 3), half cells: the doubled direction of edges (gx² − gy², 2gxgy) and
        their energy (gx² + gy²), in per cent of the logarithmic range per pixel of 192 × 144.
    coarse: (24, 32, 2), the gradient of the picture when it is only 24 × 32 large.
    detail: (24, 32), the energy that is gone when three pixels of 384 are averaged.
    """

    size: tuple[int, int]
    digest: int
    grey: float
    edges: FloatArray
    coarse: FloatArray
    detail: FloatArray

    def cells(self) -> FloatArray:
        """Return `edges` in whole cells, (24, 32, 3)."""
        whole = self.edges.reshape(ROWS, 2, COLUMNS, 2, 3).mean((1, 3))
        return np.asarray(whole, np.float32)


def unit(vectors: FloatArray, faint: float) -> FloatArray:
    """Return (…, 2) vectors with length 1; those about as short as `faint` become shorter."""
    length = np.hypot(vectors[..., 0], vectors[..., 1])
    return np.asarray(vectors[..., :2] / (length + faint)[..., None], np.float32)


def in_blocks(cells: FloatArray) -> FloatArray:
    """Sum (24, 32) cells to (3, 4) blocks."""
    rows, columns = BLOCKS
    parts = cells.reshape(rows, ROWS // rows, columns, COLUMNS // columns)
    return np.asarray(parts.sum((1, 3)), np.float32)
