"""A bundle that comes in pieces: what is asked for next, and which piece is taken. Pure.

Pieces are taken in their order and only when asked for; one that is lost, late, doubled or of
something else changes nothing, and what is missing is asked for again. So a file that is
complete holds the bytes in their order, and its hash decides.
"""

from dataclasses import dataclass

from edge.updating.answers import MOST_PIECES, Want
from edge.updating.wanted import Piece, Wanted


@dataclass(slots=True)
class Download:
    """How far one bundle has come. had: bytes taken. asked: bytes asked for, from the start."""

    wanted: Wanted
    had: int = 0
    asked: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether every byte has come."""
        return self.had == self.wanted.size

    @property
    def is_asking(self) -> bool:
        """Whether something that was asked for has not come."""
        return self.asked > self.had

    def ask(self, window_bytes: int) -> Want:
        """Return the wish for what comes next: at most a window, at least one piece."""
        wanted = self.wanted
        missing = -(-(wanted.size - self.had) // wanted.piece_bytes)
        pieces = min(missing, max(1, window_bytes // wanted.piece_bytes), MOST_PIECES)
        self.asked = min(wanted.size, self.had + pieces * wanted.piece_bytes)
        return Want(wanted.bundle, self.had, pieces)

    def forget_asking(self) -> None:
        """Take nothing until something is asked for again."""
        self.asked = self.had

    def take(self, piece: Piece) -> bool:
        """Say whether this piece is the next one that was asked for; then it counts as had."""
        wanted, end = self.wanted, piece.offset + len(piece.data)
        fits = (
            piece.bundle == wanted.bundle
            and piece.offset == self.had
            and 0 < len(piece.data) <= wanted.piece_bytes
            and end <= self.asked
        )
        if fits:
            self.had = end
        return fits
