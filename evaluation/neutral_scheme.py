"""The scheme that comes with the package: what reports are made by until there is one's own."""

from pathlib import Path

from edge.errors import BadInputError

_PACKAGE = Path(__file__).resolve().parent
_NAME = "neutral-2026.yaml"
_FOR_EDITORS = "# yaml-language-server:"
"""Names a file beside it in the source tree, which a copy has not beside it."""


def neutral_scheme() -> Path:
    """Return where it is. Raises BadInputError when this installation lacks it."""
    for folder in (_PACKAGE / "_schemes", _PACKAGE.parent / "config" / "schemes"):
        if (folder / _NAME).is_file():
            return folder / _NAME
    raise BadInputError(f"{_NAME} is not installed; install lobbycount[evaluation] again")


def write_copy(to: Path) -> None:
    """Write a copy to be edited. Raises BadInputError; a file that is there stays as it is."""
    lines = neutral_scheme().read_text("utf-8").splitlines(keepends=True)
    try:
        with to.open("x", encoding="utf-8") as file:
            file.writelines(line for line in lines if not line.startswith(_FOR_EDITORS))
    except FileExistsError:
        raise BadInputError(
            f"{to}: is there already and stays as it is; name another, e.g. scheme-2.yaml"
            " 文件已存在，未改动"
        ) from None
    except OSError as error:
        raise BadInputError(f"{to}: cannot be written: {error.strerror} 无法写入") from error
