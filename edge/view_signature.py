"""What is remembered of a view: a direction per cell, or none. Pure; see docs/adr/0017.

Of the place without people: what is not there most of the time has no direction. It says which
way edges run in 24 × 32 cells, how sharp twelve blocks are, and the size of the picture.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from edge.view_look import BLOCKS, COLUMNS, ROWS, Look, in_blocks, unit
from edge.vocabulary import FloatArray

FAINT_EDGE, FAINT_COARSE = 4.0, 1.0
"""Energy of edges, and length of coarse gradients, that noise has too; see `Look`."""
DIRECTIONS = 8
_STEADY = 0.5
"""A direction is kept where the mean of many unit vectors is at least so long."""
_CELLS = ROWS * COLUMNS
_CODES = "0" + "12345678"

Codes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Signature:
    """One view. Codes are 0 for no direction, else 1 to 8 for the eighths of a turn.

    edges: (24, 32), codes of the doubled direction. coarse: (24, 32), of the gradient.
    sharpness: (3, 4), log2 of detail over coarse contrast; see `sharpness_of`.
    usual: how well looks at this very view agree with edges and coarse, 0.5 to 1 each.
    """

    size: tuple[int, int]
    edges: Codes
    coarse: Codes
    sharpness: FloatArray
    usual: tuple[float, float]

    @cached_property
    def edge_vectors(self) -> FloatArray:
        """The codes of edges as unit vectors, (24, 32, 2); zero for none."""
        return _vectors(self.edges)

    @cached_property
    def coarse_vectors(self) -> FloatArray:
        """The codes of the coarse gradient as unit vectors, (24, 32, 2); zero for none."""
        return _vectors(self.coarse)

    def fields(self) -> dict[str, object]:
        """Return it as JSON can hold it: digits, one a cell, and a few rounded numbers."""
        return {
            "size": list(self.size),
            "edges": "".join(_CODES[c] for c in self.edges.ravel()),
            "coarse": "".join(_CODES[c] for c in self.coarse.ravel()),
            "sharpness": [round(float(s) * 4) / 4 for s in self.sharpness.ravel()],
            "usual": [round(u, 2) for u in self.usual],
        }

    @classmethod
    def of(cls, fields: dict[str, object]) -> Self:
        """Read what `fields` gave. Raises ValueError when it is not that."""
        match fields:
            case {
                "size": [int(width), int(height)],
                "edges": str(edges),
                "coarse": str(coarse),
                "sharpness": list(sharpness),
                "usual": [float(of_edges), float(of_coarse)],
            } if len(sharpness) == BLOCKS[0] * BLOCKS[1]:
                sharp = np.array([float(s) for s in sharpness], np.float32).reshape(BLOCKS)
                usual = of_edges, of_coarse
                if not np.isfinite(sharp).all() or min(usual) < _STEADY:
                    raise ValueError("a number of the view is out of range")
                return cls((width, height), _codes(edges), _codes(coarse), sharp, usual)
        raise ValueError("not the signature of a view")


class Memory:
    """The mean of many looks, from which a signature is made. A few kB, no picture."""

    def __init__(self, signature: Signature | None = None) -> None:
        """Begin with nothing, or with what a signature still tells."""
        self._edges = np.zeros((ROWS, COLUMNS, 2), np.float32)
        self._coarse = np.zeros((ROWS, COLUMNS, 2), np.float32)
        self._sharpness = np.zeros(BLOCKS, np.float32)
        self.size = (0, 0)
        self.looks = 0
        if signature is not None:
            self._edges = signature.edge_vectors * np.float32(signature.usual[0])
            self._coarse = signature.coarse_vectors * np.float32(signature.usual[1])
            self._sharpness, self.size = signature.sharpness, signature.size

    def learn(self, look: Look) -> None:
        """Take one more look; each weighs the same."""
        self.looks += 1
        self.follow(look, 1 / self.looks, 1 / self.looks)

    def follow(self, look: Look, share: float, share_sharp: float) -> None:
        """Go this share of the way from what is remembered to what is seen."""
        self.size = look.size
        self._edges = self._edges + share * (edges_of(look) - self._edges)
        self._coarse = self._coarse + share * (coarse_of(look) - self._coarse)
        sharpness = sharpness_of(look)
        self._sharpness = self._sharpness + share_sharp * (sharpness - self._sharpness)

    def signature(self) -> Signature:
        """Return what is steady of it."""
        edges, coarse = _coded(self._edges), _coded(self._coarse)
        usual = _length(self._edges, edges), _length(self._coarse, coarse)
        return Signature(self.size, edges, coarse, self._sharpness.copy(), usual)


def edges_of(look: Look) -> FloatArray:
    """Return the directions of edges in cells, (24, 32, 2); near zero where there is none."""
    return unit(look.cells(), FAINT_EDGE)


def coarse_of(look: Look) -> FloatArray:
    """Return the directions of the coarse gradient, (24, 32, 2)."""
    return unit(look.coarse, FAINT_COARSE)


def sharpness_of(look: Look) -> FloatArray:
    """Return log2 of detail over coarse contrast, (3, 4): it falls when a view is blurred.

    What the flattest tenth of the cells has of detail is noise, and not counted.
    """
    noise = np.percentile(look.detail, 10)
    detail = in_blocks(np.sqrt(np.maximum(look.detail - noise, 0)))
    contrast = in_blocks(np.hypot(look.coarse[..., 0], look.coarse[..., 1]))
    # 20 in a block of 64 cells is a contrast of 0.3 %: below there is nothing to be sharp.
    return np.asarray(np.log2((detail + 20) / (contrast + 20)), np.float32)


def _length(mean: FloatArray, codes: Codes) -> float:
    """Return the mean length where there is a direction: so well looks agree with it."""
    steady = codes > 0
    lengths = np.hypot(mean[..., 0], mean[..., 1])[steady]
    return float(lengths.mean()) if steady.any() else 1.0


def _coded(mean: FloatArray) -> Codes:
    turn = np.arctan2(mean[..., 1], mean[..., 0]) / (2 * np.pi) * DIRECTIONS
    codes = np.rint(turn).astype(int) % DIRECTIONS + 1
    steady = np.hypot(mean[..., 0], mean[..., 1]) >= _STEADY
    return np.where(steady, codes, 0).astype(np.uint8)


def _vectors(codes: Codes) -> FloatArray:
    angle = (codes.astype(np.float32) - 1) * (2 * np.pi / DIRECTIONS)
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return np.where((codes > 0)[..., None], vectors, 0).astype(np.float32)


def _codes(text: str) -> Codes:
    if len(text) != _CELLS or not set(text) <= set(_CODES):
        raise ValueError(f"a view has {_CELLS} cells, each a digit from 0 to 8")
    return np.array([int(c) for c in text], np.uint8).reshape(ROWS, COLUMNS)
