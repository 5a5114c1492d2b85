"""What the verbs share: their common options, both outputs, the log, a progress bar."""

import io
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, TextIO, cast

import structlog
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

DEFAULT_CONFIG = Path("/etc/lobbycount/lobby.yaml")
OUT = Console()
ERR = Console(stderr=True)

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The config file. 配置文件。", show_default=True)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
BrokerOption = Annotated[
    str | None,
    typer.Option(help="Instead of the config's broker: mqtt://host:port is plain text, labs only."),
]


def progress_bar(shown: bool = True) -> Progress:
    """Return a bar on standard error, where that is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    quiet = not (shown and ERR.is_terminal)
    return Progress(*columns, TimeRemainingColumn(), console=ERR, transient=True, disable=quiet)


class _Stderr(io.TextIOBase):
    """Standard error that never raises: a full or closed log must not stop the counting."""

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.flush()


def log_to_stderr(level: int) -> None:
    """Log lines for people on a terminal, JSON for the journal elsewhere.

    Tracebacks are plain: no values of variables, which could be about people.
    """
    if sys.stderr.isatty():
        render: list[structlog.typing.Processor] = [
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        ]
    else:
        render = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *render,
        ],
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Stderr())),
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )
