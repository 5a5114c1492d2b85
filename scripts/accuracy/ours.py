"""The product's tracker and counter, with the product's settings, on given detections."""

from accuracy.detections import Footage
from edge.counting import Counter
from edge.tracking import Tracker, TrackerSettings
from edge.vocabulary import Crossing, Tracks

NAME = "ours"


def count(footage: Footage) -> list[Crossing]:
    """Return every crossing as it happened, those judged at the end of the clip included."""
    return [crossing for _, found in follow(footage) for crossing in found]


def follow(footage: Footage) -> list[tuple[Tracks, tuple[Crossing, ...]]]:
    """Return the tracks of each frame with the crossings that were seen then."""
    tracker = Tracker(TrackerSettings(sure_score=footage.sure_score))
    counter = Counter(footage.lines)
    steps = []
    for sample in footage.samples:
        tracks = tracker.update(sample.detections, sample.at)
        steps.append((tracks, tuple(counter.update(tracks).live)))
    if footage.samples:
        last = footage.samples[-1].at
        steps.append((Tracks(last, 1.0), tuple(counter.finish(last).live)))
    return steps
