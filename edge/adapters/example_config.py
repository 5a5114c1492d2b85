"""The commented config that a new device begins with."""

from pathlib import Path

from edge.errors import BadInputError

_PACKAGE = Path(__file__).resolve().parents[1]
_NAME = "lobby.example.yaml"


def example_config() -> str:
    """Return its text. Raises BadInputError when this installation lacks it."""
    for folder in (_PACKAGE / "_config", _PACKAGE.parent / "config"):
        if (folder / _NAME).is_file():
            return (folder / _NAME).read_text(encoding="utf-8")
    raise BadInputError(f"{_NAME} is not installed; install lobbycount again")
