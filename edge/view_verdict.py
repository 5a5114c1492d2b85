"""What is said of a view, from what single looks are like. Pure."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from edge.vocabulary import CoverageReason

_HOLD_S = {
    CoverageReason.DARK: 10.0,
    CoverageReason.COVERED: 10.0,
    CoverageReason.BLURRED: 30.0,
    CoverageReason.MOVED: 30.0,
    CoverageReason.FROZEN: 2.0,  # it has held for frozen_s by itself
}


@dataclass(frozen=True, slots=True)
class ViewSettings:
    """When a view is not healthy; each with a margin on every clip.

    look_s: so far apart pictures are judged.
    hold_s: so long a reason holds before it is said. Auto-exposure settles within 3 s, somebody
        bends to the lens or wipes it in less than 10.
    agreeing: share of the looks of that time which have to say so.
    recover_s: so long the view is healthy before that is said.
    frozen_s: one picture repeated exactly for so long: an encoder that skips what does not
        change makes several whole pictures meanwhile. None: not asked, a clip may stand still.
    dark_grey: a quarter of the picture is brighter, of 255; below the detector loses half.
    lost: agreement of coarse directions, of the usual one, below which it is another view.
    in_place: agreement of edges, of the usual one, that needs no search for a displacement.
    displaced: share of blocks found in another place.
    covered_soft, covered_crisp: cells that have lost their edges, and sharp edges of what is there
        instead over those of the view.
    unsharp_log2: halvings of detail of an unsharp block; the detector loses half at one of 2.
    part_soft, all_soft: soft cells of a view that agrees as much as `clear`, or is just not lost.
    flat: share of cells without any contrast, for a lens that was never seen uncovered.
    least_cells: with fewer directions a view is too plain to be judged by them.
    ease: a reason that is said stays until the value is better than its limit by this factor.
    learn_s: so much healthy time makes a view. follow_s: so slowly it follows changes of light
        and furniture; sharpness 24 times slower.
    """

    look_s: float = 0.5
    hold_s: Mapping[CoverageReason, float] = field(
        default_factory=lambda: MappingProxyType(_HOLD_S)
    )
    agreeing: float = 0.8
    recover_s: float = 10.0
    frozen_s: float | None = 60.0
    dark_grey: float = 22.0
    lost: float = 0.33
    in_place: float = 0.80
    displaced: float = 0.30
    covered_soft: float = 0.55
    covered_crisp: float = 0.50
    unsharp_log2: float = 1.3
    part_soft: float = 0.30
    all_soft: float = 0.70
    clear: float = 0.70
    flat: float = 0.98
    least_cells: float = 0.05
    ease: float = 0.85
    learn_s: float = 60.0
    follow_s: float = 3600.0


class Verdict:
    """What is said, from what single looks are like: only what holds."""

    def __init__(self, settings: ViewSettings) -> None:
        """Begin healthy."""
        self._settings = settings
        self._seen: deque[tuple[float, CoverageReason | None]] = deque()
        self._longest_s = max(*settings.hold_s.values(), settings.recover_s)
        self.said: CoverageReason | None = None

    def add(self, at: float, found: CoverageReason | None) -> CoverageReason | None:
        """Take what one look is like, and return what is said now."""
        self._seen.append((at, found))
        while len(self._seen) > 1 and self._seen[1][0] <= at - self._longest_s:
            self._seen.popleft()
        if found is None:
            recent = self._within(at, self._settings.recover_s)
            if recent is not None and set(recent) == {None}:
                self.said = None
        else:
            self.said = self._holding(at) or self.said
        return self.said

    def interrupt(self) -> None:
        """Forget the single looks; what is said stays."""
        self._seen.clear()

    def _holding(self, at: float) -> CoverageReason | None:
        """Return the reason that has held for its time, or the commonest when several have."""
        for reason, hold_s in self._settings.hold_s.items():
            recent = self._within(at, hold_s)
            if recent and recent.count(reason) >= self._settings.agreeing * len(recent):
                return reason
        recent = self._within(at, self._longest_s) or [None]
        ill = Counter(found for found in recent if found is not None)
        if ill.total() < self._settings.agreeing * len(recent):
            return None
        return ill.most_common(1)[0][0] if self.said is None else None

    def _within(self, at: float, seconds: float) -> list[CoverageReason | None] | None:
        """Return the looks of the last seconds; None when they do not go back so far."""
        if not self._seen or self._seen[0][0] > at - seconds:
            return None
        return [found for then, found in self._seen if then >= at - seconds]
