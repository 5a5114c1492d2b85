"""What the backend's side raises on purpose; the root is that of the whole package."""

from edge.errors import LobbyCountError


class StoreError(LobbyCountError):
    """The database cannot be reached, written or read; the same may work later."""


class UnstorableError(StoreError):
    """The database refuses a value itself: to try the same again would not help."""


class CommandError(LobbyCountError):
    """A command that alerts are handed to failed or took too long; they are handed on again."""
