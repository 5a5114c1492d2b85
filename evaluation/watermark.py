"""Which numbers of a stream are committed: contiguous from 1, and the spans beyond.

Pure. This is what an `ack` says, and what the store keeps beside the records so that no
batch has to look at a stream's whole history.
"""

from collections.abc import Iterable
from dataclasses import dataclass

Span = tuple[int, int]
"""A range of sequence numbers, both ends included."""

MOST_KEPT = 1000
"""Of the spans beyond `upto` no more are kept. What is beyond them is merely not stated, so
its device sends it once more and it is taken for the repetition it is. It keeps the cost of a
batch bounded whatever a device sends."""


@dataclass(frozen=True, slots=True)
class Watermark:
    """Every number from 1 to `upto`, and those in the ascending, separate spans of `have`."""

    upto: int = 0
    have: tuple[Span, ...] = ()

    def plus(self, spans: Iterable[Span]) -> "Watermark":
        """Return the watermark with more numbers, in any order and however often."""
        merged: list[Span] = [(0, self.upto)]  # 0 is no number; it holds the place before 1
        for first, last in sorted((*self.have, *spans)):
            before = merged[-1]
            if first <= before[1] + 1:
                merged[-1] = (before[0], max(before[1], last))
            else:
                merged.append((first, last))
        return Watermark(merged[0][1], tuple(merged[1 : 1 + MOST_KEPT]))


def spans_of(numbers: Iterable[int]) -> list[Span]:
    """Return numbers as ascending spans; cheap where they follow each other."""
    spans: list[Span] = []
    for number in sorted(numbers):
        if spans and number <= spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], number)
        else:
            spans.append((number, number))
    return spans
