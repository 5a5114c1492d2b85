"""What the peers' modules hand to one another."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Values = Mapping[str, float | str]


@dataclass(frozen=True, slots=True)
class Peer:
    """A tracker and a rule. `defaults` name every value that `tuning` may change."""

    name: str
    tracker: str
    rule: str
    defaults: Values


@dataclass(frozen=True, slots=True)
class Tracked:
    """One frame of a library's tracker: boxes (N, 4) in pixels and their ids (N,)."""

    at: float
    boxes: np.ndarray[Any, np.dtype[np.float64]]
    ids: np.ndarray[Any, np.dtype[np.int64]]
