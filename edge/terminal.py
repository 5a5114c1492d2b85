"""What the verbs share: their common options, both outputs, the log, a progress bar."""

import io
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, TextIO, cast

import structlog
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

DEFAULT_CONFIG = Path("/etc/lobbycount/lobby.yaml")
PRIORITIES = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
"""Of syslog, as sd-daemon(3) writes them before a line: <3> is an error."""
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


_JSON = structlog.processors.JSONRenderer(ensure_ascii=False)


def _with_priority(
    logger: structlog.typing.WrappedLogger, name: str, event: structlog.typing.EventDict
) -> str:
    priority = PRIORITIES.get(str(event.get("level")), PRIORITIES["info"])
    text = _JSON(logger, name, event)
    return f"<{priority}>{text if isinstance(text, str) else text.decode()}"


def _is_journal() -> bool:
    """Whether standard error is the stream that systemd says leads to its journal."""
    try:
        error = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{error.st_dev}:{error.st_ino}"


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
    """Log lines for people on a terminal, JSON elsewhere.

    Where that is the journal, each line begins with its priority and has no time of its own.
    Tracebacks are plain: no values of variables, which could be about people.
    """
    journal = _is_journal()
    if sys.stderr.isatty():
        render: list[structlog.typing.Processor] = [
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        ]
    else:
        render = [
            structlog.processors.format_exc_info,
            _with_priority if journal else _JSON,
        ]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            *(() if journal else (structlog.processors.TimeStamper(fmt="iso", utc=True),)),
            *render,
        ],
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Stderr())),
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )
