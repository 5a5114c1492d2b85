"""The command lines of `lobbycount privacy` and `lobbycount privacy-check`."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from edge.acknowledgement import POINTS, acknowledgement
from edge.adapters.acknowledgement_file import write_acknowledgement
from edge.answered_for import covered_by
from edge.config import Config, load
from edge.errors import BadInputError
from edge.privacy_check import WATCH_S, as_json, as_text, check
from edge.privacy_promises import Lang, Said
from edge.privacy_statement import statement
from edge.privacy_verdicts import exit_code
from edge.terminal import DEFAULT_CONFIG, ERR, OUT, ConfigOption, JsonOption

privacy = typer.Typer(
    help="What visitors are told, and who answers for it. 隐私说明与安装确认。",
    no_args_is_help=True,
)
_MISSING = Said(
    "请先在配置文件的 privacy 部分填写", "first fill in, in the section privacy of the config file"
)


@privacy.command("statement")
def statement_(
    config: ConfigOption = DEFAULT_CONFIG,
    lang: Annotated[str, typer.Option(help="zh or en. 语言。")] = "zh",
) -> None:
    """Print the privacy statement of this device.

    打印本设备的隐私说明。
    """
    if lang not in {"zh", "en"}:
        raise BadInputError(f"--lang {lang}: must be zh or en, e.g. --lang zh")
    chosen: Lang = "zh" if lang == "zh" else "en"
    sys.stdout.write(statement(load(config)).text(chosen))


@privacy.command()
def sign(
    config: ConfigOption = DEFAULT_CONFIG,
    out: Annotated[Path, typer.Option(help="Where to write it. 输出文件。")] = Path("sign.html"),
) -> None:
    """Write the notice for the door: one A4 page, print it from any browser.

    生成张贴用的告示（A4，一页）：用浏览器打开并打印。
    """
    settings = load(config)
    try:
        out.write_text(statement(settings).sign(), encoding="utf-8")
    except OSError as error:
        raise BadInputError(
            f"--out {out}: cannot be written ({error.strerror}); e.g. --out sign.html"
        ) from error
    OUT.print(f"{out}: print it and put it up 请打印并张贴", markup=False, soft_wrap=True)
    if blank := _blank(settings):
        ERR.print(
            f"not filled in 未填写: {', '.join(blank)} (privacy: in {config})",
            style="yellow",
            markup=False,
            soft_wrap=True,
        )


@privacy.command()
def acknowledge(
    config: ConfigOption = DEFAULT_CONFIG,
    by: Annotated[str | None, typer.Option(help="The installer's name. 安装人员姓名。")] = None,
    confirm: Annotated[
        list[str] | None,
        typer.Option(help=f"For scripts, once for each: {', '.join(POINTS)}. 逐项确认。"),
    ] = None,
) -> None:
    """Confirm the installation; in production nothing is counted without it.

    安装人员逐项确认。正式模式没有确认不启动。
    """
    settings = load(config)
    if blank := _blank(settings):
        raise BadInputError(f"{config}: {_MISSING.en} 请先填写: {', '.join(blank)}")
    _check_points(confirm)
    OUT.print(statement(settings).text("zh"), markup=False, highlight=False, soft_wrap=True)
    for name, point in POINTS.items():
        if not _confirmed(name, point, confirm):
            raise BadInputError(
                f"not confirmed: {point.en} ({name}); nothing was recorded"
                f" 未确认：{point.zh}，未作记录"
            )
    name = _installer(by, asks=confirm is None)
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    record = acknowledgement(covered_by(settings), name, at)
    path = write_acknowledgement(settings.records.data_dir, record)
    OUT.print(f"{path}: recorded 已记录 {at} {name}", markup=False, soft_wrap=True)


def privacy_check(
    config: ConfigOption = DEFAULT_CONFIG,
    probe: Annotated[
        bool, typer.Option(help="Also run the counter on a sentinel clip. 用标记画面试运行。")
    ] = True,
    watch: Annotated[
        float, typer.Option(help="Seconds for which connections are watched. 观察秒数。", min=0)
    ] = WATCH_S,
    printed: JsonOption = False,
) -> None:
    """Hold every privacy promise against this unit; with sudo all can be looked at.

    Exit code 0: all are kept, 1: one is broken, 2: none is, but something was not looked at.

    逐项核验隐私承诺；用 sudo 运行可查看全部内容。
    """
    found = check(load(config), config, watch_s=watch, probes=probe)
    if printed:
        sys.stdout.write(json.dumps(as_json(found), ensure_ascii=False) + "\n")
    else:
        for line in as_text(found):
            OUT.print(line, markup=False, highlight=False, soft_wrap=True)
    if code := exit_code(found):
        raise typer.Exit(code)


def _blank(config: Config) -> list[str]:
    given = {
        "device.name": config.device.name,
        "privacy.unit": config.privacy.unit,
        "privacy.purpose": config.privacy.purpose,
        "privacy.contact": config.privacy.contact,
    }
    return [name for name, value in given.items() if not value]


def _check_points(confirm: list[str] | None) -> None:
    unknown = sorted(set(confirm or ()) - set(POINTS))
    if unknown:
        raise BadInputError(
            f"--confirm {unknown[0]}: there is no such point; allowed: {', '.join(POINTS)}"
        )


def _confirmed(name: str, point: Said, confirm: list[str] | None) -> bool:
    if confirm is not None:
        return name in confirm
    try:
        answer = OUT.input(f"{point.zh} / {point.en}? [y/N] ", markup=False)
    except EOFError:
        return False
    return answer.strip().lower() in {"y", "yes", "是"}


def _installer(by: str | None, *, asks: bool) -> str:
    try:
        name = by if by is not None or not asks else OUT.input("姓名 Name: ", markup=False)
    except EOFError:
        name = None
    if name is None or not 1 <= len(name.strip()) <= 80:
        raise BadInputError("--by: the installer's name, up to 80 characters, e.g. --by 张三")
    return name.strip()
