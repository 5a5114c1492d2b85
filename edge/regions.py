"""Where to look: the lines and zones, with room around them for tracks to settle. Pure.

Of a smaller part of the picture a detector sees more pixels of each person, with less work.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from edge.vocabulary import WHOLE, Point, Region

MARGIN_HEIGHTS = 2.0
"""Around a line, in heights of the people at it: a body above its feet and a second's walk."""


@dataclass(frozen=True, slots=True)
class Interest:
    """What has to be seen: points that people pass or stand at, and how tall they are there.

    person_height: share of the picture's height; None where nobody has said, then everything
    is looked at.
    """

    points: Sequence[Point] = ()
    person_height: float | None = None

    def region(self, aspect: float) -> Region:
        """Return the part to look at of pictures of this aspect (width / height)."""
        if self.person_height is None or not self.points:
            return WHOLE
        across = MARGIN_HEIGHTS * self.person_height / aspect
        down = MARGIN_HEIGHTS * self.person_height
        xs, ys = [x for x, _ in self.points], [y for _, y in self.points]
        return Region(
            max(0.0, min(xs) - across),
            max(0.0, min(ys) - down),
            min(1.0, max(xs) + across),
            min(1.0, max(ys) + down),
        )


EVERYTHING = Interest()
