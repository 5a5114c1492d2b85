"""Processor time of each stage of a system, all threads of its process, in milliseconds."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import numpy as np

STAGES = ("decode", "preprocess", "inference", "outputs", "track", "count")
"""In order; `outputs` is decoding what the network says, suppression included."""


class Stopwatch:
    """Notes what every stage used, call by call."""

    def __init__(self) -> None:
        self.spent_ms: dict[str, list[float]] = defaultdict(list)

    def note(self, stage: str, seconds: float) -> None:
        """Add one call."""
        self.spent_ms[stage].append(1000 * seconds)

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Time a block."""
        began = time.process_time()
        try:
            yield
        finally:
            self.note(stage, time.process_time() - began)

    def wrap(self, owner: type, name: str, stage: str) -> None:
        """Time every call of a method from now on."""
        method: Callable[..., Any] = getattr(owner, name)

        @wraps(method)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.time(stage):
                return method(*args, **kwargs)

        setattr(owner, name, timed)

    def clear(self) -> None:
        """Forget what was before the measurement."""
        self.spent_ms.clear()

    def quantiles(self) -> dict[str, dict[str, float]]:
        """Return p50, p95 and mean of every stage that was seen, in the order of STAGES."""
        seen = [*STAGES, *sorted(self.spent_ms.keys() - set(STAGES))]
        return {s: quantiles(self.spent_ms[s]) for s in seen if self.spent_ms.get(s)}


def quantiles(spent_ms: Sequence[float]) -> dict[str, float]:
    """Return p50, p95, mean and the number of calls."""
    p50, p95 = np.quantile(spent_ms, (0.5, 0.95))
    mean = float(np.mean(spent_ms))
    return {
        "p50": round(float(p50), 3),
        "p95": round(float(p95), 3),
        "mean": round(mean, 3),
        "calls": len(spent_ms),
    }
