"""The Wilson score interval of a share (E. B. Wilson, JASA 22, 1927, 209-212)."""

from math import sqrt

from evaluation.assessment.estimate import Z95


def wilson(hits: int, of: int, z: float = Z95) -> tuple[float, float]:
    """Return the interval of a share of `hits` in `of` trials, 0..1. Raises ValueError."""
    if not 0 <= hits <= of or of == 0:
        raise ValueError(f"{hits} of {of} is no share")
    share, spread = hits / of, z * z / of
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * sqrt(share * (1 - share) / of + spread / (4 * of))
    # Rounding must not put the share itself outside.
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))
