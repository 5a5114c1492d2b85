"""The command lines of `lobbycount setup`: what concerns the setup page, on the device itself."""

import json
import sys
from typing import Annotated

import typer

from edge.config import Config, load
from edge.errors import BadInputError, OutboxError
from edge.setup_page.audit_log import read_audit
from edge.setup_page.door import ask_to_open
from edge.setup_page.pin import new_pin, pin_mark, pin_text
from edge.terminal import DEFAULT_CONFIG, OUT, ConfigOption, JsonOption

setup = typer.Typer(
    help="The setup page: its PIN, opening it again, who used it. 设置页面。", no_args_is_help=True
)


@setup.command()
def pin(
    config: ConfigOption = DEFAULT_CONFIG,
    new: Annotated[
        bool, typer.Option("--new", help="Make a new one; the old one and all logins end. 重新生成")
    ] = False,
) -> None:
    """Make a PIN for the setup page; it is shown now and never again.

    生成设置页面的 PIN，仅显示一次。
    """
    folder = load(config).records.data_dir
    if pin_mark(folder) is not None and not new:
        raise BadInputError(
            f"{folder}: there is a PIN already, of which only a hash is kept; make a new one with"
            " lobbycount setup pin --new 已有 PIN，遗失请加 --new 重新生成"
        )
    if not folder.is_dir():
        raise BadInputError(
            f"{folder}: there is no such folder; is records.data_dir that of the device?"
            " It is made when the service first runs"
        )
    sys.stdout.write(pin_text(new_pin(folder)))


@setup.command("open")
def open_(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Open the page again after it has closed itself, or keep it open for longer.

    重新打开已自动关闭的设置页面。
    """
    settings = load(config)
    _check_enabled(settings)
    folder = settings.records.data_dir
    try:
        ask_to_open(folder)
    except OSError as error:
        raise OutboxError(
            f"{folder}: cannot be written ({error.strerror}); run this as the user of the service,"
            " e.g. sudo -u lobbycount lobbycount setup open"
        ) from error
    OUT.print(
        f"页面将在一秒内打开 {settings.setup_page.auto_off_min} 分钟。The running service opens its"
        f" page within a second, for {settings.setup_page.auto_off_min} min.",
        soft_wrap=True,
    )


@setup.command("audit")
def audit_(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Show who used the page: when, from which address, for what.

    查看设置页面的访问记录。
    """
    for entry in read_audit(load(config).records.data_dir):
        if as_json:
            text = json.dumps(entry, ensure_ascii=False)
        else:
            more = f" (+{entry['more']})" if "more" in entry else ""
            text = "  ".join(str(entry.get(k)) for k in ("at", "address", "what", "result")) + more
        sys.stdout.write(text + "\n")


def _check_enabled(config: Config) -> None:
    if not config.setup_page.enabled:
        raise BadInputError(
            "setup_page.enabled: the page is off in this config; switch it on, e.g."
            " setup_page: {enabled: true}, and restart the service"
        )
