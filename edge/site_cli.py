"""The command lines of `lobbycount site`: a device moves to another board or card."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from edge.adapters.retirement import unretire as take_mark_away
from edge.config import load
from edge.errors import BadInputError
from edge.site_handover import Moved, export_site, import_site
from edge.terminal import DEFAULT_CONFIG, OUT, ConfigOption

site = typer.Typer(
    help="Move a device to another board or card. 更换主板或存储卡。", no_args_is_help=True
)


@site.command("export")
def export_(
    out: Annotated[Path, typer.Option(help="The package, at most 1 MB. 站点包。")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Pack this device, which is stopped, and retire this board.

    导出本设备（先停止服务），之后本机不再计数。
    """
    _tell("packed 已导出", export_site(config, out, _passphrase(twice=True)))
    OUT.print(
        "本机已停用；如不更换，请运行 lobbycount site unretire。"
        "This board counts no more; if it is to stay after all: lobbycount site unretire",
        markup=False,
        soft_wrap=True,
    )


@site.command("import")
def import_(
    package: Annotated[Path, typer.Argument(help="What `site export` wrote. 站点包。")],
    config: ConfigOption = DEFAULT_CONFIG,
    root: Annotated[
        Path, typer.Option(help="Where the device's own files begin, for images and tests.")
    ] = Path("/"),
) -> None:
    """Make this board the device of a package; it goes on where the old one ended.

    导入站点包，本机接替原设备继续计数。
    """
    _tell("taken over 已导入", import_site(package, config, _passphrase(twice=False), root))


@site.command()
def unretire(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Let this board count again, because its package was not and will not be used.

    恢复本机计数（仅当站点包没有也不会被使用）。
    """
    folder = load(config).records.data_dir
    try:
        was = take_mark_away(folder)
    except OSError as error:
        raise BadInputError(f"{folder}: cannot be written: {error.strerror}") from error
    OUT.print(
        f"{folder}: {'counts again 已恢复' if was else 'was not retired 未停用'}", markup=False
    )


def _passphrase(*, twice: bool) -> str:
    """Ask for it; a program gives it as the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    asked: str = typer.prompt("Passphrase 口令", hide_input=True, confirmation_prompt=twice)
    return asked


def _tell(what: str, moved: Moved) -> None:
    OUT.print(
        f"{moved.dev}: {what}: {moved.records} record(s), {moved.pending} still to be sent"
        f" 待上报, {moved.left_out} delivered one(s) left out 未包含",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
