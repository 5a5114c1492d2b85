"""How far a look is like a remembered view. Pure numbers, no decision."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from edge.view_look import BLOCKS, COLUMNS, ROWS, Look, in_blocks, unit
from edge.view_signature import FAINT_EDGE, Signature, coarse_of, edges_of, sharpness_of
from edge.vocabulary import FloatArray

FLAT_ENERGY = 1.0
"""Edges with less are not seen: a step of 1 % of the logarithmic range."""
_LEAST_CELLS = 8
"""So many cells with a direction make a block of 64 one that can be judged."""
_REACH = 10
"""Half cells that a view is looked for in each direction: 16 % of the width, 21 % of the height."""
_SURE, _BETTER = 0.40, 0.15
"""A block is found elsewhere when it fits there so well, and so much better than in its place."""


@dataclass(frozen=True, slots=True)
class Match:
    """How a look differs from the view.

    cells: share of all cells that have a remembered direction.
    edges, coarse: agreement with the remembered directions over the usual one: 1 for the same
        view, 0 for chance.
    soft: of the cells with a remembered edge, the share without one now or in a block that has
        lost most of its detail.
    crisp: cells with an edge now, in a block as sharp as half of the view is, over cells with a
        remembered edge: something before the lens has none.
    """

    cells: float
    edges: float
    coarse: float
    soft: float
    crisp: float


def match(signature: Signature, look: Look, unsharp_log2: float) -> Match:
    """Compare in place. unsharp_log2: halvings of detail that make a block unsharp."""
    remembered = signature.edges > 0
    count = max(int(remembered.sum()), 1)
    seen = edges_of(look)
    flat = look.cells()[..., 2] < FLAT_ENERGY
    sharpness, median = sharpness_of(look), np.median(signature.sharpness)
    soft = flat | _of_cells(signature.sharpness - sharpness >= unsharp_log2)
    edged = np.hypot(seen[..., 0], seen[..., 1]) >= 0.5
    crisp = edged & _of_cells(median - sharpness < unsharp_log2)
    of_edges, of_coarse = signature.usual
    return Match(
        cells=float(remembered.mean()),
        edges=_agreement(signature.edge_vectors, seen, count) / of_edges,
        coarse=_agreement(
            signature.coarse_vectors, coarse_of(look), max(int((signature.coarse > 0).sum()), 1)
        )
        / of_coarse,
        soft=float(soft[remembered].sum()) / count,
        crisp=float(crisp.sum()) / count,
    )


def flat_share(look: Look) -> float:
    """Return the share of all cells without an edge or coarse contrast."""
    faint = np.hypot(look.coarse[..., 0], look.coarse[..., 1]) < FLAT_ENERGY
    return float(((look.cells()[..., 2] < FLAT_ENERGY) & faint).mean())


def displaced(signature: Signature, look: Look) -> float:
    """Return the share of the blocks that are found in another place than theirs.

    A turned, tilted or zoomed camera moves each block its own way; each is looked for by itself.
    """
    weights = in_blocks((signature.edges > 0).astype(np.float32)).ravel()
    judged = weights >= _LEAST_CELLS
    if judged.sum() < 2:
        return 0.0
    fits = _fits(signature, look)[:, :, judged] / weights[judged]
    here = fits[_REACH, _REACH]
    best = fits.reshape(-1, fits.shape[2]).max(axis=0)
    return float(((best >= _SURE) & (best - here >= _BETTER)).mean())


def _fits(signature: Signature, look: Look) -> FloatArray:
    """Sum the agreement of each block at each displacement, (21, 21, 12)."""
    halves = look.edges[..., :2]
    padded = np.pad(halves, ((_REACH, _REACH + 1), (_REACH, _REACH + 1), (0, 0)))
    cells = padded[:-1, :-1] + padded[1:, :-1] + padded[:-1, 1:] + padded[1:, 1:]
    seen = unit(np.asarray(cells / 4, np.float32), FAINT_EDGE)
    reach = 2 * _REACH + 1
    rows, columns = ROWS // BLOCKS[0], COLUMNS // BLOCKS[1]
    found = np.empty((reach, reach, BLOCKS[0] * BLOCKS[1]), np.float32)
    for index in range(found.shape[2]):
        top, left = index // BLOCKS[1] * rows, index % BLOCKS[1] * columns
        part = seen[2 * top : 2 * (top + rows) - 1 + 2 * _REACH]
        part = part[:, 2 * left : 2 * (left + columns) - 1 + 2 * _REACH]
        windows = sliding_window_view(part, (2 * rows - 1, 2 * columns - 1), axis=(0, 1))
        wanted = signature.edge_vectors[top : top + rows, left : left + columns]
        tried = windows[..., ::2, ::2].reshape(reach * reach, -1)
        fit = tried @ wanted.transpose(2, 0, 1).ravel()
        found[..., index] = fit.reshape(reach, reach)
    return found


def _agreement(wanted: FloatArray, seen: FloatArray, count: int) -> float:
    return float((wanted * seen).sum()) / count


def _of_cells(blocks: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Give each of the (24, 32) cells what is so of its block."""
    rows, columns = ROWS // BLOCKS[0], COLUMNS // BLOCKS[1]
    return np.asarray(np.repeat(np.repeat(blocks, rows, axis=0), columns, axis=1), np.bool_)
