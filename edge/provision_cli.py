"""The command lines of `lobbycount provision` and `provision-sheet`."""

import logging
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer

from edge.adapters.written_whole import write_whole
from edge.errors import BadInputError
from edge.provision import provision as go
from edge.provision_place import Place
from edge.provision_reading import PROVISION_FILE
from edge.provision_sheet import Common, write_sheet
from edge.provision_words import Outcome, for_any_editor, result_text
from edge.terminal import DEFAULT_CONFIG, OUT, ConfigOption, log_to_stderr

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


def provision_sheet(
    table: Annotated[Path, typer.Argument(metavar="SITES.csv", help="One row a device. 站点表。")],
    out: Annotated[Path, typer.Option(help="A new folder. 输出文件夹。")],
    broker: Annotated[str, typer.Option(help="host or host:port. 消息服务器。")],
    ca: Annotated[Path, typer.Option(help="The authority's certificate, ca.pem. 机构证书。")],
    enrol: Annotated[
        str | None,
        typer.Option(help="https://… of the enrolment endpoint; without: by files. 注册地址。"),
    ] = None,
    setup_page: Annotated[
        bool, typer.Option(help="Switch the setup page on in the local network. 开启设置页面。")
    ] = True,
) -> None:
    """Write a provision file for each row of a table, one-time tokens, and labels to print.

    由站点表生成每台设备的 provision.yaml、一次性令牌和可打印的二维码标签。
    """
    host, _, port = broker.rpartition(":") if ":" in broker else (broker, "", "8883")
    if not host or not port.isdecimal():
        raise BadInputError(f"--broker {broker}: e.g. --broker broker.example.org:8883")
    count = write_sheet(table, out, Common(host, int(port), ca, enrol, setup_page))
    OUT.print(
        f"{out}: {count} device(s), labels.html to print 已生成 {count} 台设备，标签见 labels.html",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _leave(path: Path, content: bytes, text: str) -> None:
    """Write the result beside the file; where that cannot be, the log has it."""
    try:
        if not path.exists() or path.read_bytes() != content:
            write_whole(path, content)
    except OSError as error:
        _log.error("provision.result-not-written", reason=error.strerror, result=text)
