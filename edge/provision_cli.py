"""The command lines of `lobbycount provision` and `provision-sheet`."""

import logging
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer

from edge.adapters.written_whole import write_whole
from edge.provision import Place
from edge.provision import provision as go
from edge.provision_file import PROVISION_FILE
from edge.provision_words import Outcome, for_any_editor, result_text
from edge.terminal import DEFAULT_CONFIG, ConfigOption, log_to_stderr

RESULT_FILE = "provision-result.txt"
_log = structlog.get_logger(__name__)


def provision(
    boot: Annotated[
        Path, typer.Option(help=f"The folder with {PROVISION_FILE}. 启动分区。")
    ] = Path("/boot/firmware"),
    config: ConfigOption = DEFAULT_CONFIG,
    root: Annotated[
        Path, typer.Option(help="Where the device's own files begin, for images and tests.")
    ] = Path("/"),
) -> None:
    """Set this device up from provision.yaml, as at its first boot; says how in plain words.

    Exit code 0: done, 2: something is wrong, 3: waits for its certificate, 75: is tried again.

    按 provision.yaml 设置本设备，结果写入 provision-result.txt。
    """
    log_to_stderr(logging.INFO)
    result = go(Place(boot, config, root))
    text = result_text(result)
    sys.stdout.write(text)
    _leave(boot / RESULT_FILE, for_any_editor(text), text)
    if result.outcome is not Outcome.DONE:
        raise typer.Exit(result.outcome.value)


def _leave(path: Path, content: bytes, text: str) -> None:
    """Write the result beside the file; where that cannot be, the log has it."""
    try:
        if not path.exists() or path.read_bytes() != content:
            write_whole(path, content)
    except OSError as error:
        _log.error("provision.result-not-written", reason=error.strerror, result=text)
