"""The folder a bundle comes into, as a port. Pure."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Begun:
    """What is on the disk of a bundle: `had` synced bytes, or all of them, handed over.

    failures: how often it came complete with another hash than was announced.
    """

    bundle: str
    had: int = 0
    failures: int = 0
    handed_over: bool = False


class Incoming(Protocol):
    """The folder. Everything raises OSError when it cannot be done."""

    def begun(self) -> Begun | None:
        """Return what is there, cut back to what was synced; None for nothing."""
        ...

    def begin(self, bundle: str, failures: int) -> None:
        """Begin anew with a bundle; what was there of any is gone."""
        ...

    def append(self, data: bytes) -> None:
        """Add bytes; a power cut may lose them until `sync`."""
        ...

    def sync(self) -> None:
        """Have what was added on the disk."""
        ...

    def digest(self) -> str:
        """Return the SHA-256 of what has come."""
        ...

    def hand_over(self) -> None:
        """Give the complete file to whoever installs it, in one step."""
        ...

    def discard(self) -> None:
        """Forget what has come; nothing where there is nothing."""
        ...

    def has_room(self, more_bytes: int) -> bool:
        """Whether so many bytes fit, with some to spare for the counting."""
        ...
