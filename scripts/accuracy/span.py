"""Does the range that the records publish hold the truth, and how wide is it."""

from collections.abc import Iterable
from dataclasses import dataclass

from accuracy.detections import Footage
from accuracy.ours import settings
from edge.counting import Counter
from edge.tracking import Tracker
from edge.vocabulary import Crossing, Outcome


@dataclass(slots=True)
class Spans:
    """Pairs of line and direction: how many, exact, in range; and the widths summed."""

    pairs: int = 0
    exact: int = 0
    held: int = 0
    width: int = 0
    true: int = 0

    def text(self) -> str:
        """Return one sentence."""
        return (
            f"of {self.pairs} lines and directions the count is exact in {self.exact} and the"
            f" truth in the range in {self.held}; the ranges are as wide as"
            f" {100 * self.width / max(1, self.true):.0f} % of the crossings"
        )


def measure(clips: Iterable[Footage]) -> Spans:
    """Count whole clips as one interval; U-turns are one in and one out of truth and count."""
    spans = Spans()
    for clip in clips:
        tracking, counting = settings(clip.sure_score, {})
        tracker, counter = Tracker(tracking), Counter(clip.lines, counting)
        booked: list[Crossing] = []
        for sample in clip.samples:
            booked += counter.update(tracker.update(sample.detections, sample.at)).booked
        booked += counter.finish(clip.samples[-1].at).booked
        for line in clip.lines:
            for way in (Outcome.IN, Outcome.OUT):
                _add(spans, clip, [c for c in booked if c.line == line.id], line.id, way)
    return spans


def _add(spans: Spans, clip: Footage, booked: list[Crossing], line: str, way: Outcome) -> None:
    count = sum(c.outcome in (way, Outcome.UTURN) for c in booked)
    low = count - sum(c.outcome is way and c.doubt is way for c in booked)
    high = count + sum(c.outcome is not way and c.doubt is way for c in booked)
    least, most = (
        sum((c.line, c.outcome) == (line, way) for c in pool)
        for pool in (clip.truth.certain, clip.truth.strict().certain)
    )
    spans.pairs += 1
    spans.exact += least <= count <= most
    spans.held += low <= most and least <= high
    spans.width += high - low
    spans.true += least
