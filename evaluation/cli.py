"""The console script: says what to install where the extra is missing, else runs the verbs."""

import logging
import sys

from edge.errors import LobbyCountError
from edge.terminal import ERR, log_to_stderr

INSTALL = "pip install 'lobbycount[evaluation]'"

try:
    from evaluation.verbs import cli
except ModuleNotFoundError as error:
    if error.name not in {"sqlalchemy", "psycopg", "alembic", "jinja2"}:
        raise
    cli = None  # type: ignore[assignment]


def main() -> None:
    """Run the command line; errors of this package end as one sentence and an exit code."""
    log_to_stderr(logging.WARNING)
    if cli is None:
        _end(f"the backend's side needs more packages: {INSTALL}", 2)
        return
    try:
        cli()
    except LobbyCountError as error:
        _end(str(error), error.exit_code)


def _end(sentence: str, code: int) -> None:
    ERR.print(sentence, style="bold red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(code)
