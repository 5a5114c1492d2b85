"""How long to wait before the next try: doubling, with jitter, so that no crowd forms."""

import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Doubling waits with jitter: each is the last half of its span, at random."""

    least_s: float
    most_s: float
    rng: random.Random
    failures: int = field(default=0)

    def next_s(self) -> float:
        """Return how long to wait after one more failure."""
        # The exponent is bounded because 2.0 ** 1024 raises after a night of failures.
        span = self.least_s * 2.0 ** min(self.failures, 30)
        self.failures += 1
        return min(span, self.most_s) * self.rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Begin with short waits again."""
        self.failures = 0
